/** The effect of a job's deadline. */
type DeadlineStep =
  | { readonly kind: "time_out" }
  /** It was last asked about too long ago: it is asked once more, and looked at again later. */
  | { readonly kind: "poll_now"; readonly lookAgainAtMs: number }
  /** A poll is in progress or waits for its turn; its answer may still be the ending. */
  | { readonly kind: "wait"; readonly lookAgainAtMs: number };

/** For reading and recording an answer, beyond the time that the request itself may take. */
const READING_MARGIN_MS = 30_000;

/**
 * Decides over a job whose deadline has passed. `timed_out` is only said after a poll that began
 * within the last request timeout before the deadline, or at it, so that a job that is asked about
 * seldom does not time out though it has ended. Bounded in any case: a turn is waited for as long
 * as a request may take, and a poll for twice as long and the reading of its answer.
 */
export function decideAtDeadline(facts: {
  readonly isPolling: boolean;
  readonly deadlineAtMs: number;
  /** When the poll fell due, or will. */
  readonly dueAtMs: number;
  /** When the last answered poll began. */
  readonly lastPolledAtMs: number | null;
  /** Whether the job is known to be complete and only its result is missing. */
  readonly wantsResult: boolean;
  /** False while its connection is paused or can't be used. */
  readonly canBeAsked: boolean;
  /** How long a request may take. */
  readonly requestTimeoutMs: number;
  readonly nowMs: number;
}): DeadlineStep {
  const { nowMs, requestTimeoutMs: timeoutMs, deadlineAtMs, dueAtMs } = facts;
  const dueSinceMs = Math.max(deadlineAtMs, dueAtMs);
  if (facts.isPolling) return waitUntil(dueSinceMs + 2 * timeoutMs + READING_MARGIN_MS, nowMs);
  const wasJustPolled = (facts.lastPolledAtMs ?? -Infinity) >= deadlineAtMs - timeoutMs;
  if (!facts.canBeAsked || (wasJustPolled && !facts.wantsResult)) return { kind: "time_out" };
  if (dueAtMs > nowMs) return { kind: "poll_now", lookAgainAtMs: nowMs + timeoutMs };
  return waitUntil(dueSinceMs + timeoutMs, nowMs);
}

function waitUntil(atMs: number, nowMs: number): DeadlineStep {
  return nowMs >= atMs ? { kind: "time_out" } : { kind: "wait", lookAgainAtMs: atMs };
}
