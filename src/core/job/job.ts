import { quoteVisibly } from "../printable.ts";
import {
  type Absence,
  afterAbsence,
  confirmationWaitMs,
  describeAbsence,
  isConfirmed,
} from "./absence.ts";
import type { EndingStatus } from "../delivery/event.ts";
import type { Observation, RetryCause, UpstreamTimes } from "./observation.ts";
import { nextPollDelayMs, pollIntervalMs, type PollSchedule } from "./poll-schedule.ts";
import type { RawResult } from "../json/raw-result.ts";
import type { Reach } from "../request-failure.ts";
import {
  isUnreadableForGood,
  oneMoreUnreadable,
  unreadableError,
  unreadableSoFar,
  type UnreadableStreak,
} from "./unreadable-answers.ts";

/** The facts that decide a watched job's next step. Times in epoch milliseconds. */
export interface WatchFacts {
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number;
  readonly phase: "pending" | "processing";
  readonly progress: string | null;
  /** Polls in a row that gave no information. */
  readonly failuresInRow: number;
  /** Answers in a row that said that the job or its result is not there. */
  readonly absence: Absence | null;
  readonly unreadable?: UnreadableStreak | null;
}

/** A job's ending, ready to be recorded. */
export interface Ending {
  readonly status: EndingStatus;
  readonly error: string | null;
  /** Only of a completed job. */
  readonly result: RawResult | null;
  readonly times: UpstreamTimes;
}

/** The effect of a poll on its job. */
export type JobStep =
  | {
      readonly kind: "keep_watching";
      readonly dueAtMs: number;
      readonly phase: "pending" | "processing";
      readonly progress: string | null;
      readonly failuresInRow: number;
      readonly absence: Absence | null;
      readonly unreadable: UnreadableStreak | null;
      /** Whether this answer proves that the upstream knows the job. */
      readonly sawJob: boolean;
      readonly lastError: string | null;
    }
  | { readonly kind: "end"; readonly ending: Ending };

/** The evidence that a poll or an attempt gives about its lane. */
export type LaneVerdict = (
  | { readonly kind: "healthy" }
  | { readonly kind: "faulty" }
  /** The request never reached the other end. */
  | { readonly kind: "inconclusive" }
  /** Nothing can be sent just now, for this side's reasons: one item goes ahead after a pause. */
  | { readonly kind: "unsent" }
  | { readonly kind: "rate_limited"; readonly retryAfterMs: number | null }
) & {
  /** Whether it reached the lane's origin, where the kind does not say. */
  readonly reach?: Reach;
};

/** Whether the origin of the lane was reached. */
export function reachOf({ kind, reach }: LaneVerdict): Reach {
  if (reach !== undefined) return reach;
  return kind === "healthy" || kind === "rate_limited" ? "answered" : "unknown";
}

/** The upstream has answered, whatever the answer says about the job. */
export const HEALTHY: LaneVerdict = { kind: "healthy" };

/** Nothing was asked, or the answer was not awaited. */
export const INCONCLUSIVE: LaneVerdict = { kind: "inconclusive" };

const NO_TIMES: UpstreamTimes = { createdAt: null, updatedAt: null };
const BACKOFF_MS_INITIAL = 1000;
const BACKOFF_MS_MAX = 60_000;

/**
 * Advances a job by one observation. Endings are final: they are recorded by compare-and-set, so any
 * sequence of observations leads to at most one ending.
 */
export function decideAfterPoll(input: PollInput): JobStep {
  const step = decide(input);
  // This was the poll that the deadline waited for.
  return step.kind === "keep_watching" && input.nowMs >= input.facts.deadlineAtMs
    ? { kind: "end", ending: timedOut(input.facts, step.lastError) }
    : step;
}

interface PollInput {
  readonly facts: WatchFacts;
  readonly observation: Observation;
  readonly schedule: PollSchedule;
  readonly nowMs: number;
  readonly random: number;
  /** How much of the schedule's wait has passed while the upstream held its answer back. */
  readonly longPolledMs?: number;
  /** No wait is shorter, whatever has passed. */
  readonly minIntervalMs?: number;
}

function decide(input: PollInput): JobStep {
  const { facts, observation } = input;
  switch (observation.kind) {
    case "completed":
      return end("completed", null, observation.result, observation.times);
    case "failed":
    case "canceled":
    case "expired":
      return end(observation.kind, observation.error, null, observation.times);
    // Whether the connection pauses is not decided by one job.
    case "credential_rejected": {
      const failuresInRow = facts.failuresInRow + 1;
      return {
        kind: "keep_watching",
        dueAtMs: dueAtMs(input, failureBackoffMs(failuresInRow)),
        phase: facts.phase,
        progress: facts.progress,
        failuresInRow,
        absence: facts.absence,
        unreadable: facts.unreadable ?? null,
        sawJob: false,
        lastError: observation.reason,
      };
    }
    case "running":
      return {
        kind: "keep_watching",
        dueAtMs: dueAtMs(input, observation.hintMs ?? 0),
        // A job never goes back to pending: upstreams that re-queue would announce it twice.
        phase: facts.phase === "processing" ? "processing" : observation.phase,
        progress: observation.progress ?? facts.progress,
        failuresInRow: 0,
        absence: null,
        unreadable: null,
        sawJob: true,
        lastError: warningOf(observation),
      };
    case "absent":
      return absent(input, observation);
    case "retry":
      return observation.cause === "unreadable_answer"
        ? afterUnreadable(input, observation)
        : keepPolling(input, observation, facts.unreadable ?? null);
  }
}

