import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";

/*
 * A pooler in transaction mode, as PgBouncer 1.21 and newer: few connections to the server, each lent
 * to a client for a transaction; start-up parameters that it does not know are refused; prepared
 * statements are kept for each client and made on whichever connection it gets.
 *
 * Beyond that it can lose a client the bad way: the client's machine is gone, and nothing tells the
 * pooler, so the transaction that it was in stays open on the server.
 */

const PROTOCOL_3 = 196_608;
const SSL_REQUEST = 80_877_103;
const KNOWN_PARAMETERS = ["user", "database", "client_encoding", "application_name"];

export interface Pooler {
  /** Reaches the same database through the pooler. */
  readonly url: string;
  /** Connections to the server that a client's transaction holds. */
  readonly borrowed: number;
  /**
   * From now on a client that sends this text is lost right after, in the middle of its transaction,
   * and with it all connections of its application name.
   */
  loseWhoSends(text: string): Promise<void>;
  close(): Promise<void>;
}

export async function startPooler(databaseUrl: string, connectionsMax = 10): Promise<Pooler> {
  const pool = new ServerPool(new URL(databaseUrl), connectionsMax);
  const clients = new Set<Client>();
  const server = createServer((socket) => {
    const client = new Client(socket, pool, clients);
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
    loseWhoSends: (text) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      pool.fatal = { text, onLost: resolve };
      return promise;
    },
    async close() {
      for (const client of clients) client.destroy();
      pool.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One message: its type, and all of it. */
interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream into messages. */
class Messages {
  #rest: Buffer = Buffer.alloc(0);

  /** @param isStartup without a type in front */
  take(chunk: Buffer, isStartup: () => boolean): Message[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const typeBytes = isStartup() && messages.length === 0 ? 0 : 1;
      if (this.#rest.length < typeBytes + 4) return messages;
      const end = typeBytes + this.#rest.readInt32BE(typeBytes);
      if (this.#rest.length < end) return messages;
      const bytes = this.#rest.subarray(0, end);
      messages.push({ type: typeBytes === 0 ? "" : String.fromCharCode(bytes[0] ?? 0), bytes });
      this.#rest = this.#rest.subarray(end);
      if (typeBytes === 0) return messages;
    }
  }
}

class Client {
  readonly #socket: Socket;
  readonly #pool: ServerPool;
  readonly #others: ReadonlySet<Client>;
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
  #isBorrowing = false;
  /** Sync and Query messages that were not answered yet. */
  #unanswered = 0;

  constructor(socket: Socket, pool: ServerPool, others: ReadonlySet<Client>) {
    this.#socket = socket;
    this.#pool = pool;
    this.#others = others;
    socket.on("data", (chunk) => this.#onData(Buffer.from(chunk)));
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
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
    if (this.#server === null) {
      if (this.#isBorrowing) return;
      this.#isBorrowing = true;
      void this.#pool.borrow().then((server) => {
        this.#isBorrowing = false;
        this.#server = server;
        server.lendTo((message) => this.#onAnswer(message));
        this.#forward();
      });
      return;
    }
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
    this.#isDoomed ||= this.#pool.isFatal((parse ?? bytes).toString("latin1"));
    if (type !== "S" && type !== "Q") return;
    this.#unanswered += 1;
    if (this.#isDoomed) this.#loseAll();
  }

  #loseAll(): void {
    for (const client of this.#others) if (client.#name === this.#name) client.lose();
    this.#pool.fatal?.onLost();
    this.#pool.fatal = null;
  }

  #onAnswer({ type, bytes }: Message): void {
    if (this.#isLost) return;
    this.#socket.write(bytes);
    if (type !== "Z") return;
    this.#unanswered -= 1;
    const isOver = bytes[5] === "I".charCodeAt(0);
    if (!isOver || this.#unanswered > 0 || this.#server === null) return;
    this.#pool.giveBack(this.#server);
    this.#server = null;
    this.#forward();
  }
}

/** A connection to the real server. */
class ServerConnection {
  readonly #socket: Socket;
  readonly #messages = new Messages();
  readonly #known = new Set<string>();
  /**
   * For the start and each Sync or Query on its way: of the Parse messages before it, which the
   * client knows nothing of.
   */
  readonly #isOwn: boolean[][] = [[], []];
  #receive: (message: Message) => void;

  constructor(socket: Socket, receive: (message: Message) => void) {
    this.#socket = socket;
    this.#receive = receive;
    socket.on("data", (chunk) => {
      for (const message of this.#messages.take(Buffer.from(chunk), () => false)) {
        this.#onMessage(message);
      }
    });
    socket.on("error", () => socket.destroy());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  lendTo(receive: (message: Message) => void): void {
    this.#receive = receive;
  }

  knows(name: string): boolean {
    return this.#known.has(name);
  }

  parse(name: string, bytes: Buffer, isOwn: boolean): void {
    if (name !== "") this.#known.add(name);
    this.#isOwn.at(-1)?.push(isOwn);
    this.send({ type: "P", bytes });
  }

  send({ type, bytes }: Message): void {
    if (type === "S" || type === "Q") this.#isOwn.push([]);
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onMessage(message: Message): void {
    const isOwnParse = message.type === "1" && this.#isOwn[0]?.shift() === true;
    if (message.type === "Z") this.#isOwn.shift();
    if (!isOwnParse) this.#receive(message);
  }
}

class ServerPool {
  fatal: { readonly text: string; readonly onLost: () => void } | null = null;
  readonly #url: URL;
  readonly #max: number;
  readonly #all = new Set<ServerConnection>();
  #idle: ServerConnection[] = [];
  readonly #waiters: ((server: ServerConnection) => void)[] = [];

  constructor(url: URL, max: number) {
    this.#url = url;
    this.#max = max;
  }

  get borrowed(): number {
    return this.#all.size - this.#idle.length;
  }

  isFatal(text: string): boolean {
    return this.fatal !== null && text.includes(this.fatal.text);
  }

  async borrow(): Promise<ServerConnection> {
    for (const server of this.#all) if (!server.isOpen) this.#all.delete(server);
    this.#idle = this.#idle.filter((server) => server.isOpen);
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.size >= this.#max) {
      return new Promise((resolve) => this.#waiters.push(resolve));
    }
    const server = await openServer(this.#url);
    this.#all.add(server);
    return server;
  }

  giveBack(server: ServerConnection): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#idle.push(server);
    else waiter(server);
  }

  close(): void {
    for (const server of this.#all) server.destroy();
  }
}

/** Opens and authenticates a connection by SCRAM-SHA-256, as the embedded Postgres asks for it. */
function openServer(url: URL): Promise<ServerConnection> {
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const database = url.pathname.slice(1);
  const nonce = randomBytes(18).toString("base64");
  const first = `n=*,r=${nonce}`;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.once("error", reject);
    const server = new ServerConnection(socket, ({ type, bytes }) => {
      const text = bytes.subarray(9).toString();
      if (type === "Z") resolve(server);
      else if (type === "E") reject(new Error(bytes.toString()));
      else if (type === "R") {
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

/** The prepared statement that a Bind or Describe message is about. */
function nameIn({ type, bytes }: Message): string | null {
  if (type === "D" && bytes[5] === "S".charCodeAt(0)) return textAt(bytes, 6);
  if (type !== "B") return null;
  return textAt(bytes, 5 + textAt(bytes, 5).length + 1);
}

function textAt(bytes: Buffer, start: number): string {
  return bytes.subarray(start, bytes.indexOf(0, start)).toString("latin1");
}

function framed(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function errorMessage(code: string, message: string): Buffer {
  const fields = [`SFATAL`, `VFATAL`, `C${code}`, `M${message}`, "", ""];
  return framed("E", Buffer.from(fields.join("\0")));
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
