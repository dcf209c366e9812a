import { isPrintable } from "../../core/printable.ts";
import type { Observation, RetryCause, UpstreamTimes } from "../../core/job/observation.ts";
import {
  isUnsent,
  type RequestFailure,
  type RequestFailureCode,
} from "../../core/request-failure.ts";
import {
  type ResponseContext,
  describe,
  readEndingError,
  readHintMs,
  readLink,
  readNextUrl,
  readProgress,
  readRaw,
  readAskedWait,
  readWord,
  readTimes,
  readValue,
  REASON_CHARACTERS_MAX,
  refusedCredential,
  refusedRedirect,
  retry,
  tooManySteps,
  unreadable,
  unusable,
  withNote,
} from "./response.ts";
import type { AskedWait } from "../../core/job/retry-after.ts";
import type { ResultPlace } from "../request/build.ts";
import type { CompiledResult, HeaderOrPlace, Places } from "../compile/answers.ts";
import {
  foldCase,
  holdsAll,
  judge,
  type RuleVerdict,
  type RuleDecision,
} from "../compile/rules.ts";
import { cleanLine } from "./error-text.ts";
import {
  firstPresent,
  firstWithContent,
  hasContent,
  pointerText,
  type PointerTokens,
  valueAt,
} from "../language/json-pointer.ts";
import type { Provider } from "../compile/provider.ts";
import type { UpstreamResponse } from "../language/read-body.ts";
import type { Steps } from "../language/steps.ts";
import { isRedirect, REDIRECTS_FOLLOWED } from "./redirect.ts";
import { readStatusBody } from "./status-body.ts";

export type RunningObservation = Extract<Observation, { kind: "running" }>;

/** Facts besides the response that its interpretation depends on. */
export interface AnswerFacts {
  /** True when any earlier response proved that the upstream knows the job. */
  readonly seenBefore: boolean;
  /** Time since the job was accepted. */
  readonly ageMs: number;
  readonly nowMs: number;
  /** The meaning of the response whose ETag was sent, for a 304 that says it still holds. */
  readonly unchanged?: RunningObservation | null;
  /** Values that an earlier response left for the rules. */
  readonly remembered?: string | null;
  /** For responses about several jobs; null or left out for a sample of any job. */
  readonly jobId?: string | null;
}

/** The job has completed, and its result must be requested. */
export interface ResultWanted {
  readonly kind: "result_wanted";
  readonly place: ResultPlace;
  /** The result, as JSON, if the requested one is too large. */
  readonly fallback: string;
  readonly times: UpstreamTimes;
}

export type Interpretation = Observation | ResultWanted;

const STATUS_CHARACTERS_MAX = 100;

/**
 * Interprets an upstream's response to a poll: the provider's first matching rule decides, and
 * without one HTTP's own meaning of the status. Never throws, whatever the response contains.
 * @param trace receives the decisions about the rules
 */
export function interpretAnswer(
  provider: Provider,
  answer: UpstreamResponse,
  facts: AnswerFacts,
  steps?: Steps,
  trace?: RuleDecision[],
): Interpretation {
  const { nowMs, jobId = null } = facts;
  const read = readStatusBody(provider.answers, answer, jobId, steps);
  const { body } = read;
  const answered = { provider, answer, nowMs, body, errorAt: provider.answers.error };
  if (answer.status === 304 && facts.unchanged) {
    const { waitNote: _, ...unchanged } = facts.unchanged;
    return { ...unchanged, hintMs: readHintMs(answered) };
  }
  if (read.kind === "unusable") return unusable(answered, read.why);
  if (read.kind === "missing" && !body.steps.isExceeded) return missing(answered, facts);
  const verdict = judge(provider.answers.rules, answer, body, facts.remembered ?? null, trace);
  const interpretation = byVerdict(answered, facts, verdict ?? verdictOfHttp(answer.status));
  return body.steps.isExceeded ? tooManySteps(answered) : interpretation;
}

/** The meaning of a response that no rule matches: RFC 9110 alone. */
export type HttpVerdict =
  | { readonly observe: "unknown_status" | "unusable" | "gone" | "redirect" }
  | Exclude<RuleVerdict, { observe: "running" }>;

