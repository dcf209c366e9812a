/** A Retry-After longer than this is not believed. */
export const RETRY_FLOOR_MS_MAX = 24 * 3600 * 1000;

/** Bounds of a custom schedule; see {@link problemWithRetrySchedule}. */
export const RETRY_WAITS_MAX = 30;
export const RETRY_WAIT_S_MIN = 0.01;
export const RETRY_WAIT_S_MAX = 7 * 24 * 3600;
export const RETRY_TOTAL_S_MAX = 30 * 24 * 3600;

const JITTER = 0.2;

/** Describes a problem with the waits of a schedule as a whole, or returns null. An empty schedule means one attempt. */
export function problemWithRetrySchedule(waitsS: readonly number[]): string | null {
  const totalS = waitsS.reduce((sum, waitS) => sum + waitS, 0);
  if (totalS <= RETRY_TOTAL_S_MAX) return null;
  return `Must add up to ${RETRY_TOTAL_S_MAX} seconds at most; this is ${Math.ceil(totalS)}.`;
}

export function retryScheduleMs(waitsS: readonly number[]): number[] {
  return waitsS.map((waitS) => Math.round(waitS * 1000));
}

/** The least that a delivery is held back for: long enough for its origin to be tried once more. */
export const BLOCKED_MS_MIN = 60_000;

/**
 * How long a delivery that is due may be held back because its origin fails: until the time at which
 * its schedule would have been used up, had every attempt been made.
 * @param failedAttempts attempts made since the schedule began
 */
export function blockedMsMax(scheduleMs: readonly number[], failedAttempts: number): number {
  const leftMs = scheduleMs.slice(failedAttempts).reduce((sum, waitMs) => sum + waitMs, 0);
  return Math.max(BLOCKED_MS_MIN, leftMs * (1 + JITTER));
}

/**
 * The wait before the next attempt of a delivery, or null when the schedule is used up.
 * Jitter is ±20 %, so that what failed together does not come back together.
 * @param scheduleMs the waits after the first, second, … failed attempt
 * @param failedAttempts attempts made since the schedule began, at least 1
 * @param floorMs what the receiver asked for with Retry-After, or 0
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(
  scheduleMs: readonly number[],
  failedAttempts: number,
  floorMs: number,
  random: number,
): number | null {
  const base = scheduleMs[failedAttempts - 1];
  if (base === undefined) return null;
  const jittered = base * (1 - JITTER + 2 * JITTER * random);
  return Math.ceil(Math.max(jittered, Math.min(floorMs, RETRY_FLOOR_MS_MAX)));
}
