import type { Clock } from "../../runtime/clock.ts";

/**
 * - `settled`: what was waited for has happened.
 * - `timed_out`: it has not, for as long as was asked for.
 * - `stopping`: this node stops.
 * - `left`: the client has gone.
 */
export type WaitOutcome = "settled" | "timed_out" | "stopping" | "left";

/** While a node drains, no request waits for longer. */
const STOPPING_WAIT_MS_MAX = 1_000;

/** For how long to wait. */
export interface Wait {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Requests that wait, by the key of what they wait for. A node that stops ends all of them. */
export class WaitGroups {
  readonly #clock: Clock;
  readonly #groups = new Map<string, WaitGroup>();
  #isStopping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Requests that wait. */
  get requests(): number {
    let requests = 0;
    for (const group of this.#groups.values()) requests += group.size;
    return requests;
  }

  /**
   * Never rejects.
   * @param onEmpty called when the last one that waits for this key has left
   */
  join(key: string, wait: Wait, onEmpty: () => void): Promise<WaitOutcome> {
    const group =
      this.#groups.get(key) ??
      new WaitGroup(this.#clock, () => {
        this.#groups.delete(key);
        onEmpty();
      });
    this.#groups.set(key, group);
    return group.join(wait, this.#isStopping);
  }

  /** Ends the waits for `key`: their event has happened. */
  settle(key: string): void {
    this.#groups.get(key)?.end("settled");
  }

  /** Ends all waits. Later ones are short. */
  beginStopping(): void {
    this.#isStopping = true;
    for (const group of this.#groups.values()) group.end("stopping");
  }
}

/** Requests that wait for the same. */
class WaitGroup {
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #leave = new Set<(outcome: WaitOutcome) => void>();

  /** @param onEmpty called whenever the last one has left */
  constructor(clock: Clock, onEmpty: () => void) {
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  get size(): number {
    return this.#leave.size;
  }

  /** @param isStopping the node stops: the wait is short */
  join({ timeoutMs, signal }: Wait, isStopping: boolean): Promise<WaitOutcome> {
    const { promise, resolve } = Promise.withResolvers<WaitOutcome>();
    const leave = (outcome: WaitOutcome): void => {
      timer.cancel();
      signal.removeEventListener("abort", goAway);
      this.#leave.delete(leave);
      if (this.#leave.size === 0) this.#onEmpty();
      resolve(outcome);
    };
    const goAway = (): void => leave("left");
    const timer = isStopping
      ? this.#clock.setTimer(Math.min(timeoutMs, STOPPING_WAIT_MS_MAX), () => leave("stopping"))
      : this.#clock.setTimer(timeoutMs, () => leave("timed_out"));
    this.#leave.add(leave);
    if (signal.aborted) goAway();
    else signal.addEventListener("abort", goAway, { once: true });
    return promise;
  }

  end(outcome: WaitOutcome): void {
    for (const leave of this.#leave) leave(outcome);
  }
}
