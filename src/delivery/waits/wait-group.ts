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
  /** The node stops: the wait is short. */
  readonly isStopping: boolean;
}

/** Requests that wait for the same. */
export class WaitGroup {
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

  /** Never rejects. */
  join({ timeoutMs, signal, isStopping }: Wait): Promise<WaitOutcome> {
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

  /** Ends the waits there are. */
  settle(outcome: WaitOutcome): void {
    for (const leave of this.#leave) leave(outcome);
  }
}
