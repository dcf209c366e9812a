/** A claim on one of a fixed number of slots. */
export interface Slot {
  /** Resolves when the slot is the claimant's. */
  readonly ready: Promise<void>;
  /** Gives the slot back, or leaves the queue for it. Harmless when repeated. */
  release(): void;
}

/** A fixed number of slots, given out first come first served. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** How many claimants wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  take(): Slot {
    let held = this.#free > 0;
    let grant: () => void = () => {};
    const ready = held ? Promise.resolve() : new Promise<void>((resolve) => (grant = resolve));
    const receive = (): void => {
      held = true;
      grant();
    };
    if (held) this.#free -= 1;
    else this.#waiting.add(receive);
    const release = (): void => {
      if (held) this.#handOn();
      else this.#waiting.delete(receive);
      held = false;
    };
    return { ready, release };
  }

  #handOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
