import { setTimeout as sleep } from "node:timers/promises";
import { StartRefusedError } from "../runtime/start-refused.ts";
import { createClient, redactUrl, refusingWhen } from "./client.ts";
import type { Client, ClientOptions, Orm, Sql, TransactionSql } from "./client.ts";
import { startDeadline } from "./deadline.ts";
import { Slots } from "./slots.ts";
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
  try {
    return new Database(options);
  } catch {
    // The original error carries the whole URL.
    throw unavailable(options.url, "its URL is not valid");
  }
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
  readonly #slots: Slots;
  #client: Client;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#slots = new Slots(options.connectionsMax);
    this.#client = this.#newClient({});
  }

  /** Calls that wait for a connection. */
  get waiting(): number {
    return this.#slots.waiting;
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
    return this.#bounded(name, options, (client) => work(client.sql, client.orm));
  }

  /** Runs statements as one transaction, at READ COMMITTED; `work` waits for nothing but the database. */
  transaction<T>(
    name: string,
    work: (sql: TransactionSql) => Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    return this.#bounded(name, options, async (client) => {
      let lost = false;
      try {
        return (await client.sql.begin((sql) => work(refusingWhen(() => lost, sql)))) as T;
      } catch (error) {
        lost = true;
        throw error;
      }
    });
  }

  /** A pool apart for rare long work such as migrations; closed at the end, bounded by `timeoutMs`. */
  async dedicated<T>(
    name: string,
    options: { readonly connectionsMax: number; readonly timeoutMs: number },
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    const client = this.#newClient({
      connectionsMax: options.connectionsMax,
      statementTimeoutMs: options.timeoutMs,
    });
    const deadline = startDeadline(name, options.timeoutMs);
    try {
      return await Promise.race([work(client), deadline.passed]);
    } finally {
      deadline.cancel();
      await client.sql.end({ timeout: 1 });
    }
  }

  /**
   * Opens all connections there may be: the server takes some milliseconds for each, and the first
   * calls would wait for that together. Those that fail are opened when they are needed.
   */
  async openConnections(): Promise<void> {
    const { connectionsMax } = this.#options;
    const calls = Array.from({ length: connectionsMax }, () => this.run("connect", serverVersion));
    await Promise.allSettled(calls);
  }

  /** Lets running calls end for at most `timeoutMs`, then cuts them off. New ones are refused at once. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    await this.#client.sql.end({ timeout: timeoutMs / 1000 });
  }

  async #bounded<T>(
    name: string,
    options: CallOptions | undefined,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    if (this.#slots.waiting >= CALLS_WAITING_MAX) {
      throw new DatabaseBusyError(`${name}: ${CALLS_WAITING_MAX} calls wait for a connection`);
    }
    const timeoutMs = options?.timeoutMs ?? this.#options.statementTimeoutMs + DEADLINE_MARGIN_MS;
    const deadline = startDeadline(name, timeoutMs);
    const slot = this.#slots.take();
    let client: Client | null = null;
    try {
      await Promise.race([slot.ready, deadline.passed]);
      client = this.#client;
      return await Promise.race([work(client), deadline.passed]);
    } catch (error) {
      if (deadline.hasThrown(error) && client !== null) this.#retire(client, name);
      throw error;
    } finally {
      deadline.cancel();
      slot.release();
    }
  }

  /**
   * After a deadline nobody knows which of a client's connections are dead: new calls get a new
   * client, those in flight keep the old one for as long as the server would let them.
   */
  #retire(client: Client, overdue: string): void {
    if (client !== this.#client || this.#closed) return;
    this.#options.log.warn({ overdue }, "database connections replaced");
    this.#client = this.#newClient({});
    void client.sql.end({ timeout: this.#options.statementTimeoutMs / 1000 });
  }

  #newClient(overrides: Partial<ClientOptions>): Client {
    const { url, connectionsMax, statementTimeoutMs, applicationName, log } = this.#options;
    const onNotice = (message: string): void => log.debug({ notice: message }, "database notice");
    return createClient({
      url,
      connectionsMax,
      statementTimeoutMs,
      applicationName,
      onNotice,
      ...overrides,
    });
  }
}
