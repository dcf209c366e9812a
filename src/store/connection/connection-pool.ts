import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/runtime.ts";
import type { Connection } from "./connection.ts";
import { ConnectionError } from "../db/errors.ts";

/*
 * Connections are opened when calls wait for them, up to a limit, and used oldest first, so that a
 * few calls always find the same ones, which have planned their statements and whose memory is warm, and
 * those that are not needed become idle and are closed. Calls that are frequent return to the connection
 * that made the last call of their name, or else take the youngest: planning their statements takes longer
 * than running them, so few connections should have to. Each connection ends within ten minutes, at a
 * time of its own: proxies of managed databases drop connections silently, and a server that was added
 * or promoted is noticed. One in use is closed after its call.
 *
 * While connections can't be opened, one attempt at a time is made, after a growing pause. A server
 * that has no connection left (53300) is used through the open ones; without any, all waiting calls
 * get the error at once.
 */

const LIFETIME_MS_MAX = 9.5 * 60_000;
const LIFETIME_MS_MIN = 7 * 60_000;
const IDLE_MS_MAX = 240_000;
const TIDY_EVERY_MS = 10_000;
const PAUSE_MS_FIRST = 50;
const PAUSE_MS_MAX = 1_000;

interface ConnectionPoolOptions {
  readonly connectionsMax: number;
  /** Opens a connection and passes on `onLost` to it. */
  readonly open: (onLost: (connection: Connection) => void) => Promise<Connection>;
  readonly clock: Clock;
  readonly random: Random;
}

/** A claim on a connection. */
export interface Claim {
  /** Resolves to a connection that is the claimant's until it is given back. */
  readonly ready: Promise<Connection>;
  /** Leaves the queue. A connection that arrives later goes to the next claimant. */
  cancel(): void;
}

interface Waiter {
  readonly resolve: (connection: Connection) => void;
  readonly reject: (error: unknown) => void;
}

