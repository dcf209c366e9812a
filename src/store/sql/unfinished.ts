import type { Clock } from "../../runtime/clock.ts";

/** Tracks work that has begun and not ended. */
export class Unfinished {
  readonly #clock: Clock;
  /** A set keeps the order of insertion, so the first is the oldest. */
  readonly #starts = new Set<{ readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the oldest has been waiting, in monotonic milliseconds; 0 without any. */
  get oldestMs(): number {
    const [oldest] = this.#starts;
    return oldest === undefined ? 0 : this.#clock.monotonic() - oldest.at;
  }

  /** Counts `work` until it settles. */
  async during<T>(work: Promise<T>): Promise<T> {
    const start = { at: this.#clock.monotonic() };
    this.#starts.add(start);
    try {
      return await work;
    } finally {
      this.#starts.delete(start);
    }
  }
}
