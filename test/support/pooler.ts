import { createServer, type Server, type Socket } from "node:net";
import {
  errorMessage,
  framed,
  int32,
  type Message,
  Messages,
  PROTOCOL_3,
  textAt,
} from "./postgres-messages.ts";
import { type ServerConnection, ServerPool, type Waiter } from "./server-pool.ts";

/*
 * A pooler in transaction mode, as PgBouncer 1.21 and newer: few connections to the server, each lent
 * to a client for a transaction; start-up parameters that it does not know are refused; prepared
 * statements are kept for each client and made on whichever connection it gets.
 *
 * Beyond that it can lose a client the bad way: the client's machine is gone, and nothing tells the
 * pooler, so the transaction that it was in stays open on the server.
 */

const SSL_REQUEST = 80_877_103;
const KNOWN_PARAMETERS = ["user", "database", "client_encoding", "application_name"];

export interface Pooler {
  /** Reaches the same database through the pooler. */
  readonly url: string;
  /** Connections to the server that a client's transaction holds. */
  readonly borrowed: number;
  /** Clients that wait for such a connection. */
  readonly waiting: number;
  /**
   * From now on a client that sends this text is lost right after, in the middle of its transaction,
   * and with it all connections of its application name.
   */
  loseWhoSends(text: string): Promise<void>;
  close(): Promise<void>;
}

export async function startPooler(databaseUrl: string, connectionsMax = 10): Promise<Pooler> {
  const pool = new ServerPool(new URL(databaseUrl), connectionsMax);
  const shared: Shared = { pool, clients: new Set(), fatal: null };
  const { clients } = shared;
  const server = createServer((socket) => {
    const client = new Client(socket, shared);
    clients.add(client);
    socket.once("close", () => clients.delete(client));
  });
  const url = new URL(databaseUrl);
  url.port = String(await listen(server));
  url.searchParams.set("pooler", "transaction");
  return {
    url: url.href,
    get borrowed() {
      return pool.borrowed;
    },
    get waiting() {
      return pool.waiting;
    },
    loseWhoSends: (text) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      shared.fatal = { text, onLost: resolve };
      return promise;
    },
    async close() {
      for (const client of clients) client.destroy();
      pool.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Shared by the clients of a pooler. */
interface Shared {
  readonly pool: ServerPool;
  readonly clients: Set<Client>;
  /** Loses the client that sends it. */
  fatal: { readonly text: string; readonly onLost: () => void } | null;
}

class Client implements Waiter {
  readonly #socket: Socket;
  readonly #shared: Shared;
  readonly #messages = new Messages();
  /** Parse messages by the name of their statement. */
  readonly #statements = new Map<string, Buffer>();
  #name = "";
  #isStarted = false;
  #isLost = false;
  /** It has sent what it is to be lost after. */
  #isDoomed = false;
  #server: ServerConnection | null = null;
  readonly #waiting: Message[] = [];
  /** Sync and Query messages that were not answered yet. */
  #unanswered = 0;

  constructor(socket: Socket, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
    socket.on("data", (chunk) => this.#onData(Buffer.from(chunk)));
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      shared.pool.cancel(this);
      // A connection in the middle of a transaction is of no use to others, so a pooler closes it.
      if (!this.#isLost) this.#server?.destroy();
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Stops passing data in both directions, without closing the connection. */
  lose(): void {
    this.#isLost = true;
    this.#ignore();
  }

  lend(server: ServerConnection): void {
    this.#server = server;
    server.lendTo({
      received: (message) => this.#onAnswer(message),
      lost: () => this.#onServerLost(),
    });
    this.#forward();
  }

  refuse(error: Error): void {
    this.#ignore();
    this.#socket.end(errorMessage("08006", `the server can't be reached: ${error.message}`));
  }

  /** Passes nothing on that the client sends from now on. */
  #ignore(): void {
    this.#waiting.length = 0;
    this.#shared.pool.cancel(this);
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
  }

  #onData(chunk: Buffer): void {
    for (const message of this.#messages.take(chunk, () => !this.#isStarted)) {
      if (!this.#isStarted) this.#start(message.bytes);
      else if (message.type === "X") this.#socket.end();
      else this.#waiting.push(message);
    }
    this.#forward();
  }

  #start(bytes: Buffer): void {
    const code = bytes.readInt32BE(4);
    if (code === SSL_REQUEST) {
      this.#socket.write("N");
      return;
    }
    if (code !== PROTOCOL_3) return void this.#socket.destroy();
    const words = bytes.subarray(8).toString().split("\0");
    for (let index = 0; index + 1 < words.length && words[index] !== ""; index += 2) {
      const name = words[index] ?? "";
      if (name === "application_name") this.#name = words[index + 1] ?? "";
      if (KNOWN_PARAMETERS.includes(name)) continue;
      this.#socket.end(errorMessage("08P01", `unsupported startup parameter: ${name}`));
      return;
    }
    this.#isStarted = true;
    this.#socket.write(
      Buffer.concat([
        framed("R", int32(0)),
        framed("S", Buffer.from("server_version\x0015.0\0")),
        framed("K", Buffer.concat([int32(1), int32(1)])),
        framed("Z", Buffer.from("I")),
      ]),
    );
  }

  #forward(): void {
    if (this.#waiting.length === 0 || this.#isLost) return;
    if (this.#server === null) return this.#shared.pool.borrow(this);
    for (const message of this.#waiting.splice(0)) {
      this.#send(this.#server, message);
      if (this.#isLost) return;
    }
  }

  #send(server: ServerConnection, message: Message): void {
    const { type, bytes } = message;
    const name = nameIn(message);
    const parse = name === null ? undefined : this.#statements.get(name);
    if (type === "P") {
      this.#statements.set(textAt(bytes, 5), bytes);
      server.parse(textAt(bytes, 5), bytes, false);
    } else {
      if (name !== null && name !== "" && parse !== undefined && !server.knows(name)) {
        server.parse(name, parse, true);
      }
      server.send(message);
    }
    const { fatal } = this.#shared;
    this.#isDoomed ||= fatal !== null && (parse ?? bytes).includes(fatal.text, 0, "latin1");
    if (type !== "S" && type !== "Q") return;
    this.#unanswered += 1;
    if (this.#isDoomed) this.#loseAll();
  }

  #loseAll(): void {
    const { clients, fatal } = this.#shared;
    for (const client of clients) if (client.#name === this.#name) client.lose();
    this.#shared.fatal = null;
    fatal?.onLost();
  }

  #onAnswer({ type, bytes }: Message): void {
    if (!this.#isLost) this.#socket.write(bytes);
    if (type !== "Z") return;
    this.#unanswered -= 1;
    const isOver = bytes[5] === "I".charCodeAt(0);
    if (!isOver || this.#unanswered > 0 || this.#server === null) return;
    const server = this.#server;
    this.#server = null;
    this.#shared.pool.giveBack(server);
    this.#forward();
  }

  /** Its transaction is gone, so a pooler ends the client too. */
  #onServerLost(): void {
    this.#server = null;
    if (this.#isLost) return;
    // The rest of the transaction must not run on another connection.
    this.#ignore();
    this.#socket.end();
  }
}

/** The prepared statement that a Bind or Describe message is about. */
function nameIn({ type, bytes }: Message): string | null {
  if (type === "D" && bytes[5] === "S".charCodeAt(0)) return textAt(bytes, 6);
  if (type !== "B") return null;
  return textAt(bytes, 5 + textAt(bytes, 5).length + 1);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
