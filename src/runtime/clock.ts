/** A pending timer; cancelling one that has fired is harmless. */
export interface Timer {
  cancel(): void;
}

/** The only source of time. Decisions get `now()` as a number; nobody else reads a clock. */
export interface Clock {
  /** Wall-clock time in epoch milliseconds. */
  now(): number;
  /** Milliseconds on a clock that never jumps; only differences mean anything. */
  monotonic(): number;
  /** Calls `fire` once after at least `delayMs`. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

// Node turns longer delays into 1 ms, so a far timer would fire at once.
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, fire) {
    const handle = setTimeout(fire, Math.min(Math.max(0, delayMs), TIMER_DELAY_MS_MAX));
    return { cancel: () => clearTimeout(handle) };
  },
};
