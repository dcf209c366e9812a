export interface StepBounds {
  readonly rowsMin: number;
  readonly rowsMax: number;
  /** A step that took longer was too large. */
  readonly stepMsMax: number;
}

/**
 * How many rows the next step of a long work takes, after one of `rows` that took `tookMs`: half of
 * them when that was long, else some more.
 */
export function nextStepRows(rows: number, tookMs: number, bounds: StepBounds): number {
  const { rowsMin, rowsMax, stepMsMax } = bounds;
  return tookMs > stepMsMax
    ? Math.max(rowsMin, Math.floor(rows / 2))
    : Math.min(rowsMax, rows + rowsMin);
}
