import type { Clock, Timer } from "./clock.ts";

/** The request's deadline has passed; the work that it waited for may still complete. */
export class DeadlinePassedError extends Error {
  override readonly name = "DeadlinePassedError";
}

/**
 * The one time limit of a request, shared by everything that the request waits for. When it passes,
 * the waiting ends, not the work: each part decides for itself whether its work can still be
 * withdrawn.
 */
export class RequestDeadline {
  readonly #clock: Clock;
  #passesAt: number;
  #pausedAt: number | null = null;
  #timer: Timer | null;
  /** Set once the deadline has passed. */
  #error: DeadlinePassedError | null = null;
  /** Called when it passes. Promises would cost each request several objects for what hardly ever happens. */
  readonly #listeners: ((passed: DeadlinePassedError) => void)[] = [];
  /** True when something was sent for the request that may have had an effect. */
  hasBegunWork = false;

  /** Starts to count at once; `end` it. */
  constructor(clock: Clock, forMs: number) {
    this.#clock = clock;
    this.#passesAt = clock.monotonic() + forMs;
    this.#timer = this.#startTimer(forMs);
  }

  get hasPassed(): boolean {
    return this.#error !== null;
  }

  /** Calls `listener` once the deadline has passed, or at once if it has. */
  onPassed(listener: (passed: DeadlinePassedError) => void): void {
    if (this.#error === null) this.#listeners.push(listener);
    else listener(this.#error);
  }

  /** The outcome of `work`, or a `DeadlinePassedError` if that takes too long. */
  race<T>(work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    work.then(resolve, reject);
    this.onPassed(reject);
    return promise;
  }

  /**
   * Runs `work` without counting its time: waiting for the client to send its body is not our
   * delay.
   */
  async pausedDuring<T>(work: Promise<T>): Promise<T> {
    const pausedAt = this.#clock.monotonic();
    this.#pausedAt = pausedAt;
    try {
      return await work;
    } finally {
      this.#pausedAt = null;
      this.#passesAt += this.#clock.monotonic() - pausedAt;
      // The timer may have fired during the pause. One that still runs notices that it is early.
      this.#timer ??= this.#startTimer(this.#passesAt - this.#clock.monotonic());
    }
  }

  /** Ends the deadline, since the request is answered: it never passes after that. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #startTimer(forMs: number): Timer {
    return this.#clock.setTimer(forMs, () => this.#fire());
  }

  #fire(): void {
    this.#timer = null;
    if (this.#pausedAt !== null) return;
    const leftMs = this.#passesAt - this.#clock.monotonic();
    // Timers may fire a little early.
    if (leftMs > 1) {
      this.#timer = this.#startTimer(leftMs);
      return;
    }
    this.#error = new DeadlinePassedError("the request took too long");
    for (const listener of this.#listeners) listener(this.#error);
  }
}

/** Does `work` with a deadline that counts from now. */
export async function withDeadline<T>(
  clock: Clock,
  forMs: number,
  work: (deadline: RequestDeadline) => Promise<T>,
): Promise<T> {
  const deadline = new RequestDeadline(clock, forMs);
  try {
    return await work(deadline);
  } finally {
    deadline.end();
  }
}
