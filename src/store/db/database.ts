import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { type Random, systemRandom } from "../../runtime/runtime.ts";
import type { RequestDeadline } from "../../runtime/request-deadline.ts";
import { StartRefusedError } from "../../runtime/process/fatal-errors.ts";
import { BoundedCalls, type CallOptions, startDeadline } from "./bounded-calls.ts";
import { type CallBounds, startupParameters } from "./call-bounds.ts";
import type { Connection, Sql, TransactionSql } from "../connection/connection.ts";
import { ConnectionPool } from "../connection/connection-pool.ts";
import { DatabaseHealth } from "./database-health.ts";
import { type SilentCall, SilentCalls } from "./silent-calls.ts";
import { readDatabaseUrl, redactUrl } from "../connection/database-url.ts";
import type { DatabaseAddress } from "../connection/database-url.ts";
import {
  type ServerFacts,
  serverFacts,
  SETTINGS_IGNORED,
  settingsRefusal,
} from "../connection/server-facts.ts";
import { ServerList } from "../connection/server-list.ts";
import { ConnectionError, errorCode, isTransient } from "./errors.ts";
import type { MessageLog } from "../../runtime/process/log.ts";

/*
 * The one way to Postgres. Every call is bounded three times: by limits on the server, by the
 * number of connections, and by a deadline here, because the answer of a half-open connection never
 * arrives and the driver would wait for it forever.
 *
 * The server's limits are set as start-up parameters, and again at the beginning of every
 * transaction, in case a pooler drops them: a node that dies inside a transaction must not keep its
 * locks. Where start-up parameters have no effect, single statements run as transactions too.
 */

const SERVER_VERSION_MIN = 15;
/** A lock is held for some milliseconds; a batch that waits this long for one is set aside. */
const LOCK_TIMEOUT_MS = 2_000;
/**
 * Statements of a transaction follow one another at once, unless their node is dead or suspended.
 */
const IDLE_IN_TRANSACTION_MS = 5_000;
/** The server takes no writes: it was the primary until now, or was set to read-only. */
const READ_ONLY = "25006";
const CONNECT_FOR_MS = 30_000;
const CONNECT_PAUSE_MS = 250;

export interface DatabaseOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly statementTimeoutMs: number;
  /** How long to wait for one lock, unless a call overrides it. */
  readonly lockTimeoutMs?: number;
  /** Shown by `pg_stat_activity`. */
  readonly applicationName: string;
  readonly log: Pick<MessageLog, "debug" | "info" | "warn">;
  /** How long to wait for a server that is not up. */
  readonly connectForMs?: number;
  /** Aborts the waiting. */
  readonly signal?: AbortSignal;
  /** Measures the lifetime of connections; the system's clock by default. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** The interface for statements, bounded by the caller's request or by the call alone. */
export interface Database {
  /**
   * Runs one or several independent statements. `name` is for errors. Rejects with
   * `DatabaseTimeoutError`, `DatabaseBusyError`, or the error from Postgres.
   */
  run<T>(name: string, work: (sql: Sql) => Promise<T>, options?: CallOptions): Promise<T>;
  /** Runs statements as one transaction, at READ COMMITTED; `work` awaits only the database. */
  transaction<T>(
    name: string,
    work: (sql: TransactionSql) => Promise<T>,
    options?: CallOptions,
  ): Promise<T>;
}

/** The server can't be reached or used; the message says which server and where. */
export class DatabaseUnavailableError extends StartRefusedError {
  override readonly name = "DatabaseUnavailableError";
}

/**
 * Connects, waiting for a server that is not up yet, and checks its version. Throws
 * `DatabaseUnavailableError`, whose message never contains the password, or the signal's reason.
 */
