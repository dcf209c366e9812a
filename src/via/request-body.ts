import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Clock } from "../runtime/clock.ts";
import type { PassedBuffers } from "../runtime/process/heap.ts";

/**
 * The body of a client's request on its way upstream. It reads no faster than it is taken, and its end,
 * however it comes, leaves the client's connection as it is: undici destroys the bodies that it gives
 * up, and the client still has to be answered.
 */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #buffers: Pick<PassedBuffers, "passed">;
  #begin: (() => void) | null;
  bytes = 0;

  /** @param begin called when the first byte is wanted */
  constructor(source: IncomingMessage, buffers: Pick<PassedBuffers, "passed">, begin: () => void) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#buffers = buffers;
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
    this.#buffers.passed(chunk.length);
    if (!this.push(chunk)) this.#source.pause();
  };

  readonly #finish = (): void => {
    this.push(null);
  };

  readonly #cut = (): void => {
    if (!this.#source.complete) this.destroy(new ClientGoneError());
  };
}

/** The client's connection ended before its body did. */
export class ClientGoneError extends Error {
  constructor() {
    super("the client ended before its body");
  }
}

/**
 * Reads a body up to `bytesMax`, or a little beyond. Null when nothing has come for `idleMs`. Rejects
 * when it is cut off. The bytes read can be put back with `unshift` while the body is not whole.
 */
export async function readBeginning(
  body: Readable,
  bytesMax: number,
  { clock, idleMs }: { readonly clock: Clock; readonly idleMs: number },
): Promise<{
  readonly part: Buffer;
  /** Nothing comes after it. */
  readonly isWhole: boolean;
} | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    for (let chunk = read(body); chunk !== null; chunk = read(body)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= bytesMax) return { part: Buffer.concat(chunks), isWhole: false };
    }
    const news = await newsOf(body, clock, idleMs);
    if (news === "idle") return null;
    if (news === "end") return { part: Buffer.concat(chunks), isWhole: true };
  }
}

function read(body: Readable): Buffer | null {
  return body.read() as Buffer | null;
}

function newsOf(
  body: Readable,
  clock: Clock,
  idleMs: number,
): Promise<"readable" | "end" | "idle"> {
  const { promise, resolve, reject } = Promise.withResolvers<"readable" | "end" | "idle">();
  const onReadable = (): void => resolve("readable");
  const onEnd = (): void => resolve("end");
  const timer = clock.setTimer(idleMs, () => resolve("idle"));
  body.on("readable", onReadable).on("end", onEnd).on("error", reject);
  return promise.finally(() => {
    timer.cancel();
    body.off("readable", onReadable).off("end", onEnd).off("error", reject);
  });
}

/** Whether a request has a body (RFC 9112, 6). */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  return encoding !== undefined || (length !== undefined && Number(length) > 0);
}

/**
 * A small body that came together with its head, so that no stream is needed; null for any other. Node
 * calls it `complete` only after those who wait for its bytes have gone on.
 */
export function arrivedBody(request: IncomingMessage): Buffer | null {
  const length = Number(request.headers["content-length"] ?? 0);
  if (length === 0 || request.readableLength !== length) return null;
  return request.read() as Buffer | null;
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
