import type { Observation } from "../job/observation.ts";

/** The result of a job's latest poll, in one word. A closed list; stored by its name. */
export const POLL_OUTCOMES = [
  "running",
  "unknown_status",
  "job_absent",
  "result_absent",
  "upstream_fault",
  "not_sent",
  "rate_limited",
  "unusable_answer",
  "unreadable_answer",
  "credential_rejected",
] as const;
export type PollOutcome = (typeof POLL_OUTCOMES)[number];

/** Null for an observation that ends the job. */
export function pollOutcomeOf(observation: Observation): PollOutcome | null {
  switch (observation.kind) {
    case "running":
      return observation.unknownStatus === null ? "running" : "unknown_status";
    case "absent":
      return observation.of === "job" ? "job_absent" : "result_absent";
    case "retry":
      return observation.cause === "not_visible_yet" ? "job_absent" : observation.cause;
    case "credential_rejected":
      return "credential_rejected";
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
      return null;
  }
}
