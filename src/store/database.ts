import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { type Random, systemRandom } from "../runtime/random.ts";
import { StartRefusedError } from "../runtime/start-refused.ts";
import type { Connection, Orm, Sql, TransactionSql } from "./connection.ts";
import { type Claim, ConnectionPool } from "./connection-pool.ts";
import { readDatabaseUrl, redactUrl } from "./database-url.ts";
import type { DatabaseAddress } from "./database-url.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { ServerList } from "./server-list.ts";
import { DatabaseBusyError, errorCode, isTransient } from "./transient-error.ts";

/*
 * The one way to Postgres. Every call is bounded three times: by statement_timeout on the server,
 * by the number of connections, and by a deadline here, because the answer of a half-open
 * connection never comes and the driver would wait for it for ever.
 */

const SERVER_VERSION_MIN = 15;
/** How much longer than statement_timeout a call may take: the way there and back, and queueing. */
const DEADLINE_MARGIN_MS = 5_000;
const CALLS_WAITING_MAX = 5_000;
/** The server takes no writes: it was the primary until a moment ago, or was told so. */
const READ_ONLY = "25006";
const CONNECT_FOR_MS = 30_000;
const CONNECT_PAUSE_MS = 250;

export interface DatabaseLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly statementTimeoutMs: number;
  /** Shown by `pg_stat_activity`. */
  readonly applicationName: string;
  readonly log: DatabaseLog;
  /** How long a server that is not up is waited for. */
  readonly connectForMs?: number;
  /** Gives up the waiting. */
  readonly signal?: AbortSignal;
  /** For how long connections are kept; the system's unless a test says otherwise. */
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CallOptions {
  /** From the call to its result, waiting for a connection included. */
  readonly timeoutMs?: number;
}

/** The server can't be reached or can't be used; the message says which and where. */
export class DatabaseUnavailableError extends StartRefusedError {
  override readonly name = "DatabaseUnavailableError";
}

