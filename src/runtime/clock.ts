/** A pending timer; canceling one that has fired is harmless. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Decisions get `now()` as a number; no other part reads a clock. Stored
 * and displayed times use `now()`; waits and memories of this process use `monotonic()`.
 */
export interface Clock {
  /** The database's time in epoch milliseconds, the same on every node. */
  now(): number;
  /** Milliseconds on a clock that never jumps; only differences mean anything. */
  monotonic(): number;
  /** How far `now()` is ahead of `monotonic()`; changes only when `now()` is corrected. */
  offsetMs(): number;
  /** Calls `fire` once after at least `delayMs`. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** Periodic work that runs no more often than this is done at the same moments. */
const SHARED_MOMENT_MS = 1_000;
/** Timers fire a little late or early. */
const MOMENT_SLACK_MS = 50;
/** Work comes earlier by no more than this part of its interval. */
const EARLIER_SHARE_MAX = 0.25;

/**
 * When work that is due at `atMs`, on the monotonic clock, should be done so that after a few rounds
 * all periodic work of this process is done at the same moments. Waking a process that rests takes longer
 * than most of that work.
 * @param intervalMs how often the work is done; more frequent work keeps its own moments
 */
export function sharedMoment(atMs: number, intervalMs: number): number {
  if (intervalMs < SHARED_MOMENT_MS) return atMs;
  const momentMs = Math.floor((atMs + MOMENT_SLACK_MS) / SHARED_MOMENT_MS) * SHARED_MOMENT_MS;
  return Math.max(momentMs, atMs - intervalMs * EARLIER_SHARE_MAX);
}

/** Converts `atMs`, in `now()`, to the monotonic clock. */
export function toMonotonic(clock: Clock, atMs: number): number {
  return atMs - clock.offsetMs();
}

/** The reverse of {@link toMonotonic}, in whole milliseconds. */
export function fromMonotonic(clock: Clock, atMs: number): number {
  return Math.round(atMs + clock.offsetMs());
}

/** The database's clock, read between two moments of this process's monotonic one. */
export interface ClockReading {
  /** Epoch milliseconds. */
  readonly databaseMs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** A clock that is set by the database's. */
export interface DatabaseClock extends Clock {
  /** Returns by how many milliseconds `now()` moved: 0 for a reading that agrees with it. */
  set(reading: ClockReading): number;
  /** How far this machine's clock is ahead of the database's, in milliseconds. */
  systemAheadMs(): number;
}

// Node turns longer delays into 1 ms, so a far timer would fire at once.
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * A smaller backward correction is applied by waiting, so that `now()` goes back only where it
 * must.
 */
const STEP_MS_MIN = 1000;

/**
 * The database's time: the monotonic clock plus an offset, which is this machine's until the first
 * reading. Setting the machine's clock therefore changes nothing, and nodes whose clocks differ
 * agree on deadlines, expiry and order.
 */
export class SystemClock implements DatabaseClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  #offsetMs: number;
  #isSet = false;
  #latestMs = 0;

  /** @param sources the machine's clock in epoch milliseconds, and one that is never set */
  constructor({
    wall,
    monotonic,
  }: {
    readonly wall: () => number;
    readonly monotonic: () => number;
  }) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#offsetMs = wall() - monotonic();
  }

  now(): number {
    const nowMs = Math.floor(this.#monotonic() + this.#offsetMs);
    const isStep = this.#latestMs - nowMs >= STEP_MS_MIN;
    if (nowMs > this.#latestMs || isStep) this.#latestMs = nowMs;
    return this.#latestMs;
  }

  monotonic(): number {
    return this.#monotonic();
  }

  offsetMs(): number {
    return this.#offsetMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const ms = Math.min(Math.ceil(Math.max(0, delayMs)), TIMER_DELAY_MS_MAX);
    const handle = setTimeout(fire, ms);
    return { cancel: () => clearTimeout(handle) };
  }

  /**
   * The reading was made at some moment of its round trip, so it allows a range of offsets. An
   * offset within the range is kept: a slow response must not worsen what a fast one has shown.
   */
  set({ databaseMs, sentAtMs, receivedAtMs }: ClockReading): number {
    const least = databaseMs - receivedAtMs;
    const most = databaseMs - sentAtMs;
    const before = this.#offsetMs;
    this.#offsetMs = this.#isSet ? Math.min(most, Math.max(least, before)) : (least + most) / 2;
    this.#isSet = true;
    return this.#offsetMs - before;
  }

  systemAheadMs(): number {
    return this.#wall() - (this.#monotonic() + this.#offsetMs);
  }
}

/** This process's clock. */
export const systemClock = new SystemClock({
  wall: () => Date.now(),
  monotonic: () => performance.now(),
});

/** Waits for `work`, but no longer than `timeoutMs`; true when it settled. Never rejects. */
export async function settledWithin(
  clock: Clock,
  work: Promise<unknown>,
  timeoutMs: number,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.setTimer(timeoutMs, () => resolve(false));
  void work.then(
    () => resolve(true),
    () => resolve(true),
  );
  const settled = await promise;
  timer.cancel();
  return settled;
}

export function pause(clock: Pick<Clock, "setTimer">, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.setTimer(ms, resolve);
  return promise;
}
