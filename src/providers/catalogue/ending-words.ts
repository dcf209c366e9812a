/*
 * The spellings of the words for an ending. Upstreams change them between versions, and their
 * documentation is not always that of the version that answers.
 */

interface Words {
  in: string[];
  ignore_case: true;
}

export const COMPLETED = words([
  "completed",
  "complete",
  "succeeded",
  "success",
  "successful",
  "done",
  "finished",
]);

/** With those of a job that ran out of its time. */
export const FAILED = words([
  "failed",
  "failure",
  "error",
  "errored",
  "timed_out",
  "timed-out",
  "timed out",
  "timedout",
  "timeout",
  "timeout_exceeded",
]);

export const CANCELED = words(["canceled", "cancelled"]);

/** Of upstreams that say so of jobs that were ended from outside. */
export const CANCELED_OR_ABORTED = words([
  ...CANCELED.in,
  "aborted",
  "stopped",
  "terminated",
  "killed",
]);

/** These and further words of one upstream. */
export function withWords({ in: known }: Words, more: readonly string[]): Words {
  return words([...known, ...more]);
}

function words(all: string[]): Words {
  return { in: all, ignore_case: true };
}
