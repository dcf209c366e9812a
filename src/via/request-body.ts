import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/**
 * The body of a client's request on its way upstream. It reads no faster than it is taken, and its end,
 * however it comes, leaves the client's connection as it is: undici destroys the bodies that it gives
 * up, and the client still has to be answered.
 */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage;
  #begin: (() => void) | null;
  bytes = 0;

  /** @param begin called when the first byte is wanted */
  constructor(source: IncomingMessage, begin: () => void) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#begin = begin;
  }

  override _read(): void {
    if (this.#begin === null) {
      this.#source.resume();
      return;
    }
    this.#begin();
    this.#begin = null;
    this.#source.on("data", this.#take).on("end", this.#finish).on("close", this.#cut);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#source.off("data", this.#take).off("end", this.#finish).off("close", this.#cut);
    callback(error);
  }

  readonly #take = (chunk: Buffer): void => {
    this.bytes += chunk.length;
    if (!this.push(chunk)) this.#source.pause();
  };

  readonly #finish = (): void => {
    this.push(null);
  };

  readonly #cut = (): void => {
    if (!this.#source.complete) this.destroy(new Error("the client ended before its body"));
  };
}

/** Whether a request has a body (RFC 9112, 6). */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  return encoding !== undefined || (length !== undefined && Number(length) > 0);
}

/** All of a body, or null when it is larger than `bytesMax`. Rejects when it is cut off. */
export async function readWhole(body: Readable, bytesMax: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
