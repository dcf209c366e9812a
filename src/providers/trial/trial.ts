import type { RetryCause, UpstreamTimes } from "../../core/job/observation.ts";
import { textOfResult } from "../../core/json/raw-result.ts";
import type { UpstreamResponse } from "../language/read-body.ts";
import { type AnswerExplanation, explainAnswer, explainResultAnswer } from "./explain.ts";
import type { AnswerFacts, Interpretation } from "../answer/interpret.ts";
import type { Provider, ProviderVersion } from "../compile/provider.ts";
import type { JobReference } from "../language/template.ts";
import type { SubmissionRequest } from "../submission/recognize.ts";

/** The request of a provider that a response belongs to. */
export type AnsweredRequestKind = "status" | "result";

/** How a response is read, step by step, and the consequence. */
export interface Trial extends Omit<AnswerExplanation, "observation"> {
  readonly request: AnsweredRequestKind;
  readonly observation: Interpretation;
  /** For a person: what Ringback does on such a response. */
  readonly consequence: string;
}

/**
 * Reads a response as a poll would, and explains how and with what consequence. Changes nothing,
 * never throws.
 */
export function tryAnswer(
  provider: Provider,
  request: AnsweredRequestKind,
  answer: UpstreamResponse,
  facts: Omit<AnswerFacts, "unchanged" | "remembered">,
): Trial {
  const explanation =
    request === "status"
      ? explainAnswer(provider, answer, facts)
      : explainResultAnswer(provider, answer, {
          nowMs: facts.nowMs,
          times: { createdAt: null, updatedAt: null },
        });
  return { request, ...explanation, consequence: consequenceOf(explanation.observation) };
}

/** True when the provider has a second request, for the result. */
export function hasResultRequest(provider: Provider): boolean {
  return provider.answers.result.kind === "request";
}

export function consequenceOf(observation: Interpretation): string {
  switch (observation.kind) {
    case "running":
      return observation.unknownStatus === null
        ? "The job goes on and is asked about again."
        : "No rule knows this status: the job goes on, and people get to see the word.";
    case "result_wanted":
      return "The job has completed; its result is asked for next, with the second request.";
    case "completed":
      return "The job ends: job.completed is delivered with the result.";
    case "failed":
    case "canceled":
    case "expired":
      return `The job ends: job.${observation.kind} is delivered with the error.`;
    case "absent":
      return consequenceOfAbsence(observation);
    case "retry":
      return CONSEQUENCE_OF_RETRY[observation.cause];
    case "credential_rejected":
      return (
        "The job is asked about again, later; the connection pauses once the refusal is confirmed, and " +
        "keeps its jobs until its credential is replaced or a probe is answered."
      );
  }
}

function consequenceOfAbsence({
  confirmedBy: { answers, overMs },
  ending: { status },
}: Extract<Interpretation, { kind: "absent" }>): string {
  return (
    `The job is asked about again. It ends, and job.${status} is delivered, once ${answers} ` +
    `answers in a row have said so over ${overMs / 1000} s.`
  );
}

const CONSEQUENCE_OF_RETRY: Readonly<Record<RetryCause, string>> = {
  not_visible_yet: "The job is not visible yet: it is asked about again.",
  not_sent: "Nothing could be sent, which says nothing of the job: it is asked about again, later.",
  upstream_fault: "An outage, which says nothing of the job: it is asked about again, later.",
  rate_limited: "The connection pauses for a while; then the job is asked about again.",
  unusable_answer: "The answer can't be used: the job is asked about again, later.",
  unreadable_answer:
    "The answer can't be read: the job is asked about again, later, and fails if that lasts.",
};

/** A response as received, as much of it as a person can read. */
export interface ShownAnswer {
  readonly status: number;
  readonly headers: UpstreamResponse["headers"];
  readonly body: string;
}

const BODY_CHARACTERS_MAX = 8192;
/** Headers of a session that the reader has no part in. */
const HIDDEN_HEADERS: readonly string[] = ["set-cookie", "authorization"];

export function shownAnswer({ status, headers, body }: UpstreamResponse): ShownAnswer {
  const shown = Object.entries(headers).filter(([name]) => !HIDDEN_HEADERS.includes(name));
  const text = body.subarray(0, BODY_CHARACTERS_MAX).toString("utf8").toWellFormed();
  return { status, headers: Object.fromEntries(shown), body: text };
}

/** The observation for display: long texts cut, times in seconds. */
export function shownObservation(of: Interpretation): Readonly<Record<string, unknown>> {
  switch (of.kind) {
    case "running":
      return {
        kind: of.kind,
        phase: of.phase,
        progress: cut(of.progress),
        unknown_status: of.unknownStatus,
        poll_hint_s: toSeconds(of.hintMs),
        ...shownTimes(of),
      };
    case "result_wanted":
      return {
        kind: of.kind,
        result_url: of.place.url,
        values: of.place.answer,
        ...shownTimes(of),
      };
    case "completed":
      return { kind: of.kind, result: cut(textOfResult(of.result)), ...shownTimes(of) };
    case "failed":
    case "canceled":
    case "expired":
      return { kind: of.kind, error: of.error, ...shownTimes(of) };
    case "absent":
      return {
        kind: of.kind,
        of: of.of,
        reason: of.reason,
        retry_after_s: toSeconds(of.retryAfterMs),
        gone_after: { answers: of.confirmedBy.answers, over_s: of.confirmedBy.overMs / 1000 },
        ...shownTimes(of),
      };
    case "retry":
      return {
        kind: of.kind,
        cause: of.cause,
        reason: of.reason,
        retry_after_s: toSeconds(of.retryAfterMs),
      };
    case "credential_rejected":
      return { kind: of.kind, reason: of.reason };
  }
}

const SHOWN_CHARACTERS_MAX = 1000;

function cut(text: string | null): string | null {
  return text === null ? null : text.slice(0, SHOWN_CHARACTERS_MAX).toWellFormed();
}

function toSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

function shownTimes({ times }: { readonly times: UpstreamTimes }) {
  return { created_at: times.createdAt, updated_at: times.updatedAt };
}

/** A trial on a real job of an upstream: a definition, which may not be stored. */
export interface LiveTrial {
  readonly known: Pick<ProviderVersion, "provider" | "source" | "version">;
  readonly job: JobReference;
  readonly ageMs: number;
  readonly seenBefore: boolean;
}

/** Never contains the credential. */
export type LiveTrialOutcome =
  /** No request was made, and why. */
  | { readonly kind: "not_asked"; readonly problem: string }
  | {
      readonly kind: "not_answered";
      readonly asked: Pick<SubmissionRequest, "method" | "url">;
      readonly reason: string;
      readonly consequence: string;
    }
  | {
      readonly kind: "answered";
      readonly asked: Pick<SubmissionRequest, "method" | "url">;
      readonly answer: ShownAnswer;
      readonly trial: Trial;
    };
