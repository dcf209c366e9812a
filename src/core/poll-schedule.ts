/**
 * How long to wait between polls, as a pure function of the job's age: nothing about it is
 * stored, and a restart resumes it. All times in milliseconds.
 */
export type PollSchedule =
  /** `initialMs`, each wait `factor` times the last, at most `capMs`. What Pulse recommends. */
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
  readonly lingeredMs?: number;
}): number {
  const waitMs = pollIntervalMs(options.schedule, options.ageMs) - (options.lingeredMs ?? 0);
  const base = Math.max(waitMs, options.floorMs);
  return clampMs(base * (1 + JITTER * options.random));
}

function clampMs(ms: number): number {
  return Math.min(POLL_INTERVAL_MS_MAX, Math.max(POLL_INTERVAL_MS_MIN, Math.ceil(ms)));
}
