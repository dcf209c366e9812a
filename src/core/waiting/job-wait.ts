import type { LaneStatus } from "./lane-status.ts";
import type { Observation } from "../job/observation.ts";

/** Why a job that has not ended is not known to have ended. A closed list. */
export const JOB_WAITS = [
  // The upstream says that it is not over.
  "job_running",
  // Its first poll is still to come.
  "first_poll",
  // The upstream says that there is no such job; believed once it says so several times.
  "job_not_found",
  // Outages, timeouts and network errors of the upstream.
  "upstream_failing",
  // The upstream answers, in a way that the definition can't read.
  "answer_unusable",
  // The upstream refused the credential, which one answer alone does not prove to be wrong.
  "credential_rejected",
  // The connection is paused: by hand, or since its credential is wrong.
  "connection_paused",
  // The connection was deleted, its credential can't be decrypted, or its definition is not there.
  "connection_unusable",
  // The connection's rate is used up, as configured or as the upstream's refusals have taught.
  "rate_limit",
  // It is due and waits behind others of its connection or origin.
  "turn",
  // It has ended; its result is being downloaded or its ending stored.
  "recording",
] as const;
export type JobWait = (typeof JOB_WAITS)[number];

/** A cause for waiting. */
export interface Waiting<For> {
  readonly for: For;
  /** Epoch milliseconds: nothing happens by itself before; null when no time is known. */
  readonly notBeforeMs: number | null;
}

/** The state of a job's connection, as every node knows it. */
export interface ConnectionFacts {
  readonly state: "active" | "paused" | "unusable";
  /** When a paused one is probed next. */
  readonly probeAtMs: number | null;
}

interface JobFacts {
  readonly connection: ConnectionFacts;
  readonly pollCount: number;
  /** Null before the first poll. */
  readonly outcome: PollOutcome | null;
  readonly nextPollAtMs: number | null;
  /** Its ending is known and being recorded. */
  readonly isEnding: boolean;
  /** The connection's lane on the node that polls the job. */
  readonly lane: LaneStatus;
  readonly nowMs: number;
}

/** The cause that a live job waits for: the one that ends last. */
export function decideJobWait(facts: JobFacts): Waiting<JobWait> {
  const { connection, nextPollAtMs, lane, nowMs } = facts;
  if (facts.isEnding) return { for: "recording", notBeforeMs: null };
  if (connection.state === "unusable") return { for: "connection_unusable", notBeforeMs: null };
  if (connection.state === "paused") {
    return { for: "connection_paused", notBeforeMs: connection.probeAtMs };
  }
  const held = heldByLane(lane, nowMs);
  if (held !== null) return { ...held, notBeforeMs: latest(held.notBeforeMs, nextPollAtMs) };
  const isDue = nextPollAtMs !== null && nextPollAtMs <= nowMs;
  if (isDue && lane.hold === "rate") return { for: "rate_limit", notBeforeMs: nextPollAtMs };
  if (isDue && (lane.hold === "concurrency" || lane.hold === "origin")) {
    return { for: "turn", notBeforeMs: nextPollAtMs };
  }
  return { for: waitAfterPoll(facts.outcome, facts.pollCount), notBeforeMs: nextPollAtMs };
}

function heldByLane(
  { breaker, probeAtMs, pausedUntilMs }: LaneStatus,
  nowMs: number,
): Waiting<JobWait> | null {
  if (breaker !== "closed") return { for: "upstream_failing", notBeforeMs: probeAtMs };
  const isPaused = pausedUntilMs !== null && pausedUntilMs > nowMs;
  return isPaused ? { for: "rate_limit", notBeforeMs: pausedUntilMs } : null;
}

function waitAfterPoll(outcome: PollOutcome | null, pollCount: number): JobWait {
  switch (outcome) {
    case null:
      // A node that came to poll the job a moment ago knows only how often that was done before.
      return pollCount === 0 ? "first_poll" : "job_running";
    case "running":
    case "unknown_status":
      return "job_running";
    case "job_absent":
      return "job_not_found";
    case "upstream_fault":
      return "upstream_failing";
    // Nothing was sent: too many connections are open, or no name server answered.
    case "not_sent":
      return "turn";
    case "rate_limited":
      return "rate_limit";
    case "result_absent":
    case "unusable_answer":
    case "unreadable_answer":
      return "answer_unusable";
    case "credential_rejected":
      return "credential_rejected";
  }
}

function latest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}

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
