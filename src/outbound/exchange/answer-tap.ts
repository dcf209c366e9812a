import type { Socket } from "node:net";

// RFC 9112 4, without the reason phrase, which some servers leave out. Not 1xx: those precede the
// response.
const STATUS_LINE = /^HTTP\/1\.[01] ([2-5]\d\d)(?![^ \r\n])/;
const STATUS_LINE_BYTES_MAX = 16;

// RFC 9110 15.2: a client has to take it though it did not ask for it. undici takes the other 1xx.
const CONTINUE = "HTTP/1.1 100";
const IS_CONTINUE = /^HTTP\/1\.[01] 100(?!\d)/;
const CONTINUE_BYTES_MAX = 8 * 1024;

/**
 * Remembers how the response on a connection begins. undici refuses a response whose head
 * contradicts itself, such as a length with chunks, without its status. Leaves out 100 Continue,
 * which undici takes for an error.
 */
export class AnswerTap {
  #isListening = false;
  #first: Buffer | null = null;
  /** The start of a response that may be a 100 Continue, while that is incomplete. */
  #pending: Buffer | null = null;

  /** undici receives data by `read`, so nothing is copied or delayed. */
  attach(socket: Socket): void {
    const read = socket.read.bind(socket);
    socket.read = (size?: number): unknown => {
      const chunk: unknown = read(size);
      return this.#isListening && chunk instanceof Buffer ? this.#begin(chunk) : chunk;
    };
  }

  /** A request was sent: the next data is its response. */
  listen(): void {
    this.#isListening = true;
    this.#first = null;
    this.#pending = null;
  }

  forget(): void {
    this.#isListening = false;
    this.#first = null;
    this.#pending = null;
  }

  /** The final status that the response begins with, or null. */
  get status(): number | null {
    const line = this.#first?.toString("latin1", 0, STATUS_LINE_BYTES_MAX);
    const status = line === undefined ? undefined : STATUS_LINE.exec(line)?.[1];
    return status === undefined ? null : Number(status);
  }

  /** The data for undici; null while it is none yet. */
  #begin(chunk: Buffer): Buffer | null {
    const received = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    const response = afterContinue(received);
    this.#pending = response === null ? received : null;
    if (response === null) return null;
    this.#isListening = false;
    this.#first = response;
    return response;
  }
}

/** The response behind any 100 Continue; null when its first byte has not arrived. */
function afterContinue(received: Buffer): Buffer | null {
  let rest = received;
  for (;;) {
    const start = rest.toString("latin1", 0, CONTINUE.length + 1);
    if (!IS_CONTINUE.test(start)) return CONTINUE.startsWith(start) ? null : rest;
    const end = rest.indexOf("\r\n\r\n");
    if (end === -1) return rest.length > CONTINUE_BYTES_MAX ? rest : null;
    rest = rest.subarray(end + 4);
  }
}
