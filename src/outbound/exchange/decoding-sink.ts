import { pipeline, type Readable, type Transform } from "node:stream";
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from "node:zlib";
import type { RequestFailureCode } from "../../core/request-failure.ts";
import { contentEncodings, ENCODINGS_MAX, ZSTD_WINDOW_LOG_MAX } from "./content-encoding.ts";
import type { ResponseHeaders, ResponseSink } from "./request-outcome.ts";

/** A body that is not read any further, and why. */
export class SinkRefusal extends Error {
  readonly code: RequestFailureCode;

  constructor(code: RequestFailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Undoes the content encodings of a body as it arrives and passes it on. The limit applies to the
 * decoded bytes, and the sender is slowed down while they are not consumed.
 */
export class DecodingSink implements ResponseSink {
  readonly #into: ResponseSink;
  readonly #bytesMax: number;
  #first: Transform | null = null;
  #passedOn: Promise<void> = Promise.resolve();

  constructor(into: ResponseSink, bytesMax: number) {
    this.#into = into;
    this.#bytesMax = bytesMax;
  }

  /** True when the bytes passed on differ from those sent. */
  get decodes(): boolean {
    return this.#first !== null;
  }

  begin(headers: ResponseHeaders): void {
    const decoders = contentEncodings(headers).map(decoderOf);
    const known = decoders.filter((decoder) => decoder !== null);
    const [first] = known;
    if (first === undefined || known.length < decoders.length) return;
    if (known.length > ENCODINGS_MAX) return;
    this.#first = first;
    const last = known.length === 1 ? first : pipeline(known, () => undefined);
    this.#passedOn = this.#passOn(last as Readable);
    // It is awaited at the end; an earlier failure rejects the next chunk.
    this.#passedOn.catch(() => undefined);
  }

  take(chunk: Buffer): Promise<void> | null {
    const first = this.#first;
    if (first === null) return this.#into.take(chunk);
    // A copy: the decoder may read it after the socket's buffer has been reused.
    return this.#whilePassing((done) => void first.write(Buffer.from(chunk), done));
  }

  /** Waits for the last of it. Rejects with a `SinkRefusal` when it was incomplete. */
  async end(): Promise<void> {
    this.#first?.end();
    await this.#passedOn;
  }

  /** Frees the decoder of an incomplete body. */
  discard(): void {
    this.#first?.destroy();
  }

  async #whilePassing(write: (done: (error?: Error | null) => void) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    write((error) => (error ? reject(error) : resolve()));
    try {
      await promise;
    } catch (error) {
      // Has a better reason than the write that came after it.
      await this.#passedOn;
      throw error;
    }
  }

  async #passOn(decoded: Readable): Promise<void> {
    let bytes = 0;
    try {
      for await (const piece of decoded as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > this.#bytesMax) {
          throw new SinkRefusal(
            "body_too_large",
            `Decompressed, the answer is larger than ${this.#bytesMax} bytes`,
          );
        }
        const room = this.#into.take(piece);
        if (room !== null) await room;
      }
    } catch (error) {
      if (error instanceof Error && "code" in error && isZlibCode(error.code)) {
        throw new SinkRefusal("invalid_response", "The answer can't be decompressed");
      }
      throw error;
    }
  }
}

function isZlibCode(code: unknown): boolean {
  return typeof code === "string" && /^(?:Z_|ERR_BROTLI|ERR__ERROR|ZSTD_|ERR_ZSTD)/.test(code);
}

function decoderOf(encoding: string): Transform | null {
  switch (encoding) {
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "br":
      return createBrotliDecompress();
    case "zstd":
      return createZstdDecompress({
        params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
      });
    default:
      return null;
  }
}
