/** A poll that is due sooner keeps its own time: a second more would be felt. */
const WAIT_MS_MIN = 60_000;
/** Divisors of a second, at whose beginnings the periodic work of a process is done too. */
const MOMENTS_MS = [1_000, 500, 250, 125] as const;
/** Larger bursts would hold up other work of the process. */
const POLLS_AT_A_MOMENT_MAX = 32;

/**
 * When a poll that is due much later should be sent: at a moment that it shares with others, at most
 * a second after it is due. Waking a process that rests takes many times as long as a poll. Times are
 * the monotonic clock's.
 * @param options.intervalMs how often the job is polled
 * @param options.watchedJobs how many jobs may be polled as often
 */
export function pollMoment(options: {
  readonly dueAtMs: number;
  readonly nowMs: number;
  readonly intervalMs: number;
  readonly watchedJobs: number;
}): number {
  const { dueAtMs, nowMs, intervalMs, watchedJobs } = options;
  if (dueAtMs - nowMs < WAIT_MS_MIN || dueAtMs === Infinity) return dueAtMs;
  const pollsPerMs = watchedJobs / intervalMs;
  const momentMs = MOMENTS_MS.find((ms) => ms * pollsPerMs <= POLLS_AT_A_MOMENT_MAX);
  return momentMs === undefined ? dueAtMs : Math.ceil(dueAtMs / momentMs) * momentMs;
}
