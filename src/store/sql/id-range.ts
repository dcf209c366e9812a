/** Ids are made shortly before their row's time is set, on a clock that may be another node's. */
const SLACK_MS = 60_000;

/** Before everything that was created, in epoch milliseconds. */
export const BEFORE_ALL_MS = -1;

/**
 * A UUID below those of all rows created from `ms` on: ids start with their time, so a list that is
 * ordered by id can stop there.
 * @param ms epoch milliseconds
 */
export function firstIdAt(ms: number): string {
  return idAt(Math.max(0, ms - SLACK_MS));
}

/**
 * A UUID above those of all rows created before `ms`.
 * @param ms epoch milliseconds
 */
export function lastIdAt(ms: number): string {
  return idAt(ms + SLACK_MS);
}

function idAt(ms: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}
