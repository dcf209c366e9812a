import type { Observation, UpstreamTimes } from "../../core/job/observation.ts";
import type { RequestFailure } from "../../core/request-failure.ts";
import {
  type ResponseContext,
  describe,
  readEndingError,
  readHintMs,
  readRaw,
  readAskedWait,
  REASON_CHARACTERS_MAX,
  refusedCredential,
  refusedRedirect,
  retry,
  tooManySteps,
  unreadable,
  withNote,
} from "./response.ts";
import type { ResultAnswers } from "../compile/answers.ts";
import { judge, type RuleVerdict, type RuleDecision } from "../compile/rules.ts";
import { cleanLine } from "./error-text.ts";
import { type HttpVerdict, interpretFailure, SILENT_ENDING, verdictOfHttp } from "./interpret.ts";
import { REDIRECTS_FOLLOWED } from "./redirect.ts";
import type { Provider } from "../compile/provider.ts";
import { readBody, readText, type UpstreamResponse } from "../language/read-body.ts";
import type { Steps } from "../language/steps.ts";

/** Facts besides the response that its interpretation depends on. */
export interface ResultFacts {
  readonly nowMs: number;
  /** The job's times, from the status response. */
  readonly times: UpstreamTimes;
  /**
   * The result to use if there is none here, as JSON from the status response; null unless given.
   */
  readonly fallback?: string;
}

/**
 * Interprets the response to the request for a result, by the definition's rules for it and
 * otherwise by HTTP. The job stays live until the result is here or is definitely gone: failures on
 * the way are retried, from the status request on. Never throws.
 * @param trace receives the decisions about the rules
 */
export function interpretResult(
  provider: Provider,
  answer: UpstreamResponse,
  facts: ResultFacts,
  steps?: Steps,
  trace?: RuleDecision[],
): Observation {
  const { result } = provider.answers;
  if (result.kind !== "request") throw new Error(`${provider.name} has no result request`);
  const body = readBody(answer, steps);
  const errorAt = result.answers.error;
  const answered = { provider, answer, nowMs: facts.nowMs, body, errorAt };
  const ruled = judge(result.answers.rules, answer, body, null, trace);
  if (ruled === null && result.answers.otherwiseOn.includes(answer.status)) {
    return body.steps.isExceeded
      ? afterCompletion(tooManySteps(answered))
      : fallbackResult(answered, facts, result.answers);
  }
  const verdict = ruled ?? resultVerdictOfHttp(provider, answer.status);
  const observation = byVerdict(answered, facts, verdict, result.answers);
  return afterCompletion(body.steps.isExceeded ? tooManySteps(answered) : observation);
}

/**
 * Interprets a request for a result that got no complete response. A result that is too large would
 * be so each time: the job ends with the content of its status response, where the receiver finds
 * it.
 */
export function interpretResultFailure(
  failure: RequestFailure,
  facts: Pick<ResultFacts, "fallback" | "times">,
): Observation {
  return failure.code === "body_too_large"
    ? withoutResult(facts)
    : afterCompletion(interpretFailure(failure));
}

function withoutResult({ fallback, times }: Pick<ResultFacts, "fallback" | "times">) {
  return { kind: "completed", result: fallback ?? "null", times } as const;
}

/** The result can't be requested: its URL leads where the credential may not go. */
export function refusedResult(problem: string): Observation {
  return afterCompletion({
    kind: "retry",
    cause: "unusable_answer",
    reason: problem,
    retryAfterMs: null,
  });
}

/** The meaning of a status code here where the rules don't match. */
function resultVerdictOfHttp(provider: Provider, status: number): RuleVerdict | HttpVerdict {
  // Accepted, not done: the result is not ready.
  if (status === 202) return { observe: "running", phase: "processing" };
  const verdict = verdictOfHttp(status);
  if (verdict.observe === "unknown_status") return { observe: "completed" };
  // A link that carries its own credential says nothing about the connection's.
  const isOwnCredential = provider.requests.result?.sendsCredential === true;
  if (verdict.observe === "credential_rejected" && !isOwnCredential) return { observe: "unusable" };
  return verdict;
}

