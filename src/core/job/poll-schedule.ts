/**
 * How long to wait between polls, as a pure function of the job's age: nothing about it is
 * stored, and a restart resumes it. All times in milliseconds.
 */
export type PollSchedule =
  /** `initialMs`, each wait `factor` times the last, at most `capMs`. Recommended by Pulse. */
  | {
      readonly kind: "exponential";
      readonly initialMs: number;
      readonly factor: number;
      readonly capMs: number;
    }
  | { readonly kind: "fixed"; readonly intervalMs: number }
  /** `initialMs + 2·√(initialMs·age)`, at most `capMs`: polls grow with the square root of age. */
  | { readonly kind: "square_root"; readonly initialMs: number; readonly capMs: number };

/** No schedule, floor or jitter makes a job poll more often than this. */
export const POLL_INTERVAL_MS_MIN = 10;
/** Node's timers overflow above this; nothing waits longer. */
export const POLL_INTERVAL_MS_MAX = 2 ** 31 - 1;

const JITTER = 0.1;

/**
 * The schedule's wait at a given age, before floors and jitter.
 *
 * A geometric series of waits `initial·factorⁿ` has waited `(wait − initial)/(factor − 1)` in all
 * when its current wait is `wait`; solved for `wait` that is `initial + (factor − 1)·age`.
 */
export function pollIntervalMs(schedule: PollSchedule, ageMs: number): number {
  const age = Math.max(0, ageMs);
  switch (schedule.kind) {
    case "exponential":
      return clampMs(Math.min(schedule.capMs, schedule.initialMs + (schedule.factor - 1) * age));
    case "fixed":
      return clampMs(schedule.intervalMs);
    case "square_root":
      return clampMs(
        Math.min(schedule.capMs, schedule.initialMs + 2 * Math.sqrt(schedule.initialMs * age)),
      );
  }
}

/** The schedule with every wait at least so long. */
export function floorSchedule(schedule: PollSchedule, minMs: number): PollSchedule {
  switch (schedule.kind) {
    case "exponential":
    case "square_root":
      return Object.freeze({
        ...schedule,
        initialMs: Math.max(schedule.initialMs, minMs),
        capMs: Math.max(schedule.capMs, minMs),
      });
    case "fixed":
      return Object.freeze({ ...schedule, intervalMs: Math.max(schedule.intervalMs, minMs) });
  }
}

/**
 * The wait before the next poll: the schedule's, at least `floorMs` (a Retry-After or an upstream
 * hint), spread by up to 10 % upwards so that jobs accepted together drift apart. Time that the
 * upstream held its answer back counts as waited, though not towards the floor.
 */
export function nextPollDelayMs(options: {
  readonly schedule: PollSchedule;
  readonly ageMs: number;
  readonly floorMs: number;
  readonly random: number;
  readonly longPolledMs?: number;
}): number {
  const waitMs = pollIntervalMs(options.schedule, options.ageMs) - (options.longPolledMs ?? 0);
  const base = Math.max(waitMs, options.floorMs);
  return clampMs(base * (1 + JITTER * options.random));
}

/** Over this long at most, what is overdue is spread, so that an upstream meets no burst. */
const CATCH_UP_MS_MAX = 2_000;
/** A job whose deadline is as near is asked about before others. */
const NEAR_DEADLINE_MS = 15_000;
const AHEAD_MS_MAX = 60_000;

/**
 * When to poll a job first that is taken over from a node which is gone, in milliseconds from now;
 * negative to go before others. While that node lived, its next poll was somewhere within its
 * interval. If that moment has passed since, it is overdue: all that are come within two seconds,
 * in the order in which they fell due. Jobs near their deadline come before all.
 */
export function takeOverDelayMs(job: {
  readonly intervalMs: number;
  readonly ageMs: number;
  readonly untilDeadlineMs: number;
  /** For how long no node has polled it; Infinity when that is not known. */
  readonly unservedMs: number;
  /** In [0, 1): where in its interval it was. */
  readonly random: number;
}): number {
  const { intervalMs, ageMs, untilDeadlineMs, unservedMs, random } = job;
  if (untilDeadlineMs <= Math.max(NEAR_DEADLINE_MS, intervalMs)) {
    return -Math.min(unservedMs, AHEAD_MS_MAX);
  }
  // Accepted since: it was never polled.
  if (ageMs <= unservedMs && ageMs < AHEAD_MS_MAX) return 0;
  const dueInMs = random * intervalMs - unservedMs;
  if (dueInMs > 0) return dueInMs;
  const overdueSpanMs = Math.min(intervalMs, unservedMs);
  const place = (random * intervalMs) / Math.max(1, overdueSpanMs);
  return place * Math.min(CATCH_UP_MS_MAX, intervalMs);
}

function clampMs(ms: number): number {
  return Math.min(POLL_INTERVAL_MS_MAX, Math.max(POLL_INTERVAL_MS_MIN, Math.ceil(ms)));
}
