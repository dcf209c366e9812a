import { nextStepRows } from "./step-rows.ts";

/*
 * How many subscriptions are told of an event at once. The first ones of each job in the transaction
 * that records its event, the others in steps.
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

const ROWS_MIN = 20;
const ROWS_MAX = 1_000;
const STEP_MS_MAX = 50;
const STEPS = { rowsMin: ROWS_MIN, rowsMax: ROWS_MAX, stepMsMax: STEP_MS_MAX };

/** The subscriptions of a node's first step. */
export const FAN_OUT_ROWS_FIRST = 200;

/** The next step's subscriptions after one that took `tookMs`: half when that was long, else some more. */
export function fanOutRows(rows: number, tookMs: number): number {
  return nextStepRows(rows, tookMs, STEPS);
}

/** The rest between two steps: as long as the last one, so that others get the database as often. */
export function fanOutRestMs(tookMs: number): number {
  return tookMs;
}
