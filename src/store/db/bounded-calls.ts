import { FairSemaphore } from "../../lanes/shares/fair-semaphore.ts";
import type { Clock } from "../../runtime/clock.ts";
import { DeadlinePassedError, type RequestDeadline } from "../../runtime/request-deadline.ts";
import type { Connection } from "../connection/connection.ts";
import type { Claim, ConnectionPool } from "../connection/connection-pool.ts";
import type { DatabaseHealth } from "./database-health.ts";
import type { CallInProgress } from "./silent-calls.ts";
import {
  ConnectionError,
  DatabaseBusyError,
  DatabaseTimeoutError,
  NoDatabaseTurnError,
  NotBegunInTimeError,
} from "./errors.ts";

/** How much longer than statement_timeout a call may take, for the network and for queueing. */
const DEADLINE_MARGIN_MS = 5_000;
const CALLS_WAITING_MAX = 5_000;
/** Part of the connections that calls for groups may hold; the others are the gateway's own. */
const GROUPS_SHARE_MAX = 2 / 3;
/** Calls of one group that may wait for their turn. */
const CALLS_WAITING_PER_GROUP_MAX = 1_000;
/** How long calls that began before an outage may still take after it. */
const STALE_GRACE_MS = 1_000;

export interface CallOptions {
  /** From the call to its result, waiting for a connection included. */
  readonly timeoutMs?: number;
  /** How long to wait for one lock. */
  readonly lockTimeoutMs?: number;
  /** How long one statement may take on the server. */
  readonly statementTimeoutMs?: number;
  /**
   * For a transaction whose `work` waits for no statement before it sends the next. All of it is
   * sent at once, `begin` and `commit` included, so that one response is waited for instead of three.
   */
  readonly isSentAtOnce?: boolean;
  /** Calls of this name return to one connection, which has planned their statements. */
  readonly isFrequent?: boolean;
  /** The request that waits for the call. */
  readonly request?: RequestDeadline;
  /** Who the call is made for: groups, usually projects, take turns. Absent for the gateway's own. */
  readonly group?: string;
}

interface BoundedCallsOptions {
  readonly pool: ConnectionPool;
  readonly connectionsMax: number;
  /** How many calls of a group may run at once. It may change at any time. */
  readonly callsPerGroupMax: (group: string) => number;
  readonly statementTimeoutMs: number;
  readonly clock: Clock;
  readonly health: DatabaseHealth;
  /**
   * Called when a call has failed or has exceeded its time limit: its connection may be unusable.
   */
  failed(connection: Connection, name: string, isOverdue: boolean, error: unknown): void;
}

/** Permits for calls that are made for groups. */
export function databaseTurns({
  connectionsMax,
  callsPerGroupMax,
}: Pick<BoundedCallsOptions, "connectionsMax" | "callsPerGroupMax">): FairSemaphore {
  return new FairSemaphore({
    resource: "database_calls",
    permitsMax: Math.ceil(connectionsMax * GROUPS_SHARE_MAX),
    permitsPerProjectMax: callsPerGroupMax,
    waitingPerProjectMax: CALLS_WAITING_PER_GROUP_MAX,
  });
}

/**
 * Bounds calls to the database in number, in time, and by the deadline of the request that waits
 * for them. Reports every result to `health`.
 */
export class BoundedCalls {
  readonly #options: BoundedCallsOptions;
  readonly #inFlight = new Map<Deadline, CallInProgress>();
  readonly #turns: FairSemaphore;

  constructor(options: BoundedCallsOptions) {
    this.#options = options;
    this.#turns = databaseTurns(options);
  }

  /** Number of calls of the group that run now. */
  callsOf(group: string): number {
    return this.#turns.heldBy(group);
  }

  /**
   * Rejects with `DatabaseTimeoutError`, `DatabaseBusyError`, or the error of the call. For a
   * request also with `DatabaseAwayError` and `NotBegunInTimeError`, when nothing was sent, and
   * with `DeadlinePassedError`, when the call continues within its own limits. For a group also with
   * `NoDatabaseTurnError`, when nothing was sent.
   * @param name for errors
   */
  async run<T>(
    name: string,
    work: (connection: Connection) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { request, group = null, isFrequent = false } = options;
    const { pool, statementTimeoutMs } = this.#options;
    if (request !== undefined) this.#refuseInVain(name, request);
    if (pool.waiting >= CALLS_WAITING_MAX) {
      throw new DatabaseBusyError(`${name}: ${CALLS_WAITING_MAX} calls wait for a connection`);
    }
    const statementMs = options.statementTimeoutMs ?? statementTimeoutMs;
    const timeoutMs = options.timeoutMs ?? statementMs + DEADLINE_MARGIN_MS;
    const deadline = startDeadline(name, timeoutMs);
    if (group !== null) await this.#takeTurn(name, group, deadline, request);
    const release = (): void => {
      if (group !== null) this.#turns.release(group);
    };
    const connection = await claimed(
      name,
      pool.claim(isFrequent ? name : undefined),
      deadline,
      request,
    ).catch((error: unknown) => {
      release();
      throw error;
    });
    if (request !== undefined) request.hasBegunWork = true;
    // A request may stop waiting; its connection and its permit are in use as long as the call runs.
    const result = this.#run(name, connection, deadline, work).finally(release);
    return request === undefined ? result : request.race(result);
  }

