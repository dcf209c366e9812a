import type { SharedResource } from "./shared-resources.ts";
import { Turns } from "./turns.ts";

interface MemoryBudgetOptions<Holder> {
  readonly resource: SharedResource;
  /** Smaller amounts are not counted. */
  readonly bytesFree: number;
  /** The limit for all holders together. */
  readonly bytesMax: number;
  /** The limit for one group. It may change at any time. */
  readonly bytesPerGroupMax: (group: string) => number;
  readonly groupOf: (holder: Holder) => string;
}

interface Waiting {
  readonly group: string;
  readonly bytes: number;
  readonly proceed: () => void;
}

/**
 * A separate kind beside `FairSemaphore`, since permits differ in size: the size of the first in a
 * group's queue decides whether the group may go, one larger than the budget goes alone, and a
 * holder that is called at once allocates no promise.
 *
 * Bounds the memory of large responses and request bodies in progress. Each is admitted with all
 * the memory that it may come to use, so that it can always finish. The others wait: memory goes to
 * the group that holds the least, in turns among equals, so that a group with many waiting holders
 * delays no other. One that is larger than the budget is admitted alone.
 */
export class MemoryBudget<Holder> {
  readonly #options: MemoryBudgetOptions<Holder>;
  readonly #held = new Map<Holder, number>();
  readonly #heldByGroup = new Map<string, number>();
  readonly #waiting = new Map<Holder, Waiting>();
  readonly #turns: Turns<Holder>;
  #heldBytes = 0;

  constructor(options: MemoryBudgetOptions<Holder>) {
    this.#options = options;
    this.#turns = new Turns(options.resource);
  }

  get bytesFree(): number {
    return this.#options.bytesFree;
  }

  /** The bytes that a group holds now. */
  heldBy(group: string): number {
    return this.#heldByGroup.get(group) ?? 0;
  }

  /** Calls `proceed` once there is memory, perhaps at once. The holder must `leave` in any case. */
  enter(holder: Holder, bytes: number, proceed: () => void): void {
    const group = this.#options.groupOf(holder);
    this.#waiting.set(holder, { group, bytes, proceed });
    this.#turns.add(group, holder);
    this.#admit();
  }

  /** Releases the holder's memory, or ends its wait. */
  leave(holder: Holder): void {
    if (this.#held.size === 0 && this.#waiting.size === 0) return;
    const bytes = this.#held.get(holder);
    if (bytes === undefined) {
      const waiting = this.#waiting.get(holder);
      if (waiting === undefined) return;
      this.#waiting.delete(holder);
      this.#turns.remove(waiting.group, holder);
    } else {
      this.#held.delete(holder);
      this.#count(this.#options.groupOf(holder), -bytes);
    }
    this.#admit();
  }

  #admit(): void {
    for (let group = this.#next(); group !== null; group = this.#next()) {
      const holder = this.#turns.takeFrom(group);
      const waiting = holder === null ? undefined : this.#waiting.get(holder);
      if (holder === null || waiting === undefined) return;
      this.#waiting.delete(holder);
      this.#held.set(holder, waiting.bytes);
      this.#count(group, waiting.bytes);
      waiting.proceed();
    }
  }

  /** The waiting group that holds the least, if its first request fits. */
  #next(): string | null {
    let next: string | null = null;
    let least = Infinity;
    let bytes = 0;
    for (const group of this.#turns.groups) {
      const held = this.heldBy(group);
      const wanted = this.#wantedBy(group);
      if (held >= least || !this.#mayHoldMore(group, wanted)) continue;
      next = group;
      least = held;
      bytes = wanted;
    }
    // No one overtakes a holder that waits for everything: smaller ones would starve it.
    const fits = this.#heldBytes === 0 || this.#heldBytes + bytes <= this.#options.bytesMax;
    return fits ? next : null;
  }

  #wantedBy(group: string): number {
    const holder = this.#turns.first(group);
    return holder === null ? 0 : (this.#waiting.get(holder)?.bytes ?? 0);
  }

  /**
   * A group may hold as much as it leaves free, so that there is room for one that holds nothing.
   */
  #mayHoldMore(group: string, bytes: number): boolean {
    const held = this.heldBy(group);
    if (held === 0) return true;
    const left = this.#options.bytesMax - this.#heldBytes - bytes;
    return held + bytes <= Math.min(left, this.#options.bytesPerGroupMax(group));
  }

  #count(group: string, bytes: number): void {
    this.#heldBytes += bytes;
    const held = this.heldBy(group) + bytes;
    if (held === 0) this.#heldByGroup.delete(group);
    else this.#heldByGroup.set(group, held);
  }
}