function byVerdict(
  answered: ResponseContext,
  facts: ResultFacts,
  verdict: RuleVerdict | HttpVerdict,
  answers: ResultAnswers,
): Observation {
  const { times } = facts;
  switch (verdict.observe) {
    case "running":
      return {
        kind: "running",
        phase: verdict.phase,
        progress: null,
        hintMs: readHintMs(answered),
        unknownStatus: null,
        times,
      };
    case "completed":
    case "unknown_status":
      return completed(answered, answers, facts);
    case "failed":
    case "canceled":
      return {
        kind: verdict.observe,
        error: readEndingError(answered, verdict) ?? SILENT_ENDING[verdict.observe],
        times,
      };
    case "expired":
      return { kind: "expired", error: goneError(answered), times };
    case "gone":
    case "not_found":
      return absent(answered, facts, answers, {
        status: "expired",
        error: goneError(answered),
      });
    case "rate_limited":
      return retry(answered, "rate_limited", verdict.waitMs);
    case "credential_rejected":
      return refusedCredential(answered);
    case "retry":
      return retry(answered, "upstream_fault");
    case "redirect":
      return refusedRedirect(answered.answer, REDIRECTS_FOLLOWED);
    case "unusable":
      return retry(answered, "unusable_answer");
  }
}

function completed(answered: ResponseContext, { format, at }: ResultAnswers, facts: ResultFacts) {
  const { answer, body } = answered;
  const { times } = facts;
  if (format === "text") {
    const reading = readText(answer);
    if (reading.kind === "unreadable") return unreadable(answered, "result", reading);
    return { kind: "completed", result: JSON.stringify(reading.text), times } as const;
  }
  if (body.kind === "unreadable") {
    // As for one that is too large.
    if (body.isOverLimit) return withoutResult(facts);
    return unreadable(answered, "result", body);
  }
  return { kind: "completed", result: readRaw(body, at) ?? "null", times } as const;
}

/** The definition says that this status means that there is no such result. */
function fallbackResult(
  answered: ResponseContext,
  facts: ResultFacts,
  answers: ResultAnswers,
): Observation {
  const result = facts.fallback ?? "null";
  const { status } = answered.answer;
  // The result may not be there yet, or a proxy has answered in its place.
  return status === 404 || status === 410 || !isOfApi(answered)
    ? afterCompletion(absent(answered, facts, answers, { status: "completed", result }))
    : { kind: "completed", result, times: facts.times };
}

/** APIs and storages answer in JSON and XML, proxies with a page. */
function isOfApi({ answer, body }: ResponseContext): boolean {
  const type = answer.headers["content-type"];
  return body.kind === "json" || (typeof type === "string" && /json|\bxml/i.test(type));
}

function absent(
  answered: ResponseContext,
  { times }: ResultFacts,
  { goneAfter: confirmedBy }: ResultAnswers,
  ending: AbsentObservation["ending"],
): Observation {
  const asked = readAskedWait(answered);
  return {
    kind: "absent",
    of: "result",
    reason: withNote(describe(answered), asked),
    confirmedBy,
    retryAfterMs: asked?.ms ?? null,
    ending,
    times,
  };
}

type AbsentObservation = Extract<Observation, { kind: "absent" }>;

function goneError(answered: ResponseContext): string {
  return `The job completed, but its result is gone. ${describe(answered)}`;
}

/** Adds to a failure that the job itself is done. */
function afterCompletion(observation: Observation): Observation {
  if (observation.kind !== "retry" && observation.kind !== "absent") return observation;
  const reason = `The job has completed, but its result could not be fetched: ${observation.reason}`;
  return { ...observation, reason: cleanLine(reason, REASON_CHARACTERS_MAX) };
}