type Retry = Extract<Observation, { kind: "retry" }>;

/** The meaning is unknown, and further polls would not reveal it. */
function afterUnreadable(input: PollInput, observation: Retry): JobStep {
  const { facts, nowMs } = input;
  const { reason } = observation;
  const streak = oneMoreUnreadable(facts.unreadable, nowMs);
  return isUnreadableForGood(streak, nowMs)
    ? end("failed", unreadableError(reason, streak, nowMs), null, NO_TIMES)
    : keepPolling(input, { ...observation, reason: unreadableSoFar(reason, streak) }, streak);
}

function keepPolling(
  input: PollInput,
  { cause, reason, retryAfterMs }: Retry,
  unreadable: UnreadableStreak | null,
): JobStep {
  const { phase, progress, failuresInRow: before, absence } = input.facts;
  const counts = cause !== "not_visible_yet" && cause !== "rate_limited";
  const failuresInRow = counts ? before + 1 : before;
  const backoffMs = counts ? failureBackoffMs(failuresInRow) : 0;
  return {
    kind: "keep_watching",
    dueAtMs: dueAtMs(input, Math.max(backoffMs, retryAfterMs ?? 0)),
    phase,
    progress,
    failuresInRow,
    absence: absenceAfter(cause, absence, input.nowMs),
    unreadable,
    sawJob: false,
    lastError: reason,
  };
}

/** An upstream that also answers with errors is not well, so what it says is missing may be there. */
function absenceAfter(cause: RetryCause, before: Absence | null, nowMs: number): Absence | null {
  switch (cause) {
    case "not_visible_yet":
      return afterAbsence(before, "job", nowMs);
    case "upstream_fault":
    case "unusable_answer":
    case "unreadable_answer":
      return null;
    case "rate_limited":
    case "not_sent":
      return before;
  }
}

function absent(input: PollInput, observation: Extract<Observation, { kind: "absent" }>): JobStep {
  const { facts, schedule, nowMs } = input;
  const { confirmedBy, ending, times } = observation;
  const absence = afterAbsence(facts.absence, observation.of, nowMs);
  if (isConfirmed(absence, confirmedBy, nowMs)) {
    return ending.status === "completed"
      ? end("completed", null, ending.result, times)
      : end("expired", ending.error, null, times);
  }
  const scheduledMs = pollIntervalMs(schedule, nowMs - facts.acceptedAtMs);
  const intervalMs = confirmationWaitMs(absence, confirmedBy, scheduledMs, nowMs);
  return {
    kind: "keep_watching",
    dueAtMs: dueAtMs(
      { ...input, schedule: { kind: "fixed", intervalMs } },
      observation.retryAfterMs ?? 0,
    ),
    phase: facts.phase,
    progress: facts.progress,
    failuresInRow: facts.failuresInRow,
    absence,
    unreadable: facts.unreadable ?? null,
    sawJob: observation.of === "result",
    lastError: describeAbsence(observation.reason, absence, confirmedBy),
  };
}

export function laneVerdict(observation: Observation): LaneVerdict {
  if (observation.kind !== "retry") return HEALTHY;
  switch (observation.cause) {
    case "rate_limited":
      return { kind: "rate_limited", retryAfterMs: observation.retryAfterMs };
    case "upstream_fault":
      return { kind: "faulty" };
    case "not_sent":
      return INCONCLUSIVE;
    case "not_visible_yet":
    case "unusable_answer":
    case "unreadable_answer":
      return HEALTHY;
  }
}

/** The ending of a job whose deadline has passed, whatever the upstream may still say. */
export function timedOut(
  facts: Pick<WatchFacts, "acceptedAtMs" | "deadlineAtMs">,
  lastError: string | null,
): Ending {
  const waitedS = Math.round((facts.deadlineAtMs - facts.acceptedAtMs) / 1000);
  const cause = lastError === null ? "" : ` Last problem: ${lastError}`;
  return {
    status: "timed_out",
    error: `The job did not end within ${waitedS} s.${cause}`,
    result: null,
    times: NO_TIMES,
  };
}

function end(
  status: EndingStatus,
  error: string | null,
  result: RawResult | null,
  times: UpstreamTimes,
): JobStep {
  return { kind: "end", ending: { status, error, result, times } };
}

function dueAtMs(input: PollInput, askedMs: number): number {
  const { schedule, nowMs, random, longPolledMs = 0, minIntervalMs = 0 } = input;
  const ageMs = nowMs - input.facts.acceptedAtMs;
  // No wait outlasts the job: an upstream that asks for more is asked once more at its deadline.
  const remainingMs = Math.max(0, input.facts.deadlineAtMs - nowMs);
  const floorMs = Math.max(Math.min(askedMs, remainingMs), minIntervalMs);
  return nowMs + nextPollDelayMs({ schedule, ageMs, floorMs, random, longPolledMs });
}

function failureBackoffMs(failuresInRow: number): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_INITIAL * 2 ** Math.min(failuresInRow - 1, 16));
}

type Running = Extract<Observation, { kind: "running" }>;

/** One line for a person about an answer that could be read, but not as its sender meant it. */
function warningOf({ unknownStatus, waitNote }: Running): string | null {
  if (unknownStatus === null) {
    return waitNote === undefined ? null : `The upstream asks to be left alone (${waitNote}).`;
  }
  // Two statuses that look alike may differ by a character without a width.
  return `The upstream answered with the unknown status ${quoteVisibly(unknownStatus)}; taken as still running.`;
}
