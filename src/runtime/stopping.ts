import type { Clock, Timer } from "./clock.ts";

/** Waits that all end early, and for good, when their owner stops. */
export class Pauses {
  readonly #clock: Clock;
  readonly #ends = new Set<() => void>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Resolves after `ms`, or when closed. */
  pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      const end = (): void => {
        timer?.cancel();
        this.#ends.delete(end);
        resolve();
      };
      this.#ends.add(end);
      timer = this.#clock.setTimer(ms, end);
    });
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#ends) end();
  }
}

/** Counts work in progress, so that a stop can wait for all of it. */
export class Idle {
  #inProgress = 0;
  readonly #waiting: (() => void)[] = [];

  begin(): void {
    this.#inProgress += 1;
  }

  end(): void {
    this.#inProgress -= 1;
    if (this.#inProgress > 0 || this.#waiting.length === 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves as soon as nothing is in progress. */
  reached(): Promise<void> {
    if (this.#inProgress === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }
}
