/**
 * Tells a reader whether there may be something to read, as found by one look at the database for
 * all readers. A reader that is woken reads soon; the others rest (`repeater.ts`).
 */
export class ChangeSignal {
  #wake: () => void = () => {};
  #seen: string | null = null;
  #handled: string | null = null;
  #unchangedAsOfMs = -Infinity;

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  /** There is something to read, or it is unknown. */
  wake(): void {
    this.#seen = null;
    this.#wake();
  }

  /**
   * Records a look at rows that seldom change.
   * @param fingerprint differs whenever the rows differ
   * @param atMs when the look began, by the monotonic clock
   */
  saw(fingerprint: string, atMs: number): void {
    this.#seen = fingerprint;
    if (fingerprint === this.#handled) this.#unchangedAsOfMs = atMs;
    else this.#wake();
  }

  /** Call before reading the rows; call the returned function once they are read, and only then. */
  beginReading(): () => void {
    const seen = this.#seen;
    return () => void (this.#handled = seen);
  }

  /** True when the latest look found the rows as they were read. */
  get isUnchanged(): boolean {
    return this.#seen !== null && this.#seen === this.#handled;
  }

  /**
   * When the latest look that found no change since the rows were read began; by the monotonic
   * clock.
   */
  get unchangedAsOfMs(): number {
    return this.#unchangedAsOfMs;
  }
}
