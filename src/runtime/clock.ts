/** A pending timer; cancelling one that has fired is harmless. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Decisions get `now()` as a number; no other part reads a clock. What is
 * stored or shown is in `now()`; what this process waits for, or remembers for a while, is in
 * `monotonic()`.
 */
export interface Clock {
  /** The database's time in epoch milliseconds: every node has the same. */
  now(): number;
  /** Milliseconds on a clock that never jumps; only differences mean anything. */
  monotonic(): number;
  /** How far `now()` is ahead of `monotonic()`; moves only when `now()` is corrected. */
  offsetMs(): number;
  /** Calls `fire` once after at least `delayMs`. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** When `atMs`, in `now()`, is on the monotonic clock. */
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
  /** Returns by how many milliseconds `now()` was moved: 0 for a reading that agrees with it. */
  set(reading: ClockReading): number;
  /** How far this machine's clock is ahead of the database's, in milliseconds. */
  systemAheadMs(): number;
}

// Node turns longer delays into 1 ms, so a far timer would fire at once.
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

/** A correction backwards by less is waited out, so that `now()` goes back only where it must. */
const STEP_MS_MIN = 1000;

interface Sources {
  /** Epoch milliseconds, as this machine has them. */
  readonly wall: () => number;
  readonly monotonic: () => number;
}

/**
 * Time as the database has it: the monotonic clock plus an offset, which is this machine's until the
 * first reading. Setting the machine's clock therefore changes nothing, and nodes whose clocks
 * differ agree on deadlines, expiry and order.
 */
export class SystemClock implements DatabaseClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  #offsetMs: number;
  #isSet = false;
  #latestMs = 0;

  constructor({ wall, monotonic }: Sources) {
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
   * The reading was made at some moment of its round trip, so it allows a range of offsets. One
   * within it is kept: a slow answer must not worsen what a fast one has told.
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

/** This process's. */
export const systemClock = new SystemClock({
  wall: () => Date.now(),
  monotonic: () => performance.now(),
});
