import type { Socket } from "node:net";

// RFC 9112 4, without the reason phrase, which some servers leave out. Not 1xx: those precede the
// response.
const STATUS_LINE = /^HTTP\/1\.[01] ([2-5]\d\d)(?![^ \r\n])/;
const STATUS_LINE_BYTES_MAX = 16;

/**
 * Remembers how the response on a connection begins. undici refuses a response whose head
 * contradicts itself, such as a length with chunks, without its status.
 */
export class AnswerTap {
  #isListening = false;
  #first: Buffer | null = null;

  /** undici receives data by `read`, so nothing is copied or delayed. */
  attach(socket: Socket): void {
    const read = socket.read.bind(socket);
    socket.read = (size?: number): unknown => {
      const chunk: unknown = read(size);
      if (this.#isListening && chunk instanceof Buffer) {
        this.#first = chunk;
        this.#isListening = false;
      }
      return chunk;
    };
  }

  /** A request was sent: the next data is its response. */
  listen(): void {
    this.#isListening = true;
    this.#first = null;
  }

  forget(): void {
    this.#isListening = false;
    this.#first = null;
  }

  /** The final status that the response begins with, or null. */
  get status(): number | null {
    const line = this.#first?.toString("latin1", 0, STATUS_LINE_BYTES_MAX);
    const status = line === undefined ? undefined : STATUS_LINE.exec(line)?.[1];
    return status === undefined ? null : Number(status);
  }
}
