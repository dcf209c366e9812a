/**
 * Whether a reader may find something, as one look at the database says for all readers. A reader
 * that is woken reads soon; the others rest (`repeater.ts`).
 */
export class ChangeSignal {
  #wake: () => void = () => {};
  #seen: string | null = null;
  #handled: string | null = null;
  #unchangedAsOfMs = -Infinity;

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  /** There is something to read, or nobody knows. */
  wake(): void {
    this.#wake();
  }

  /**
   * A look at rows that change seldom.
   * @param fingerprint another one whenever the rows are others
   * @param atMs when the look began, by the monotonic clock
   */
  saw(fingerprint: string, atMs: number): void {
    this.#seen = fingerprint;
    if (fingerprint === this.#handled) this.#unchangedAsOfMs = atMs;
    else this.#wake();
  }

  /** Call before reading the rows; call what it returns once they are read, and only then. */
  beginReading(): () => void {
    const seen = this.#seen;
    return () => void (this.#handled = seen);
  }

  /** When the latest look began that found nothing new since the rows were read; by the monotonic clock. */
  get unchangedAsOfMs(): number {
    return this.#unchangedAsOfMs;
  }
}
