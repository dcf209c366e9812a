import type { Socket } from "node:net";
import { drizzle } from "drizzle-orm/postgres-js";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type { ISql } from "postgres";
import { begin, type CallBounds } from "../db/call-bounds.ts";
import { openSocket } from "./socket.ts";
import type { DatabaseTls } from "./tls.ts";
import type { DatabaseServer } from "./database-url.ts";
import { ConnectionError } from "../db/errors.ts";

/** Runs statements, inside a transaction or outside. */
export type Sql = ISql;
export type TransactionSql = ISql;

export interface ConnectionOptions {
  readonly server: DatabaseServer;
  readonly tls: DatabaseTls;
  readonly driverUrl: string;
  /** Settings of the session, sent with the start-up message. */
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Limits of every transaction that has none of its own. */
  readonly bounds: CallBounds;
  /**
   * Covers the socket; TLS, authentication and the first statement have the same time once more.
   */
  readonly connectTimeoutMs: number;
  readonly onNotice: (message: string) => void;
  /** Called once when the connection ends, for whatever reason. */
  readonly onLost: (connection: Connection) => void;
}

/** The process of the server that serves a connection. */
export interface Backend {
  readonly pid: number;
  /** Tells servers apart: two that were started in the same microsecond would be one. */
  readonly serverStartedAt: string;
}

/**
 * Routine in which Postgres gives up waiting for a synchronous standby because the statement was
 * canceled. It answers the commit with a warning and success, though a failover would lose it.
 */
const STANDBY_NOT_WAITED_FOR = "SyncRepWaitForLSN";
/** Seconds after which the kernel asks a silent peer whether it is still there. */
const KEEP_ALIVE_S = 30;
const END_TIMEOUT_S = 1;

/**
 * One session with one server: one instance of postgres.js with one connection, never used again
 * once the connection is lost.
 *
 * The driver's own pool ends the process when a connection is lost at the wrong moment: see
 * docs/decisions/own-connection-pool.md. `test/store/connection-loss.test.ts` cuts connections by the
 * hundred.
 *
 * How values travel:
 * - JSON goes as one *text* parameter, `json_to_recordset(${text}::text::json)`. postgres.js runs
 *   what Postgres infers as `json` through JSON.stringify, so that the text given to `${text}::json`
 *   arrives as one JSON string. Drizzle turns that off for a client it wraps; the first cast
 *   pins the parameter to `text` and makes the statement right with either.
 * - An array goes as text (`sql/statement.ts`) and comes back as text, which its column in the schema
 *   takes apart, or through `to_json`: without the server's list of types the driver knows no arrays.
 * - `bigint` and `numeric` come back as strings; cast to `int` or `float8` what is to be a number,
 *   `count(*)` included.
 * - Times travel as `sql/time.ts` says: Drizzle turns off the driver's own conversion of dates.
 */
export class Connection {
  readonly sql: Sql;
  /** Known once the server has answered. */
  backend: Backend | null = null;
  /** For Drizzle's migrator only; statements run as `sql/statement.ts` says. */
  readonly orm: PostgresJsDatabase;
  readonly #driver: postgres.Sql;
  readonly #options: ConnectionOptions;
  #socket: Socket | "none" | "used" = "none";
  #isLost = false;
  #isUnconfirmed = false;
  /** Ends the running transaction, even while its `work` waits for something else. */
  #failTransaction: ((error: ConnectionError) => void) | null = null;

  /** Connects when the first statement is run. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#driver = postgres(options.driverUrl, this.#driverOptions());
    // Drizzle's transactions must not be the driver's either.
    Object.defineProperty(this.#driver, "begin", {
      value: <T>(work: (sql: TransactionSql) => Promise<T>) => this.transaction(work),
    });
    this.sql = this.#driver;
    this.orm = drizzle(this.#driver);
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Bytes from the server so far. */
  get bytesReceived(): number {
    return typeof this.#socket === "object" ? this.#socket.bytesRead : 0;
  }

  /** Bytes to the server so far, those that are on their way included. */
  get bytesSent(): number {
    return typeof this.#socket === "object" ? this.#socket.bytesWritten : 0;
  }

  /**
   * True when a commit may be missing on the synchronous standby, so that it must be written again.
   */
  get isUnconfirmed(): boolean {
    return this.#isUnconfirmed;
  }

