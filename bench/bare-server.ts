import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

const HEAD_END = "\r\n\r\n";
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const SPACE = 0x20;

/** A whole request; its parts are read only when somebody asks for them. */
export class BareRequest {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #bodyStart: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, bodyStart: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#bodyStart = bodyStart;
    this.#end = end;
  }

  get path(): string {
    const pathStart = this.#bytes.indexOf(SPACE, this.#start) + 1;
    return this.#bytes.toString("latin1", pathStart, this.#bytes.indexOf(SPACE, pathStart));
  }

  /** The number at the end of the path, as in `/job/bench-17`. */
  get number(): number {
    const { path } = this;
    return Number(path.slice(path.lastIndexOf("-") + 1));
  }

  get body(): string {
    return this.#bytes.toString("utf8", this.#bodyStart, this.#end);
  }
}

/** The bytes to answer with, from {@link encodeAnswer}. */
export type Answering = (request: BareRequest) => Buffer;

/**
 * An HTTP server that reads just enough of HTTP/1.1 to find where a request ends, because
 * node:http costs as much as the clients that are to be measured against it.
 */
export class BareServer {
  requests = 0;
  answered = 0;
  #answering: Answering;
  /** Milliseconds until each answer. */
  delayMs = 0;
  /** Answers that wait for `release`, or null. */
  #held: (() => void)[] | null = null;

  constructor(answering: Answering) {
    this.#answering = answering;
  }

  /** Listens on one more free loopback port. */
  async listen(): Promise<string> {
    const server: Server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  setAnswering(answering: Answering): void {
    this.#answering = answering;
  }

  /** Takes requests but answers none of them until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const answer of held) answer();
  }

  #serve(socket: Socket): void {
    // Chunks of a request that is not whole yet, joined only once it is: large bodies come in many.
    let pending: Buffer[] = [];
    let missing = 0;
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      pending.push(chunk);
      missing -= chunk.length;
      if (missing > 0) return;
      const bytes = pending.length === 1 ? chunk : Buffer.concat(pending);
      const rest = this.#answerAll(socket, bytes);
      pending = rest.start === bytes.length ? [] : [bytes.subarray(rest.start)];
      missing = rest.missing;
    });
  }

  /** Answers every whole request in `bytes`; where the rest begins and how much of it is missing. */
  #answerAll(socket: Socket, bytes: Buffer): { start: number; missing: number } {
    let start = 0;
    for (;;) {
      const extent = extentOf(bytes, start);
      if (extent === null) return { start, missing: 0 };
      if (extent.end > bytes.length) return { start, missing: extent.end - bytes.length };
      this.requests += 1;
      const answer = this.#answering(new BareRequest(bytes, start, extent.bodyStart, extent.end));
      const send = (): void => {
        this.answered += 1;
        socket.write(answer);
      };
      if (this.#held !== null) this.#held.push(send);
      else if (this.delayMs === 0) send();
      else setTimeout(send, this.delayMs);
      start = extent.end;
    }
  }
}

/** Null while the head is not whole. */
function extentOf(bytes: Buffer, start: number): { bodyStart: number; end: number } | null {
  const headEnd = bytes.indexOf(HEAD_END, start, "latin1");
  if (headEnd === -1) return null;
  const bodyStart = headEnd + HEAD_END.length;
  // "G": a GET, which has no body.
  if (bytes[start] === 0x47) return { bodyStart, end: bodyStart };
  const length = CONTENT_LENGTH.exec(bytes.toString("latin1", start, headEnd))?.[1] ?? "0";
  return { bodyStart, end: bodyStart + Number.parseInt(length, 10) };
}

/** @param body JSON text, or empty */
export function encodeAnswer(status: number, body: string): Buffer {
  const head = `HTTP/1.1 ${status} X\r\ncontent-type: application/json\r\n`;
  const length = status === 204 ? "" : `content-length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(`${head}${length}\r\n${body}`);
}
