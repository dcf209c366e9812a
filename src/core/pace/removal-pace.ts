import { nextStepRows } from "./step-rows.ts";

/** How many rows a removal takes at once, so that no statement takes long on any machine. */
const ROWS_MIN = 10;
const ROWS_MAX = 200;
const STEP_MS_MAX = 100;
const STEPS = { rowsMin: ROWS_MIN, rowsMax: ROWS_MAX, stepMsMax: STEP_MS_MAX };
const REST_MS_MIN = 5;

/** The first step. */
export const REMOVAL_ROWS_FIRST = 50;

/** The next step's rows after one that took `tookMs`: half when that was long, else some more. */
export function removalRows(rows: number, tookMs: number): number {
  return nextStepRows(rows, tookMs, STEPS);
}

/** The rest between two steps: as long as the last one, so that others get the database as often. */
export function removalRestMs(tookMs: number): number {
  return Math.max(REST_MS_MIN, tookMs);
}
