import { setImmediate as nextTurn } from "node:timers/promises";
import type { DatabaseClock, Timer } from "../../src/runtime/clock.ts";

interface PendingTimer {
  readonly dueAt: number;
  readonly fire: () => void;
}

/** Sums of fractions may be off by this much. */
const ROUNDING_ERROR_MS_MAX = 1e-3;

/** A clock that moves only when a test moves it. */
export class FakeClock implements DatabaseClock {
  #now: number;
  #monotonic = 0;
  readonly #timers = new Set<PendingTimer>();

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  /** In whole milliseconds, as `SystemClock` has it; timers may be due at fractions of one. */
  now(): number {
    return Math.floor(this.#now + ROUNDING_ERROR_MS_MAX);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  offsetMs(): number {
    return this.#now - this.#monotonic;
  }

  /** Readings of a real database do not move it. */
  set(): number {
    return 0;
  }

  systemAheadMs(): number {
    return 0;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueAt: this.#monotonic + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** How many timers are pending. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Milliseconds to the earliest pending timer, or null. */
  get nextTimerMs(): number | null {
    const next = this.#earliest(Infinity);
    return next === null ? null : next.dueAt - this.#monotonic;
  }

  /** Moves the wall clock alone, as a correction by NTP would; no timer fires. */
  setNow(now: number): void {
    this.#now = now;
  }

  /** Passes the time and fires what is due, in order of due time, timers set on the way included. */
  advance(ms: number): void {
    const until = this.#monotonic + ms;
    for (let timer = this.#earliest(until); timer !== null; timer = this.#earliest(until))
      this.#fire(timer);
    this.#moveTo(until);
  }

  /** Like `advance`, but lets promises settle before the first, between, and after the timers. */
  async advanceSettling(ms: number): Promise<void> {
    const until = this.#monotonic + ms;
    await nextTurn();
    for (let timer = this.#earliest(until); timer !== null; timer = this.#earliest(until)) {
      this.#fire(timer);
      await nextTurn();
    }
    this.#moveTo(until);
  }

  #fire(timer: PendingTimer): void {
    this.#timers.delete(timer);
    this.#moveTo(Math.max(this.#monotonic, timer.dueAt));
    timer.fire();
  }

  #moveTo(monotonic: number): void {
    this.#now += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }

  #earliest(until: number): PendingTimer | null {
    let earliest: PendingTimer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueAt <= until && (earliest === null || timer.dueAt < earliest.dueAt))
        earliest = timer;
    }
    return earliest;
  }
}
