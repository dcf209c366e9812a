/** How many rows a removal takes at once, so that no statement takes long on any machine. */
const ROWS_MIN = 10;
const ROWS_MAX = 200;
const STEP_MS_MAX = 100;
const REST_MS_MIN = 5;

/** What to begin with. */
export const REMOVAL_ROWS_FIRST = 50;

/** The next step's rows after one that took `tookMs`: half when that was long, else some more. */
export function removalRows(rows: number, tookMs: number): number {
  return tookMs > STEP_MS_MAX
    ? Math.max(ROWS_MIN, Math.floor(rows / 2))
    : Math.min(ROWS_MAX, rows + ROWS_MIN);
}

/** The rest between two steps: as long as the last one, so that others get the database as often. */
export function removalRestMs(tookMs: number): number {
  return Math.max(REST_MS_MIN, tookMs);
}
