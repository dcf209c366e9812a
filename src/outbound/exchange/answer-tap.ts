import type { Socket } from "node:net";

// RFC 9112 4, without the reason phrase, which some servers leave out, and of any version, as curl
// and browsers read it. Not 1xx: those precede the response.
const STATUS_LINE = /^HTTP\/\d(?:\.\d)? ([2-5]\d\d)(?![^ \r\n])/i;
const STATUS_LINE_BYTES_MAX = 16;

// RFC 9110 15.2: a client has to take them though it did not ask for them. undici takes all but 100
// for itself, but not 100 behind another.
const INTERIM = "HTTP/1.1 100 ";
const IS_INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d(?!\d)/;
const INTERIM_BYTES_MAX = 8 * 1024;
const EMPTY_LINE = /\n\r?\n/;

/**
 * Remembers how the response on a connection begins. undici refuses a response whose head
 * contradicts itself, such as a length with chunks, without its status. Leaves out 100 Continue,
 * which undici takes for an error, and what else precedes a response.
 */
export class AnswerTap {
  #isListening = false;
  #first: Buffer | null = null;
  /** The start of what may precede a response, while that is incomplete. */
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
    const response = afterInterim(received);
    this.#pending = response === null ? received : null;
    if (response === null) return null;
    this.#isListening = false;
    this.#first = response;
    return response;
  }
}

/** The response behind any 100 Continue or 103 Early Hints; null when its first byte has not arrived. */
function afterInterim(received: Buffer): Buffer | null {
  let rest = received;
  for (;;) {
    const start = rest.toString("latin1", 0, INTERIM.length);
    // The start of a status line is completed by that of 100 Continue.
    if (!IS_INTERIM.test(start + INTERIM.slice(start.length))) return rest;
    const head = rest.toString("latin1", 0, INTERIM_BYTES_MAX);
    const end = EMPTY_LINE.exec(head);
    if (end === null) return rest.length > INTERIM_BYTES_MAX ? rest : null;
    rest = rest.subarray(end.index + end[0].length);
  }
}