  /**
   * Runs statements as one transaction, at READ COMMITTED; `work` awaits only the database.
   * Statements after its end are refused.
   * @param bounds limits of its own; null where the session's hold
   */
  async transaction<T>(
    work: (sql: TransactionSql) => Promise<T>,
    bounds: CallBounds | null = this.#options.bounds,
  ): Promise<T> {
    let isOver = false;
    await this.#control(begin(bounds));
    const lost = new Promise<never>((_resolve, reject) => (this.#failTransaction = reject));
    try {
      const result = await Promise.race([work(refusingWhen(() => isOver, this.sql)), lost]);
      isOver = true;
      const { command } = await this.#control("commit");
      // Postgres answers so when a statement had failed and its error was ignored.
      if (command !== "COMMIT") throw new Error("the transaction had failed and was rolled back");
      return result;
    } catch (error) {
      isOver = true;
      await this.#rollBack();
      throw error;
    } finally {
      this.#failTransaction = null;
    }
  }

  /**
   * The same in one round trip, for `work` that sends all its statements without waiting for any.
   * When one of them fails, the server turns the commit that follows into a rollback.
   */
  async transactionAtOnce<T>(
    work: (sql: TransactionSql) => Promise<T>,
    bounds: CallBounds | null = this.#options.bounds,
  ): Promise<T> {
    let isOver = false;
    const sql = sendingAtOnce(() => isOver, this.sql);
    const lost = new Promise<never>((_resolve, reject) => (this.#failTransaction = reject));
    this.#holdBackWrites();
    const begun = this.#control(begin(bounds)).execute();
    let isWhole = false;
    const working = (async () => {
      const result = work(sql);
      isWhole = true;
      return result;
    })();
    isOver = true;
    const ended = this.#control(isWhole ? "commit" : "rollback").execute();
    try {
      const all = Promise.all([begun, working, ended]);
      const [, result, { command }] = await Promise.race([all, lost]);
      if (command !== "COMMIT") throw new Error("the transaction had failed and was rolled back");
      return result;
    } catch (error) {
      // The session is inside the transaction until then.
      await Promise.race([ended, lost]).catch(() => this.destroy());
      throw error;
    } finally {
      this.#failTransaction = null;
    }
  }

  /** Gives a running statement one second to end, then ends the session. */
  async close(): Promise<void> {
    await this.#driver.end({ timeout: END_TIMEOUT_S }).catch(() => {});
    this.destroy();
  }

  /** Ends the session at once; running statements are rejected as transient. */
  destroy(): void {
    this.#lose();
    if (typeof this.#socket === "object") this.#socket.destroy();
  }

  /** Begins or ends a transaction. */
  #control(command: string) {
    return this.sql.unsafe(command);
  }

  /** Has what is written in this turn leave in one piece, so that the server wakes up once. */
  #holdBackWrites(): void {
    const socket = this.#socket;
    if (typeof socket !== "object") return;
    socket.cork();
    // The driver writes in the microtasks that follow, and its last piece in an immediate.
    void Promise.resolve()
      .then(() => undefined)
      .then(() => setImmediate(() => socket.uncork()));
  }

  /** Harmless outside of a transaction. A session that can't be rolled back is destroyed. */
  async #rollBack(): Promise<void> {
    if (this.#isLost) return;
    try {
      await this.#control("rollback");
    } catch {
      this.destroy();
    }
  }

  #driverOptions() {
    const { server, parameters, connectTimeoutMs, onNotice } = this.#options;
    return {
      // For messages only: the socket is made here.
      host: server.host,
      port: server.port,
      socket: () => this.#openSocketOnce(),
      // TLS, if any, is done by the socket.
      ssl: false,
      max: 1,
      fetch_types: false,
      connect_timeout: connectTimeoutMs / 1000,
      keep_alive: KEEP_ALIVE_S,
      // The pool decides when a session is old or idle.
      idle_timeout: 0,
      max_lifetime: null,
      onnotice: (notice: postgres.Notice) => {
        this.#isUnconfirmed ||= notice["routine"] === STANDBY_NOT_WAITED_FOR;
        onNotice(notice["message"] ?? "");
      },
      onclose: () => this.#lose(),
      connection: parameters,
    };
  }

  async #openSocketOnce(): Promise<Socket> {
    if (this.#socket !== "none" || this.#isLost) {
      throw lostError();
    }
    this.#socket = "used";
    const socket = await this.#openSocket();
    this.#socket = socket;
    if (!this.#isLost) return socket;
    socket.destroy();
    throw lostError();
  }

  #openSocket(): Promise<Socket> {
    const { server, tls, connectTimeoutMs } = this.#options;
    return openSocket(server, tls, connectTimeoutMs);
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    // Rejects what is queued in the driver and everything that may follow.
    this.#driver.end({ timeout: 0 }).catch(() => {});
    this.#failTransaction?.(lostError());
    this.#options.onLost(this);
  }
}

function lostError(): ConnectionError {
  return new ConnectionError("CONNECTION_CLOSED", "the connection to the database was lost");
}

/** A transaction whose end its `work` has not noticed would continue outside of any transaction. */
function refusingWhen(isOver: () => boolean, sql: Sql): TransactionSql {
  return new Proxy(sql, {
    apply(target, self, args) {
      if (isOver()) throw new Error("the transaction is over");
      return Reflect.apply(target, self, args) as unknown;
    },
    get(target, name, receiver) {
      if (name === "unsafe" && isOver()) throw new Error("the transaction is over");
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
}

/** The same for statements that are sent as they are called, whether they are awaited or not. */
function sendingAtOnce(isOver: () => boolean, sql: Sql): TransactionSql {
  const guarded = refusingWhen(isOver, sql);
  return new Proxy(guarded, {
    apply: (target, self, args) => sent(Reflect.apply(target, self, args) as unknown),
    get: (target, name, receiver) =>
      name === "unsafe"
        ? (...args: Parameters<Sql["unsafe"]>) => {
            // The driver would refuse it when the commit is on its way already.
            if (args[1]?.includes(undefined as never)) throw new Error("a parameter is undefined");
            return sent(target.unsafe(...args));
          }
        : (Reflect.get(target, name, receiver) as unknown),
  });
}

function sent<Query>(query: Query): Query {
  if (isLazy(query)) query.execute();
  return query;
}

/** The driver sends a statement when it is awaited, or told to. */
function isLazy(query: unknown): query is { execute(): unknown } {
  return query instanceof Promise && "execute" in query;
}