  async #takeTurn(
    name: string,
    group: string,
    deadline: Deadline,
    request: RequestDeadline | undefined,
  ): Promise<void> {
    if (this.#turns.tryAcquire(group)) return;
    const patience = new AbortController();
    const giveUp = (): void => patience.abort();
    deadline.passed.catch(giveUp);
    request?.onPassed(giveUp);
    if ((await this.#turns.acquire(group, patience.signal)) === "acquired") return;
    deadline.cancel();
    throw new NoDatabaseTurnError(name, group);
  }

  /** Calls that have their connection and no result yet. */
  get inProgress(): Iterable<CallInProgress> {
    return this.#inFlight.values();
  }

  /**
   * Aborts calls from before an outage that are not answered soon after it. Their connections are
   * dead, and the calls would hold them until their own deadlines.
   */
  cutOffStale(): void {
    const stale = [...this.#inFlight.keys()];
    if (stale.length === 0) return;
    this.#options.clock.setTimer(STALE_GRACE_MS, () => {
      for (const deadline of stale) {
        if (this.#inFlight.has(deadline)) deadline.expire("hung through an outage");
      }
    });
  }

  #refuseInVain(name: string, request: RequestDeadline): void {
    this.#options.health.requireReachable();
    if (request.hasPassed) throw new NotBegunInTimeError(`${name}: the request is out of time`);
  }

  async #run<T>(
    name: string,
    connection: Connection,
    deadline: Deadline,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const { health, pool } = this.#options;
    this.#inFlight.set(deadline, { connection, sentBefore: connection.bytesSent });
    try {
      const result = await Promise.race([work(connection), deadline.passed]);
      if (connection.isUnconfirmed) throw unconfirmed(name, connection);
      health.callSucceeded();
      return result;
    } catch (error) {
      this.#options.failed(connection, name, deadline.hasThrown(error), error);
      health.callFailed(error);
      throw error;
    } finally {
      this.#inFlight.delete(deadline);
      deadline.cancel();
      pool.giveBack(connection);
    }
  }
}

/** Waits for the connection; leaves the queue when the wait is given up. */
async function claimed(
  name: string,
  claim: Claim,
  deadline: Deadline,
  request: RequestDeadline | undefined,
): Promise<Connection> {
  try {
    const ready = Promise.race([claim.ready, deadline.passed]);
    return await (request === undefined ? ready : request.race(ready));
  } catch (error) {
    deadline.cancel();
    claim.cancel();
    throw error instanceof DeadlinePassedError
      ? new NotBegunInTimeError(`${name}: no connection became free in time`)
      : error;
  }
}

function unconfirmed(name: string, connection: Connection): ConnectionError {
  connection.destroy();
  return new ConnectionError("COMMIT_UNCONFIRMED", `${name}: no synchronous standby has it yet`);
}

/** Rejects `passed` with a `DatabaseTimeoutError` unless it is canceled in time. */
interface Deadline {
  readonly passed: Promise<never>;
  /** True when `error` comes from this deadline and from nothing else. */
  hasThrown(error: unknown): boolean;
  /** Makes the deadline pass now, for this reason. */
  expire(reason: string): void;
  cancel(): void;
}

export function startDeadline(name: string, timeoutMs: number): Deadline {
  // Created on demand: an error captures the stack, and every call has a deadline.
  let thrown: DatabaseTimeoutError | null = null;
  const { promise: passed, reject } = Promise.withResolvers<never>();
  const expire = (reason: string): void => {
    thrown ??= new DatabaseTimeoutError(`${name} ${reason}`);
    reject(thrown);
  };
  const timer = setTimeout(() => expire(`took longer than ${Math.round(timeoutMs)} ms`), timeoutMs);
  return {
    passed,
    hasThrown: (error) => thrown !== null && error === thrown,
    expire,
    cancel: () => clearTimeout(timer),
  };
}
