/** Budget for even the smallest response: a hundred times what the built-in providers need. */
const STEPS_MIN = 100_000;
/** A longer response takes more steps to read; this many characters add one. */
const CHARACTERS_PER_STEP = 2;
/** Searching this many characters counts as one step. */
const CHARACTERS_SCANNED_PER_STEP = 16;
const FOLDING_FACTOR = 8;

/**
 * The budget for the work that a definition causes with one response: comparing rules and
 * conditions, looking up places, searching elements and characters. It is counted, not measured, so
 * that a definition works everywhere or nowhere. A step takes about 15 ns, and all polls of all
 * projects wait for it.
 *
 * A spender stops when it is used up; the apparent meaning of the response is then discarded.
 */
export class Steps {
  readonly max: number;
  /**
   * Remembers whether objects of the response have content: many keys take long to list, so only
   * once.
   */
  readonly hasContent = new Map<object, boolean>();
  #used = 0;

  /** @param characters the length of the response */
  constructor(characters: number) {
    this.max = STEPS_MIN + Math.ceil(characters / CHARACTERS_PER_STEP);
  }

  get used(): number {
    return this.#used;
  }

  get isExceeded(): boolean {
    return this.#used > this.max;
  }

  /** Spends this many steps; false once there are none left. */
  spend(count: number): boolean {
    if (this.isExceeded) return false;
    this.#used += count;
    return this.#used <= this.max;
  }

  /** The same for changing the case of a text or for computing a number from its digits. */
  fold(characters: number): boolean {
    return this.scan(FOLDING_FACTOR * characters);
  }

  /** Spends the steps for searching a text; false once there are none left. */
  scan(characters: number): boolean {
    return this.spend(1 + Math.floor(characters / CHARACTERS_SCANNED_PER_STEP));
  }
}
