import type { ProviderDefinitionSource } from "../definition/definition.ts";

/*
 * The spellings of the words for an ending. Upstreams change them between versions, and their
 * documentation does not always match the version that responds.
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

/** Includes those for a job that exceeded its time. */
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

/** For upstreams that use it for jobs that were ended from outside. */
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

/** For results that may be any text: a proxy's page is none, though it has 200. */
export const NO_PAGE: ProviderDefinitionSource["rules"][number] = {
  http_status: { gte: 200, lte: 299 },
  headers: [{ name: "content-type", contains: "text/html" }],
  observe: "retry",
};
