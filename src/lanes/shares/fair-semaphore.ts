import type { SharedResource } from "./shared-resources.ts";
import { Turns } from "./turns.ts";

interface FairSemaphoreOptions {
  readonly resource: SharedResource;
  /** Number of permits. */
  readonly permitsMax: number;
  /** Permits that one project may hold. It may change at any time. */
  readonly permitsPerProjectMax: (projectId: string) => number;
  /** Acquirers of one project that may wait; further ones are turned away. */
  readonly waitingPerProjectMax: number;
}

/**
 * - `acquired`: a permit is held; `release` it.
 * - `full`: too many of the project wait already.
 * - `aborted`: the signal was aborted during the wait.
 */
type Acquisition = "acquired" | "full" | "aborted";

interface Waiter {
  readonly proceed: () => void;
}

/**
 * Shares a scarce resource fairly among projects, or among other groups by the same rule. Each
 * holds a part of it at most, and a released permit goes to the waiting project that holds the
 * fewest, in turns among equals. So how much a project requests, and how long it keeps permits,
 * changes nothing for a project that holds less.
 */
export class FairSemaphore {
  readonly #options: FairSemaphoreOptions;
  readonly #heldBy = new Map<string, number>();
  readonly #turns: Turns<Waiter>;
  #held = 0;

  constructor(options: FairSemaphoreOptions) {
    this.#options = options;
    this.#turns = new Turns(options.resource);
  }

  /** Permits that the project holds now. */
  heldBy(projectId: string): number {
    return this.#heldBy.get(projectId) ?? 0;
  }

  /** Takes a permit if one is free. Allocates nothing. */
  tryAcquire(projectId: string): boolean {
    if (this.#held >= this.#options.permitsMax || !this.#mayHoldMore(projectId)) return false;
    this.#take(projectId);
    return true;
  }

  /** Takes a permit, waiting for it until the signal is aborted. */
  acquire(projectId: string, signal?: AbortSignal): Promise<Acquisition> {
    if (signal?.aborted === true) return Promise.resolve("aborted");
    if (this.tryAcquire(projectId)) return Promise.resolve("acquired");
    if (this.#turns.waiting(projectId) >= this.#options.waitingPerProjectMax) {
      return Promise.resolve("full");
    }
    return new Promise((resolve) => {
      const abort = (): void => {
        this.#turns.remove(projectId, waiter);
        resolve("aborted");
      };
      const waiter: Waiter = {
        proceed: () => {
          signal?.removeEventListener("abort", abort);
          resolve("acquired");
        },
      };
      this.#turns.add(projectId, waiter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Releases a permit that the project holds. */
  release(projectId: string): void {
    const held = this.heldBy(projectId);
    if (held === 0)
      throw new Error(`A permit of ${this.#turns.resource} was released that was not held.`);
    if (held === 1) this.#heldBy.delete(projectId);
    else this.#heldBy.set(projectId, held - 1);
    this.#held -= 1;
    if (!this.#turns.isEmpty) this.#serve();
  }

  #serve(): void {
    while (this.#held < this.#options.permitsMax) {
      const projectId = this.#next();
      const waiter = projectId === null ? null : this.#turns.takeFrom(projectId);
      if (projectId === null || waiter === null) return;
      this.#take(projectId);
      waiter.proceed();
    }
  }

  /** The waiting project that holds the fewest permits, the first among equals. */
  #next(): string | null {
    let next: string | null = null;
    let fewest = Infinity;
    for (const projectId of this.#turns.groups) {
      const held = this.heldBy(projectId);
      if (held >= fewest || !this.#mayHoldMore(projectId)) continue;
      next = projectId;
      fewest = held;
    }
    return next;
  }

  #mayHoldMore(projectId: string): boolean {
    return this.heldBy(projectId) < this.#options.permitsPerProjectMax(projectId);
  }

  #take(projectId: string): void {
    this.#heldBy.set(projectId, this.heldBy(projectId) + 1);
    this.#held += 1;
  }
}