export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  /** All open connections of this generation, in use or idle. */
  #lives = new Map<
    Connection,
    {
      readonly endsAt: number;
      idleSince: number;
    }
  >();
  /** In use, but of a generation that was replaced: closed when given back. */
  readonly #outdated = new Set<Connection>();
  readonly #idle = new Set<Connection>();
  /** Which connection made the last call of each name, for frequent calls. */
  readonly #homes = new Map<string, Connection>();
  readonly #waiters = new Set<Waiter>();
  #opening = 0;
  #generation = 0;
  #failures = 0;
  #pause: Timer | null = null;
  #tidying: Timer | null = null;
  #closed = false;
  #onFewer: (() => void) | null = null;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  /** Number of waiting claimants. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** @param frequent the name of a call that returns to its connection; one of few names */
  claim(frequent?: string): Claim {
    if (this.#closed) return { ready: Promise.reject(closedError()), cancel: () => {} };
    const idle = frequent === undefined ? this.#takeIdle() : this.#takeHome(frequent);
    if (idle !== undefined)
      return { ready: Promise.resolve(idle), cancel: () => this.giveBack(idle) };
    return this.#wait();
  }

  /** Opens all connections there may be; those that fail are opened when they are needed. */
  async openAll(): Promise<void> {
    const missing = this.#options.connectionsMax - this.#lives.size - this.#opening;
    await Promise.all(Array.from({ length: missing }, () => this.#open()));
  }

  /** Gives a connection back to be used again, unless it is lost, old, or of a replaced generation. */
  giveBack(connection: Connection): void {
    if (this.#outdated.delete(connection)) void connection.close();
    this.#onFewer?.();
    const life = this.#lives.get(connection);
    if (life === undefined) return;
    const now = this.#options.clock.monotonic();
    if (this.#closed || now >= life.endsAt) this.#end(connection);
    else if (!this.#handOn(connection)) {
      life.idleSince = now;
      this.#idle.add(connection);
    }
  }

  /** Ends every idle connection now, and those in use when they are given back. */
  replaceAll(): void {
    this.#generation += 1;
    for (const connection of this.#lives.keys()) {
      if (this.#idle.has(connection)) void connection.close();
      else this.#outdated.add(connection);
    }
    this.#lives = new Map();
    this.#idle.clear();
    this.#openForWaiters();
  }

  /** Ends connections that are idle since this monotonic time or longer. */
  endIdleSince(time: number): void {
    for (const connection of this.#idle) {
      const life = this.#lives.get(connection);
      if (life !== undefined && life.idleSince <= time) this.#end(connection);
    }
  }

  /** Refuses claims, lets calls end for at most `timeoutMs`, then ends all connections. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    this.#pause?.cancel();
    this.#tidying?.cancel();
    this.#rejectAll(closedError());
    const closing = Array.from(this.#idle, (connection) => connection.close());
    this.#idle.clear();
    await this.#allGone(timeoutMs);
    for (const connection of [...this.#lives.keys(), ...this.#outdated]) connection.destroy();
    await Promise.all(closing);
  }

  #takeIdle(): Connection | undefined {
    const oldest = this.#lives.keys().find((connection) => this.#idle.has(connection));
    if (oldest !== undefined) this.#idle.delete(oldest);
    return oldest;
  }

  #takeHome(name: string): Connection | undefined {
    const last = this.#homes.get(name);
    const isIdle = last !== undefined && this.#idle.has(last);
    const home = isIdle ? last : [...this.#lives.keys()].findLast((life) => this.#idle.has(life));
    if (home === undefined) return undefined;
    this.#idle.delete(home);
    this.#homes.set(name, home);
    return home;
  }

  #wait(): Claim {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    let given: Connection | null = null;
    const waiter: Waiter = {
      resolve: (connection) => {
        given = connection;
        resolve(connection);
      },
      reject,
    };
    this.#waiters.add(waiter);
    this.#openForWaiters();
    return {
      ready: promise,
      cancel: () => {
        if (given === null) this.#waiters.delete(waiter);
        else this.giveBack(given);
      },
    };
  }

  #handOn(connection: Connection): boolean {
    const [next] = this.#waiters;
    if (next === undefined) return false;
    this.#waiters.delete(next);
    next.resolve(connection);
    return true;
  }

  #openForWaiters(): void {
    if (this.#closed || this.#pause !== null) return;
    // After a failure one attempt shows whether the server is back.
    const atOnce = this.#failures === 0 ? this.#waiters.size : Math.min(1, this.#waiters.size);
    const { connectionsMax } = this.#options;
    // Replaced connections usually hang. Those of one generation may be open beside the next.
    const total = this.#lives.size + this.#outdated.size;
    const free = Math.min(connectionsMax - this.#lives.size, 2 * connectionsMax - total);
    for (let more = Math.min(atOnce, free) - this.#opening; more > 0; more -= 1) void this.#open();
  }

  async #open(): Promise<void> {
    const generation = this.#generation;
    this.#opening += 1;
    try {
      const connection = await this.#options.open((lost) => this.#forget(lost));
      this.#opening -= 1;
      this.#failures = 0;
      if (this.#closed || generation !== this.#generation) void connection.close();
      else if (!connection.isLost) this.#welcome(connection);
      this.#openForWaiters();
    } catch (error) {
      this.#opening -= 1;
      this.#failed(error);
    }
  }

  #welcome(connection: Connection): void {
    const now = this.#options.clock.monotonic();
    const spread = (LIFETIME_MS_MAX - LIFETIME_MS_MIN) * this.#options.random();
    this.#lives.set(connection, { endsAt: now + LIFETIME_MS_MIN + spread, idleSince: now });
    this.#tidying ??= this.#options.clock.setTimer(TIDY_EVERY_MS, () => this.#tidy());
    if (!this.#handOn(connection)) this.#idle.add(connection);
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    // Calls that wait for a connection that others use keep waiting, each within its own deadline.
    if (this.#lives.size === 0) this.#rejectAll(error);
    this.#failures += 1;
    if (this.#pause !== null) return;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** Math.min(this.#failures, 10));
    this.#pause = this.#options.clock.setTimer(pauseMs * (0.5 + this.#options.random() / 2), () => {
      this.#pause = null;
      this.#openForWaiters();
    });
  }

  /** Also closes old connections and those that were idle for long, which no call would do. */
  #tidy(): void {
    const now = this.#options.clock.monotonic();
    for (const connection of this.#idle) {
      const life = this.#lives.get(connection);
      if (life && (now >= life.endsAt || now - life.idleSince >= IDLE_MS_MAX))
        this.#end(connection);
    }
    this.#tidying =
      this.#lives.size === 0
        ? null
        : this.#options.clock.setTimer(TIDY_EVERY_MS, () => this.#tidy());
  }

  #end(connection: Connection): void {
    this.#forget(connection);
    void connection.close();
  }

  #forget(connection: Connection): void {
    this.#outdated.delete(connection);
    this.#onFewer?.();
    if (!this.#lives.delete(connection)) return;
    this.#idle.delete(connection);
    this.#openForWaiters();
  }

  #rejectAll(error: unknown): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
  }

  /** Waits until every connection is given back or closed, at most so long. */
  #allGone(timeoutMs: number): Promise<void> {
    const isDone = (): boolean => this.#lives.size + this.#outdated.size === 0;
    if (isDone() || timeoutMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onFewer = () =>
        queueMicrotask(() => {
          if (!isDone()) return;
          clearTimeout(timer);
          resolve();
        });
    });
  }
}

function closedError(): ConnectionError {
  return new ConnectionError("CONNECTION_ENDED", "the connections to the database are closed");
}
