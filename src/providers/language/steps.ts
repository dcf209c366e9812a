/** What even the smallest answer may take: a hundred times what the built-in providers need. */
const STEPS_MIN = 100_000;
/** A longer answer is read by taking more steps; so many characters allow for one more. */
const CHARACTERS_PER_STEP = 2;
/** So many characters that are looked through count as one step. */
const CHARACTERS_SCANNED_PER_STEP = 16;
const FOLDING_FACTOR = 8;

/**
 * The budget for what a definition makes Ringback do with one answer: rules and conditions held
 * against it, places looked up, elements and characters looked through. It is counted, not measured,
 * so that a definition works everywhere or nowhere. A step takes about 15 ns, and all polls of all
 * projects wait for it.
 *
 * Whoever spends it stops when it is used up; what the answer then seems to mean counts for nothing.
 */
export class Steps {
  readonly max: number;
  /** Whether objects of the answer have content: many keys take long to list, so only once. */
  readonly hasContent = new Map<object, boolean>();
  #used = 0;

  /** @param characters the length of the answer */
  constructor(characters: number) {
    this.max = STEPS_MIN + Math.ceil(characters / CHARACTERS_PER_STEP);
  }

  get used(): number {
    return this.#used;
  }

  get isExceeded(): boolean {
    return this.#used > this.max;
  }

  /** Takes so many steps; false once there are none left. */
  spend(count: number): boolean {
    if (this.isExceeded) return false;
    this.#used += count;
    return this.#used <= this.max;
  }

  /** The same for changing the case of a text or for working out a number from its digits. */
  fold(characters: number): boolean {
    return this.scan(FOLDING_FACTOR * characters);
  }

  /** Takes what looking through a text takes; false once there is nothing left. */
  scan(characters: number): boolean {
    return this.spend(1 + Math.floor(characters / CHARACTERS_SCANNED_PER_STEP));
  }
}