/** The meaning of a status code where the provider's rules don't match. */
export function verdictOfHttp(status: number): HttpVerdict {
  if (status >= 200 && status <= 299) return { observe: "unknown_status" };
  if (status === 401 || status === 403) return { observe: "credential_rejected" };
  if (status === 404) return { observe: "not_found" };
  if (status === 410) return { observe: "gone" };
  if (status === 429) return { observe: "rate_limited", waitMs: null };
  if (isRedirect(status)) return { observe: "redirect" };
  if (status === 408 || (status >= 500 && status <= 599)) return { observe: "retry" };
  return { observe: "unusable" };
}

function byVerdict(
  answered: ResponseContext,
  facts: AnswerFacts,
  verdict: RuleVerdict | HttpVerdict,
): Interpretation {
  switch (verdict.observe) {
    case "running":
      return running(
        answered,
        verdict,
        verdict.takesAnyWord === true ? unnamedWord(answered) : null,
      );
    case "completed":
      return completed(answered);
    case "failed":
    case "canceled":
    case "expired": {
      const error = readEndingError(answered, verdict) ?? SILENT_ENDING[verdict.observe];
      return { kind: verdict.observe, error, times: readTimes(answered) };
    }
    case "not_found":
      return notFound(answered, facts);
    case "gone":
      return absentJob(answered, "The upstream no longer knows the job");
    case "rate_limited":
      return retry(answered, "rate_limited", verdict.waitMs);
    case "credential_rejected":
      return refusedCredential(answered);
    case "retry":
      return retry(answered, "upstream_fault");
    case "unknown_status":
      return unknownStatus(answered);
    case "redirect":
      return refusedRedirect(answered.answer, REDIRECTS_FOLLOWED);
    case "unusable":
      return retry(answered, "unusable_answer");
  }
}

export const SILENT_ENDING = {
  failed: "The upstream reports that the job failed and gives no reason.",
  canceled: "The upstream reports that the job was canceled.",
  expired: "The upstream reports that the job has expired.",
} as const;

/**
 * An upstream may invent statuses at any time: the job keeps running, and the word is shown to
 * people.
 */
function unknownStatus(answered: ResponseContext): Observation {
  const { provider, body } = answered;
  if (body.kind === "unreadable") return unreadable(answered, "body", body);
  const status = readWord(body, provider.answers.status, STATUS_CHARACTERS_MAX);
  if (status === null) return unusable(answered, "the body has no status where one is expected");
  return running(answered, { phase: "processing" }, status);
}

/** The status word of a job that a rule for any word treats as running, if no rule names it. */
function unnamedWord({ provider: { answers }, body }: ResponseContext): string | null {
  if (answers.knownWords.size === 0 || body.kind === "unreadable") return null;
  const found = firstPresent(body.json, answers.status);
  if (found === null || answers.knownWords.has(foldCase(found.value))) return null;
  return readWord(body, answers.status, STATUS_CHARACTERS_MAX);
}

function running(
  answered: ResponseContext,
  { phase, remember }: Pick<Extract<RuleVerdict, { observe: "running" }>, "phase" | "remember">,
  unknown: string | null,
): Observation {
  const { provider, answer } = answered;
  if (answer.body.length > provider.runningBytesMax) {
    const why = `the job still runs, and the answer has ${answer.body.length} bytes, more than running_answer_bytes_max, ${provider.runningBytesMax}`;
    return unusable(answered, why);
  }
  const asked = readAskedWait(answered);
  const observation: RunningObservation = {
    kind: "running",
    phase,
    progress: readProgress(answered),
    hintMs: readHintMs(answered, asked),
    unknownStatus: unknown,
    times: readTimes(answered),
  };
  const nextUrl = readNextUrl(answered);
  const waitNote = doubtedWait(asked, provider);
  if (nextUrl === null && remember === undefined && waitNote === null) return observation;
  return {
    ...observation,
    ...(waitNote !== null && { waitNote }),
    ...(nextUrl !== null && { nextUrl }),
    ...(remember !== undefined && { remember }),
  };
}

/** How a running job's wait is written that was not taken so; merely odd spellings are no problem. */
function doubtedWait(asked: AskedWait | null, { answers }: Provider): string | null {
  const isDoubted = asked !== null && (asked.ms === null || asked.ms === answers.waitMsMax);
  return isDoubted ? asked.note : null;
}

function completed(answered: ResponseContext): Interpretation {
  const { result } = answered.provider.answers;
  if (result.kind === "in_answer") return withResult(answered, result.at);
  const { answer, body } = answered;
  const needsAnswer = result.urlAt !== null || result.values.length > 0 || result.onlyIf.length > 0;
  if (needsAnswer && body.kind === "unreadable" && answer.body.length > 0) {
    return unreadable(answered, "body", body);
  }
  const place = placeOfResult(answered, result);
  if (typeof place === "string") return unusable(answered, place);
  if (place === null) return withResult(answered, result.otherwise);
  const fallback = readRaw(body, result.otherwise) ?? "null";
  return { kind: "result_wanted", place, fallback, times: readTimes(answered) };
}

