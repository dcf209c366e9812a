/** A Retry-After longer than this is not believed. */
export const RETRY_FLOOR_MS_MAX = 24 * 3600 * 1000;

const JITTER = 0.2;

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
