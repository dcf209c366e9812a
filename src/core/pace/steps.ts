/**
 * How many rows the next step of a long work takes, after one of `rows` that took `tookMs`: half of
 * them when that was long, else some more.
 */
function nextStepRows(
  rows: number,
  tookMs: number,
  bounds: {
    readonly rowsMin: number;
    readonly rowsMax: number;
    /** A step that took longer was too large. */
    readonly stepMsMax: number;
  },
): number {
  const { rowsMin, rowsMax, stepMsMax } = bounds;
  return tookMs > stepMsMax
    ? Math.max(rowsMin, Math.floor(rows / 2))
    : Math.min(rowsMax, rows + rowsMin);
}

/*
 * Events of jobs with many subscriptions. The first subscriptions of each job get their deliveries in
 * the transaction that records its event, the others in steps.
 */

/** A statement's share of time: what other projects record waits for it. */
const SUBSCRIPTIONS_PER_BATCH = 4_000;
const SUBSCRIPTIONS_PER_EVENT_MIN = 8;
const SUBSCRIPTIONS_PER_EVENT_MAX = 1_000;

/** How many subscriptions of each job are looked at in the statement that records so many events. */
export function subscriptionsPerEvent(events: number): number {
  const share = Math.floor(SUBSCRIPTIONS_PER_BATCH / Math.max(1, events));
  return Math.min(SUBSCRIPTIONS_PER_EVENT_MAX, Math.max(SUBSCRIPTIONS_PER_EVENT_MIN, share));
}

const FAN_OUT_ROWS_MIN = 20;
const FAN_OUT_ROWS_MAX = 250;
/** Commits of other projects wait for a step. */
const FAN_OUT_STEP_MS_MAX = 15;
const FAN_OUT_STEPS = {
  rowsMin: FAN_OUT_ROWS_MIN,
  rowsMax: FAN_OUT_ROWS_MAX,
  stepMsMax: FAN_OUT_STEP_MS_MAX,
};

/** The subscriptions of a node's first step. */
export const FAN_OUT_ROWS_FIRST = 200;

/** The next step's subscriptions after one that took `tookMs`: half when that was long, else some more. */
export function fanOutRows(rows: number, tookMs: number): number {
  return nextStepRows(rows, tookMs, FAN_OUT_STEPS);
}

/**
 * The rest between two steps: as long as the last one, so that others get the database as often, and longer while
 * other projects are at work, whose commits are to find it free.
 */
export function fanOutRestMs(tookMs: number, isCrowded: boolean): number {
  return isCrowded ? 3 * tookMs : tookMs;
}

/** How many rows a removal takes at once, so that no statement takes long on any machine. */
const REMOVAL_ROWS_MIN = 10;
const REMOVAL_ROWS_MAX = 200;
const REMOVAL_STEP_MS_MAX = 100;
const REMOVAL_STEPS = {
  rowsMin: REMOVAL_ROWS_MIN,
  rowsMax: REMOVAL_ROWS_MAX,
  stepMsMax: REMOVAL_STEP_MS_MAX,
};
const REMOVAL_REST_MS_MIN = 5;

/** The first step. */
export const REMOVAL_ROWS_FIRST = 50;

/** The next step's rows after one that took `tookMs`: half when that was long, else some more. */
export function removalRows(rows: number, tookMs: number): number {
  return nextStepRows(rows, tookMs, REMOVAL_STEPS);
}

/** The rest between two steps: as long as the last one, so that others get the database as often. */
export function removalRestMs(tookMs: number): number {
  return Math.max(REMOVAL_REST_MS_MIN, tookMs);
}