/**
 * Null when there is nothing to request, or the response lacks what the request needs. A text when
 * no request can be built from it: ending without the result would lose it.
 */
function placeOfResult(
  { answer: response, body }: Pick<ResponseContext, "answer" | "body">,
  { urlAt, onlyIf, values }: Extract<CompiledResult, { kind: "request" }>,
): ResultPlace | string | null {
  if (!holdsAll(onlyIf, body)) return null;
  const json = body.kind === "json" ? body.json : undefined;
  const url = urlAt === null ? null : firstUrl({ answer: response, body }, urlAt);
  if (urlAt !== null && url === null) {
    const places = urlAt.flatMap(({ tokens }) => (tokens === null ? [] : [tokens]));
    const found = firstWithContent(json, places, body.steps);
    return found === null ? null : notUsable(found.tokens);
  }
  const answer: Record<string, string> = {};
  for (const { pointer, tokens } of values) {
    const value = readValue(body, tokens);
    if (value === null) {
      return hasContent(valueAt(json, tokens), body.steps) ? notUsable(tokens) : null;
    }
    answer[pointer] = value;
  }
  return { url, answer };
}

function notUsable(tokens: PointerTokens): string {
  return `the result can't be asked for: ${pointerText(tokens)} is no text or number, or too long`;
}

/** The first that is a text and can be used. */
function firstUrl(
  { answer, body }: Pick<ResponseContext, "answer" | "body">,
  places: readonly HeaderOrPlace[],
): string | null {
  const json = body.kind === "json" ? body.json : undefined;
  for (const { header, tokens } of places) {
    const isText = tokens !== null && typeof valueAt(json, tokens) === "string";
    const url =
      header !== null ? readLink(answer, header) : isText ? readValue(body, tokens) : null;
    if (url !== null && isPrintable(url)) return url;
  }
  return null;
}

function withResult(answered: ResponseContext, at: Places): Observation {
  const { answer, body } = answered;
  // A rule that needs no body can match a response without one, such as a 204.
  if (body.kind === "unreadable" && answer.body.length > 0)
    return unreadable(answered, "body", body);
  return { kind: "completed", result: readRaw(body, at) ?? "null", times: readTimes(answered) };
}

/** The response is about other jobs only. */
function missing(answered: ResponseContext, facts: AnswerFacts): Interpretation {
  return answered.provider.answers.jobAt?.missing === "running"
    ? running(answered, { phase: "pending" }, null)
    : notFound(answered, facts);
}

/** 404 has two meanings: not visible yet, shortly after submission, and gone. */
function notFound(answered: ResponseContext, facts: AnswerFacts): Observation {
  const { notFoundGraceMs } = answered.provider;
  if (!facts.seenBefore && facts.ageMs < notFoundGraceMs) return retry(answered, "not_visible_yet");
  const what = facts.seenBefore
    ? "The upstream no longer knows the job"
    : `The upstream did not know the job ${notFoundGraceMs / 1000} s after it was accepted`;
  return absentJob(answered, what);
}

function absentJob(answered: ResponseContext, what: string): Observation {
  const reason = describe(answered);
  const asked = readAskedWait(answered);
  return {
    kind: "absent",
    of: "job",
    reason: withNote(reason, asked),
    confirmedBy: answered.provider.goneAfter,
    retryAfterMs: asked?.ms ?? null,
    ending: { status: "expired", error: `${what}. ${reason}` },
    times: readTimes(answered),
  };
}

function causeOfFailure(code: RequestFailureCode): RetryCause {
  if (isUnsent(code)) return "not_sent";
  const isTooLarge = code === "body_too_large" || code === "headers_too_large";
  return isTooLarge ? "unreadable_answer" : "upstream_fault";
}

/**
 * A poll that got no complete response says nothing about its job. Responses over the size limits
 * count against the job alone; all other failures against the upstream.
 */
export function interpretFailure(failure: RequestFailure): Observation {
  return {
    kind: "retry",
    cause: causeOfFailure(failure.code),
    reason: cleanLine(`${failure.message} (${failure.code})`, REASON_CHARACTERS_MAX),
    retryAfterMs: null,
  };
}
