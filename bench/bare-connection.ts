import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface BareAnswer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = "\r\n\r\n";
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;

/**
 * A client's connection that speaks just enough HTTP/1.1, so that it takes little of the machine
 * from what it measures. One request at a time.
 */
export class BareConnection {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  /** Bytes of the answer that have not arrived yet; NaN until its head is complete. */
  #missing = Number.NaN;
  #settle: { resolve(answer: BareAnswer): void; reject(reason: Error): void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#settle?.reject(error));
    socket.on("close", () => this.#settle?.reject(new Error("The connection was closed.")));
  }

  static async open(url: string): Promise<BareConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, "connect");
    return new BareConnection(socket);
  }

  /** Sends a whole request and waits for the end of its answer, of which each byte becomes a character. */
  exchange(request: string): Promise<BareAnswer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#settle = null;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (Number.isNaN(this.#missing)) this.#missing = missingOf(Buffer.concat(this.#chunks));
    else this.#missing -= chunk.length;
    if (!(this.#missing <= 0)) return;
    const answer = Buffer.concat(this.#chunks).toString("latin1");
    this.#chunks = [];
    this.#missing = Number.NaN;
    const body = answer.slice(answer.indexOf(HEAD_END) + HEAD_END.length);
    this.#settle?.resolve({ status: Number(answer.slice(9, 12)), body });
  }
}

/** How much of the answer is to come; NaN while its head is not whole. */
function missingOf(bytes: Buffer): number {
  const headEnd = bytes.indexOf(HEAD_END, 0, "latin1");
  if (headEnd === -1) return Number.NaN;
  const length = CONTENT_LENGTH.exec(bytes.toString("latin1", 0, headEnd))?.[1];
  if (length === undefined) throw new Error("The answer does not tell its length.");
  return headEnd + HEAD_END.length + Number.parseInt(length, 10) - bytes.length;
}
