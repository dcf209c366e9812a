import FlatQueue from "flatqueue";
import { type Clock, type Timer, toMonotonic } from "../runtime/clock.ts";

/**
 * Fires each item once its time has come: one queue and one timer for any number of items. Items
 * are never removed; the receiver checks whether one still applies.
 */
export class AlarmQueue<Item> {
  readonly #queue = new FlatQueue<Item>();
  readonly #clock: Clock;
  readonly #fire: (item: Item) => void;
  #timer: Timer | null = null;
  #timerAtMs = Infinity;

  constructor(clock: Clock, fire: (item: Item) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /**
   * @param atMs in the clock's `now()`; waited for by the monotonic clock, at its present distance
   */
  set(item: Item, atMs: number): void {
    const ringAtMs = toMonotonic(this.#clock, atMs);
    this.#queue.push(item, ringAtMs);
    if (ringAtMs < this.#timerAtMs) this.#arm(ringAtMs);
  }

  clear(): void {
    this.#queue.clear();
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerAtMs = Infinity;
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.setTimer(atMs - this.#clock.monotonic(), () => this.#ring());
  }

  #ring(): void {
    this.#timer = null;
    this.#timerAtMs = Infinity;
    const nowMs = this.#clock.monotonic();
    for (let atMs = this.#queue.peekValue(); atMs !== undefined; atMs = this.#queue.peekValue()) {
      if (atMs > nowMs) {
        this.#arm(atMs);
        return;
      }
      const item = this.#queue.pop();
      if (item !== undefined) this.#fire(item);
    }
  }
}
