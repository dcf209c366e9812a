import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { framed, int32, type Message, Messages, PROTOCOL_3 } from "./postgres-messages.ts";

/** Gets what arrives on a connection while it is lent. */
interface Borrower {
  received(message: Message): void;
  /** The server or the network has ended the connection. */
  lost(): void;
}

/** A connection to the real server. */
export class ServerConnection {
  readonly #socket: Socket;
  readonly #messages = new Messages();
  /** Names of prepared statements that it has, or will have as soon as it reads their Parse. */
  readonly #known = new Set<string>();
  /**
   * For the start and each Sync or Query in progress: the Parse messages before it that are not
   * answered. The client does not know about those that the pooler added (`isOwn`).
   */
  readonly #parses: { readonly name: string; readonly isOwn: boolean }[][] = [[], []];
  #borrower: Borrower | null = null;

  /** @param socket whose start-up message is still to be sent */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      for (const message of this.#messages.take(Buffer.from(chunk), () => false)) {
        this.#onMessage(message);
      }
    });
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#borrower?.lost());
  }

  /** @param borrower null when it is given back */
  lendTo(borrower: Borrower | null): void {
    this.#borrower = borrower;
  }

  knows(name: string): boolean {
    return this.#known.has(name);
  }

  parse(name: string, bytes: Buffer, isOwn: boolean): void {
    if (name !== "") this.#known.add(name);
    this.#parses.at(-1)?.push({ name, isOwn });
    this.send({ type: "P", bytes });
  }

  send({ type, bytes }: Message): void {
    if (type === "S" || type === "Q") this.#parses.push([]);
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onMessage(message: Message): void {
    const isOwnParse = message.type === "1" && this.#parses[0]?.shift()?.isOwn === true;
    if (message.type === "Z") {
      // After an error, the server has skipped these.
      for (const { name } of this.#parses.shift() ?? []) this.#known.delete(name);
    }
    if (!isOwnParse) this.#borrower?.received(message);
  }
}

/** Waits for a connection. */
export interface Waiter {
  lend(server: ServerConnection): void;
  /** The server can't be reached. */
  refuse(error: Error): void;
}

/** Lends at most so many connections to the server, first come, first served. */
export class ServerPool {
  readonly #url: URL;
  readonly #max: number;
  readonly #open = new Set<ServerConnection>();
  readonly #idle = new Set<ServerConnection>();
  readonly #waiters = new Set<Waiter>();
  #opening = 0;
  #isClosed = false;

  constructor(url: URL, max: number) {
    this.#url = url;
    this.#max = max;
  }

  get borrowed(): number {
    return this.#open.size - this.#idle.size;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  borrow(waiter: Waiter): void {
    this.#waiters.add(waiter);
    this.#serve();
  }

  /** Leaves the queue. */
  cancel(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  giveBack(server: ServerConnection): void {
    server.lendTo(null);
    if (this.#open.has(server)) this.#idle.add(server);
    this.#serve();
  }

  close(): void {
    this.#isClosed = true;
    for (const server of this.#open) server.destroy();
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const [server] = this.#idle;
      if (server === undefined) break;
      this.#idle.delete(server);
      this.#waiters.delete(waiter);
      waiter.lend(server);
    }
    const free = this.#max - this.#open.size;
    const wanted = Math.min(this.#waiters.size, free) - this.#opening;
    for (let more = wanted; more > 0; more -= 1) void this.#openOne();
  }

  async #openOne(): Promise<void> {
    this.#opening += 1;
    try {
      const server = await openServer(this.#url, (lost) => this.#forget(lost));
      this.#opening -= 1;
      this.#open.add(server);
      this.#idle.add(server);
      if (this.#isClosed) server.destroy();
      else this.#serve();
    } catch (error) {
      this.#opening -= 1;
      // The others may have more luck: each of them has an attempt.
      const [first] = this.#waiters;
      if (first !== undefined) this.#waiters.delete(first);
      first?.refuse(error instanceof Error ? error : new Error(String(error)));
      if (!this.#isClosed) this.#serve();
    }
  }

  /** Makes room for another connection. */
  #forget(server: ServerConnection): void {
    this.#idle.delete(server);
    if (this.#open.delete(server) && !this.#isClosed) this.#serve();
  }
}

/**
 * Opens and authenticates a connection by SCRAM-SHA-256, as the embedded Postgres asks for it.
 * @param onClosed called once it has ended, for whatever reason
 */
function openServer(
  url: URL,
  onClosed: (server: ServerConnection) => void,
): Promise<ServerConnection> {
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const database = url.pathname.slice(1);
  const nonce = randomBytes(18).toString("base64");
  const first = `n=*,r=${nonce}`;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    const server = new ServerConnection(socket);
    socket.once("error", reject);
    socket.once("close", () => {
      onClosed(server);
      reject(new Error("the server ended the connection while it was opened"));
    });
    server.lendTo({
      lost: () => undefined,
      received({ type, bytes }) {
        const text = bytes.subarray(9).toString();
        if (type === "Z") {
          server.lendTo(null);
          resolve(server);
        } else if (type === "E") {
          reject(new Error(bytes.toString()));
          socket.destroy();
        } else if (type === "R") {
          switch (bytes.readInt32BE(5)) {
            case 10: {
              const initial = Buffer.from(`n,,${first}`);
              const name = Buffer.from("SCRAM-SHA-256\0");
              socket.write(framed("p", Buffer.concat([name, int32(initial.length), initial])));
              break;
            }
            case 11:
              socket.write(framed("p", Buffer.from(scramFinal(password, first, text))));
          }
        }
      },
    });
    const words = ["user", user, "database", database, "client_encoding", "UTF8", "", ""];
    const body = Buffer.concat([int32(PROTOCOL_3), Buffer.from(words.join("\0"))]);
    socket.write(Buffer.concat([int32(body.length + 4), body]));
  });
}

function scramFinal(password: string, clientFirst: string, serverFirst: string): string {
  const fields = new Map(serverFirst.split(",").map((field) => [field[0], field.slice(2)]));
  const salt = Buffer.from(fields.get("s") ?? "", "base64");
  const salted = pbkdf2Sync(password, salt, Number(fields.get("i")), 32, "sha256");
  const withoutProof = `c=biws,r=${fields.get("r")}`;
  const message = `${clientFirst},${serverFirst},${withoutProof}`;
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest();
  const signature = createHmac("sha256", storedKey).update(message).digest();
  const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
  return `${withoutProof},p=${Buffer.from(proof).toString("base64")}`;
}