export async function openDatabase(options: DatabaseOptions): Promise<PooledDatabase> {
  const database = newDatabase(options);
  // Ends a call that the server does not answer.
  const giveUp = (): void => void database.close(0);
  options.signal?.addEventListener("abort", giveUp);
  try {
    const { version, lockTimeoutMs } = await connect(database, options);
    if (version < SERVER_VERSION_MIN) throw unavailable(options.url, `it runs Postgres ${version}`);
    if (!database.boundsEveryCall && lockTimeoutMs !== database.bounds.lockMs) {
      options.log.warn({ server: redactUrl(options.url) }, SETTINGS_IGNORED);
      database.boundsEveryCall = true;
    }
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

function newDatabase(options: DatabaseOptions): PooledDatabase {
  const reading = readDatabaseUrl(options.url);
  if (reading.kind === "ok") return new PooledDatabase(options, reading.address);
  throw unavailable(options.url, `its URL is not valid: it ${reading.problem}`);
}

async function connect(database: Database, options: DatabaseOptions): Promise<ServerFacts> {
  const connectForMs = options.connectForMs ?? CONNECT_FOR_MS;
  const startedAt = performance.now();
  let reasonLogged: string | null = null;
  for (;;) {
    const leftMs = connectForMs - (performance.now() - startedAt);
    try {
      return await database.run("server version", serverFacts, {
        timeoutMs: Math.max(1_000, leftMs),
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      const refusal = settingsRefusal(error);
      if (refusal !== null) throw unavailable(options.url, refusal, error);
      if (!isTransient(error)) throw unavailable(options.url, String(error), error);
      const reason = describe(error);
      if (leftMs <= CONNECT_PAUSE_MS) throw unavailable(options.url, `still ${reason}`, error);
      if (reason !== reasonLogged) {
        options.log.warn({ server: redactUrl(options.url), reason }, "database not ready, waiting");
      }
      reasonLogged = reason;
    }
    await sleep(CONNECT_PAUSE_MS, undefined, options.signal && { signal: options.signal });
  }
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

/** The pool of connections. Without a request, calls go on trying while the database is away. */
export class PooledDatabase implements Database {
  /** The condition that calls and probes have found. */
  readonly health: DatabaseHealth;
  /** Limits of every call, on the server. */
  readonly bounds: CallBounds;
  /** True when single statements run as transactions, because nothing else bounds them. */
  boundsEveryCall: boolean;
  /** How many calls of a group may run at once. */
  callsPerGroupMax: (group: string) => number = () => Infinity;
  readonly #options: DatabaseOptions;
  readonly #address: DatabaseAddress;
  readonly #servers: ServerList;
  readonly #pool: ConnectionPool;
  readonly #calls: BoundedCalls;
  readonly #silentCalls: SilentCalls;
  #wasConnected = false;

  constructor(options: DatabaseOptions, address: DatabaseAddress) {
    const { statementTimeoutMs: statementMs, lockTimeoutMs: lockMs = LOCK_TIMEOUT_MS } = options;
    const idleInTransactionMs = Math.min(statementMs, IDLE_IN_TRANSACTION_MS);
    this.bounds = { statementMs, idleInTransactionMs, lockMs };
    this.boundsEveryCall = address.isPooled;
    this.#options = options;
    this.#address = address;
    this.#servers = new ServerList(address);
    const { clock = systemClock } = options;
    this.#pool = new ConnectionPool({
      connectionsMax: options.connectionsMax,
      open: (onLost) => this.#openForCalls(onLost),
      clock,
      random: options.random ?? systemRandom,
    });
    this.health = new DatabaseHealth(clock);
    this.#silentCalls = new SilentCalls(clock);
    this.#calls = new BoundedCalls({
      pool: this.#pool,
      connectionsMax: options.connectionsMax,
      callsPerGroupMax: (group) => this.callsPerGroupMax(group),
      statementTimeoutMs: options.statementTimeoutMs,
      clock,
      health: this.health,
      failed: (...call) => this.#judge(...call),
    });
    this.health.onRecovery = () => this.#calls.cutOffStale();
  }

  /** Number of calls of the group that run now. */
  callsOf(group: string): number {
    return this.#calls.callsOf(group);
  }

  /** Number of calls that wait for a connection. */
  get waiting(): number {
    return this.#pool.waiting;
  }

  run<T>(name: string, work: (sql: Sql) => Promise<T>, options?: CallOptions): Promise<T> {
    const call = (connection: Connection): Promise<T> => {
      if (!this.boundsEveryCall && !hasOwnBounds(options)) return work(connection.sql);
      return connection.transaction(work, this.#boundsOf(options));
    };
    return this.#calls.run(name, call, options);
  }

  transaction<T>(
    name: string,
    work: (sql: TransactionSql) => Promise<T>,
    options?: CallOptions,
  ): Promise<T> {
    // The session's own limits are these, unless a pooler has dropped them.
    const isBounded = !this.boundsEveryCall && !hasOwnBounds(options);
    const bounds = isBounded ? null : this.#boundsOf(options);
    const call = (connection: Connection): Promise<T> =>
      options?.isSentAtOnce === true
        ? connection.transactionAtOnce(work, bounds)
        : connection.transaction(work, bounds);
    return this.#calls.run(name, call, options);
  }

  /**
   * The same for a request. While the database is known to be down, its calls are refused at once
   * with `DatabaseAwayError`. When the deadline passes, a call that waits for a connection is
   * withdrawn (`NotBegunInTimeError`); a running one continues within its own limits, but the
   * request stops waiting for it (`DeadlinePassedError`). Without a request nothing changes.
   * @param group who the calls are made for, usually a project: a group has few calls at once, and
   *   groups take turns, so that however many requests of one come, those of others are answered
   */
  within(request: RequestDeadline | undefined, group?: string): Database {
    if (request === undefined && group === undefined) return this;
    const whose = { ...(request && { request }), ...(group !== undefined && { group }) };
    return {
      run: (name, work, options) => this.run(name, work, { ...options, ...whose }),
      transaction: (name, work, options) => this.transaction(name, work, { ...options, ...whose }),
    };
  }

  /**
   * Calls that wait for a connection on which nothing was received for long, for regular looks. None behind
   * a pooler, where a connection has no server process of its own.
   */
  silentCalls(): readonly SilentCall[] {
    return this.boundsEveryCall ? [] : this.#silentCalls.look(this.#calls.inProgress);
  }

  /**
   * Ends connections on which nothing was received since the look, since the server is not at work for them. Idle
   * ones that have answered nothing since then may have died with them, and end too.
   */
  endSilent(silent: readonly SilentCall[]): void {
    const dead = silent.filter((call) => this.#silentCalls.isStillSilent(call));
    if (dead.length === 0) return;
    for (const { call } of dead) call.connection.destroy();
    this.#options.log.warn({ unanswered: dead.length }, "database connections replaced");
    this.#pool.endIdleSince(Math.max(...dead.map(({ since }) => since)));
  }

  /** Opens a separate connection for probes, which waits for no other call. Close it. */
  openProbeConnection(): Promise<Connection> {
    return this.#connect(this.bounds, () => {});
  }

  /**
   * Opens a separate connection for rare long work such as migrations; ended afterwards, or by
   * `timeoutMs`.
   */
  async dedicated<T>(
    name: string,
    options: { readonly timeoutMs: number },
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const deadline = startDeadline(name, options.timeoutMs);
    // Migrations have no time limit, and wait for one another.
    const ms = options.timeoutMs;
    const bounds = { statementMs: ms, idleInTransactionMs: ms, lockMs: ms };
    const opening = this.#connect(bounds, () => {});
    try {
      const connection = await Promise.race([opening, deadline.passed]);
      return await Promise.race([work(connection), deadline.passed]);
    } finally {
      deadline.cancel();
      await opening.then((connection) => connection.close()).catch(() => {});
    }
  }

  /**
   * Opens the maximum number of connections: the server takes some milliseconds for each, and the
   * first calls would wait for that together. Connections that fail are opened when they are
   * needed.
   */
  openConnections(): Promise<void> {
    return this.#pool.openAll();
  }

  /**
   * Gives running calls at most `timeoutMs` to end, then aborts them. New calls are refused at
   * once.
   */
  close(timeoutMs: number): Promise<void> {
    return this.#pool.close(timeoutMs);
  }

  /**
   * After a deadline it is unknown which connections are dead, and after a failover a server that
   * was the primary refuses every write. So new calls get new connections; those in progress keep
   * theirs.
   */
  #judge(connection: Connection, name: string, isOverdue: boolean, error: unknown): void {
    if (!isOverdue && errorCode(error) !== READ_ONLY) return;
    if (isOverdue) connection.destroy();
    const fields = isOverdue ? { overdue: name } : { readOnly: name };
    this.#options.log.warn(fields, "database connections replaced");
    this.#pool.replaceAll();
  }

  #boundsOf(options: CallOptions | undefined): CallBounds {
    if (!hasOwnBounds(options)) return this.bounds;
    const { lockTimeoutMs, statementTimeoutMs } = options;
    return {
      ...this.bounds,
      lockMs: lockTimeoutMs ?? this.bounds.lockMs,
      statementMs: Math.min(statementTimeoutMs ?? Infinity, this.bounds.statementMs),
    };
  }

  /**
   * A refusal is final only for the first connection, as at a start. Later ones end, for example when the new
   * password has reached the gateway, so calls may be repeated.
   */
  async #openForCalls(onLost: (connection: Connection) => void): Promise<Connection> {
    try {
      const connection = await this.#connect(this.bounds, onLost);
      this.#wasConnected = true;
      return connection;
    } catch (error) {
      if (!this.#wasConnected || isTransient(error)) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new ConnectionError("SERVER_REFUSES", message, error);
    }
  }

  #connect(bounds: CallBounds, onLost: (connection: Connection) => void): Promise<Connection> {
    const { applicationName, log } = this.#options;
    return this.#servers.connect({
      parameters: {
        application_name: applicationName,
        ...(this.#address.isPooled ? {} : startupParameters(bounds)),
      },
      bounds,
      onNotice: (message) => log.debug({ notice: message }, "database notice"),
      onLost,
    });
  }
}

function hasOwnBounds(options: CallOptions | undefined): options is CallOptions {
  return options?.lockTimeoutMs !== undefined || options?.statementTimeoutMs !== undefined;
}

/** Runs `work` in one transaction, which takes the place of the database in everything that it calls. */
export function withinTransaction<T>(
  database: Database,
  name: string,
  work: (within: Database) => Promise<T>,
): Promise<T> {
  return database.transaction(name, (sql) =>
    work({
      run: (_name, statement) => statement(sql),
      transaction: (_name, statements) => statements(sql),
    }),
  );
}
