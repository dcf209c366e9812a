/**
 * The slowest rate of requests that can be asked for: one in 100 s. A slower one is a mistake, since
 * its jobs would time out before they were polled twice.
 */
export const REQUESTS_PER_SECOND_MIN = 0.01;

/** The operator's ceilings for one connection, whatever its definition and settings ask for. */
export interface PollCeilings {
  /** The shortest wait between two polls of a job. */
  readonly intervalMsMin: number;
  /** For one exchange, the time in which the upstream holds its answer back included. */
  readonly timeoutMsMax: number;
  readonly concurrencyMax: number;
  /** null for no ceiling. */
  readonly requestsPerSecondMax: number | null;
  /** The largest answer that is read. */
  readonly answerBytesMax: number;
}