/**
 * Connects, waiting for a server that is not up yet, and checks its version.
 * Throws `DatabaseUnavailableError`, whose message never holds the password, or the signal's reason.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const database = newDatabase(options);
  // Ends a call that the server does not answer.
  const giveUp = (): void => void database.close(0);
  options.signal?.addEventListener("abort", giveUp);
  try {
    const version = await connect(database, options);
    if (version < SERVER_VERSION_MIN) throw unavailable(options.url, `it runs Postgres ${version}`);
    options.log.info({ server: redactUrl(options.url), version }, "database connected");
    return database;
  } catch (error) {
    await database.close(0);
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", giveUp);
  }
}

function newDatabase(options: DatabaseOptions): Database {
  const reading = readDatabaseUrl(options.url);
  if (reading.kind === "ok") return new Database(options, reading.address);
  throw unavailable(options.url, `its URL is not valid: it ${reading.problem}`);
}

async function connect(database: Database, options: DatabaseOptions): Promise<number> {
  const connectForMs = options.connectForMs ?? CONNECT_FOR_MS;
  const startedAt = performance.now();
  let reasonTold: string | null = null;
  for (;;) {
    const leftMs = connectForMs - (performance.now() - startedAt);
    try {
      return await database.run("server version", serverVersion, {
        timeoutMs: Math.max(1_000, leftMs),
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isTransient(error)) throw unavailable(options.url, String(error), error);
      const reason = describe(error);
      if (leftMs <= CONNECT_PAUSE_MS) throw unavailable(options.url, `still ${reason}`, error);
      if (reason !== reasonTold) {
        options.log.warn({ server: redactUrl(options.url), reason }, "database not ready, waiting");
      }
      reasonTold = reason;
    }
    await sleep(CONNECT_PAUSE_MS, undefined, options.signal && { signal: options.signal });
  }
}

async function serverVersion(sql: Sql): Promise<number> {
  const [row] = await sql<
    { version: number }[]
  >`select current_setting('server_version_num')::int / 10000 as version`;
  if (row === undefined) throw new Error("the server told no version");
  return row.version;
}

function unavailable(url: string, reason: string, cause?: unknown): DatabaseUnavailableError {
  const needs = `Ringback needs Postgres ${SERVER_VERSION_MIN} or newer`;
  return new DatabaseUnavailableError(
    `can't use the database ${redactUrl(url)}: ${reason}. ${needs}.`,
    { cause },
  );
}

function describe(error: unknown): string {
  return errorCode(error) ?? String(error);
}

export class Database {
  readonly #options: DatabaseOptions;
  readonly #address: DatabaseAddress;
  readonly #servers: ServerList;
  readonly #pool: ConnectionPool;

  constructor(options: DatabaseOptions, address: DatabaseAddress) {
    this.#options = options;
    this.#address = address;
    this.#servers = new ServerList(address);
    this.#pool = new ConnectionPool({
      connectionsMax: options.connectionsMax,
      open: (onLost) => this.#connect(options.statementTimeoutMs, onLost),
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
    });
  }

  /** Calls that wait for a connection. */
  get waiting(): number {
    return this.#pool.waiting;
  }

  /**
   * Runs one statement, or several that need not belong together. `name` is for errors.
   * Rejects with `DatabaseTimeoutError`, `DatabaseBusyError`, or what Postgres says.
   */
  run<T>(
    name: string,
    work: (sql: Sql, orm: Orm) => Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    return this.#bounded(name, options, ({ sql, orm }) => work(sql, orm));
  }

  /** Runs statements as one transaction, at READ COMMITTED; `work` waits for nothing but the database. */
  transaction<T>(
    name: string,
    work: (sql: TransactionSql) => Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    return this.#bounded(name, options, (connection) => connection.transaction(work));
  }

  /** A connection apart for rare long work such as migrations; ended afterwards, or by `timeoutMs`. */
  async dedicated<T>(
    name: string,
    options: { readonly timeoutMs: number },
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const deadline = startDeadline(name, options.timeoutMs);
    const opening = this.#connect(options.timeoutMs, () => {});
    try {
      const connection = await Promise.race([opening, deadline.passed]);
      return await Promise.race([work(connection), deadline.passed]);
    } finally {
      deadline.cancel();
      await opening.then((connection) => connection.close()).catch(() => {});
    }
  }

  /**
   * Opens all connections there may be: the server takes some milliseconds for each, and the first
   * calls would wait for that together. Those that fail are opened when they are needed.
   */
  openConnections(): Promise<void> {
    return this.#pool.openAll();
  }

  /** Lets running calls end for at most `timeoutMs`, then cuts them off. New ones are refused at once. */
  close(timeoutMs: number): Promise<void> {
    return this.#pool.close(timeoutMs);
  }

  async #bounded<T>(
    name: string,
    options: CallOptions | undefined,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    if (this.#pool.waiting >= CALLS_WAITING_MAX) {
      throw new DatabaseBusyError(`${name}: ${CALLS_WAITING_MAX} calls wait for a connection`);
    }
    const timeoutMs = options?.timeoutMs ?? this.#options.statementTimeoutMs + DEADLINE_MARGIN_MS;
    const deadline = startDeadline(name, timeoutMs);
    try {
      const connection = await claimed(this.#pool.claim(), deadline);
      try {
        return await Promise.race([work(connection), deadline.passed]);
      } catch (error) {
        this.#judge(connection, name, deadline.hasThrown(error), error);
        throw error;
      } finally {
        this.#pool.giveBack(connection);
      }
    } finally {
      deadline.cancel();
    }
  }

  /**
   * After a deadline nothing says which connections are dead, and after a failover a server that
   * was the primary refuses every write: new calls get new connections, those in progress keep theirs.
   */
  #judge(connection: Connection, name: string, isOverdue: boolean, error: unknown): void {
    if (!isOverdue && errorCode(error) !== READ_ONLY) return;
    if (isOverdue) connection.destroy();
    const fields = isOverdue ? { overdue: name } : { readOnly: name };
    this.#options.log.warn(fields, "database connections replaced");
    this.#pool.replaceAll();
  }

  #connect(
    statementTimeoutMs: number,
    onLost: (connection: Connection) => void,
  ): Promise<Connection> {
    const { applicationName, log } = this.#options;
    return this.#servers.connect({
      parameters: {
        application_name: applicationName,
        ...(this.#address.isPooled ? {} : serverSideLimits(statementTimeoutMs)),
      },
      onNotice: (message) => log.debug({ notice: message }, "database notice"),
      onLost,
    });
  }
}

async function claimed(claim: Claim, deadline: Deadline): Promise<Connection> {
  try {
    return await Promise.race([claim.ready, deadline.passed]);
  } catch (error) {
    claim.cancel();
    throw error;
  }
}

function serverSideLimits(statementTimeoutMs: number): Record<string, number> {
  return {
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
  };
}
