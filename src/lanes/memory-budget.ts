export interface MemoryBudgetOptions<Holder> {
  /** Less than this is not counted. */
  readonly bytesFree: number;
  /** Of all holders together. */
  readonly bytesMax: number;
  /** Of the holders of one group, so that none can take everything. */
  readonly bytesPerGroupMax: number;
  readonly groupOf: (holder: Holder) => string;
}

interface Waiting<Holder> {
  readonly holder: Holder;
  readonly bytes: number;
  readonly proceed: () => void;
}

/**
 * Bounds the memory that large things take, such as answers and request bodies, while they are in
 * progress. Each is admitted with all the memory that it may come to take, so that it can always
 * finish; the others wait in the order they came. One that is larger than the budget is admitted
 * alone.
 */
export class MemoryBudget<Holder> {
  readonly #options: MemoryBudgetOptions<Holder>;
  readonly #held = new Map<Holder, number>();
  readonly #heldByGroup = new Map<string, number>();
  #waiting: Waiting<Holder>[] = [];
  #heldBytes = 0;

  constructor(options: MemoryBudgetOptions<Holder>) {
    this.#options = options;
  }

  get bytesFree(): number {
    return this.#options.bytesFree;
  }

  /** Calls `proceed` once there is memory, perhaps at once; the holder must `leave` in any case. */
  enter(holder: Holder, bytes: number, proceed: () => void): void {
    this.#waiting.push({ holder, bytes, proceed });
    this.#admit();
  }

  /** Gives back what the holder has, or ends its wait. */
  leave(holder: Holder): void {
    if (this.#held.size === 0 && this.#waiting.length === 0) return;
    const bytes = this.#held.get(holder);
    if (bytes === undefined) {
      this.#waiting = this.#waiting.filter((one) => one.holder !== holder);
    } else {
      this.#held.delete(holder);
      this.#heldBytes -= bytes;
      this.#count(holder, -bytes);
    }
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) this.#letIn(next);
  }

  #next(): Waiting<Holder> | null {
    const next = this.#waiting.find((one) => this.#groupHasRoom(one));
    // None passes the first that waits for everything: smaller ones would starve it.
    const fits = this.#heldBytes + (next?.bytes ?? 0) <= this.#options.bytesMax;
    return next !== undefined && (fits || this.#heldBytes === 0) ? next : null;
  }

  #letIn(one: Waiting<Holder>): void {
    this.#waiting.splice(this.#waiting.indexOf(one), 1);
    this.#held.set(one.holder, one.bytes);
    this.#heldBytes += one.bytes;
    this.#count(one.holder, one.bytes);
    one.proceed();
  }

  #groupHasRoom({ holder, bytes }: Waiting<Holder>): boolean {
    const held = this.#heldByGroup.get(this.#options.groupOf(holder)) ?? 0;
    return held === 0 || held + bytes <= this.#options.bytesPerGroupMax;
  }

  #count(holder: Holder, bytes: number): void {
    const group = this.#options.groupOf(holder);
    const held = (this.#heldByGroup.get(group) ?? 0) + bytes;
    if (held === 0) this.#heldByGroup.delete(group);
    else this.#heldByGroup.set(group, held);
  }
}
