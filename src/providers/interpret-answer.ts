import type { Observation, RetryCause, UpstreamTimes } from "../core/observation.ts";
import { sliceRawJson } from "../core/raw-json.ts";
import type { RequestFailure } from "../core/request-failure.ts";
import { type HeaderValues, parseRetryAfter, parseWaitHeader } from "../core/retry-after.ts";
import type { RuleVerdict } from "./compile-rules.ts";
import { cleanLine, readErrorText } from "./error-text.ts";
import { firstPresent, type PointerTokens } from "./json-pointer.ts";
import type { Provider } from "./provider.ts";
import { type BodyReading, readBody } from "./read-body.ts";

/** A whole answer of an upstream; header names in lower case. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: HeaderValues;
  readonly body: Buffer;
}

/** What the meaning of an answer depends on besides the answer. */
export interface AnswerFacts {
  /** Whether any earlier answer proved that the upstream knows the job. */
  readonly seenBefore: boolean;
  /** Since the job was accepted. */
  readonly ageMs: number;
  readonly nowMs: number;
}

interface Answered {
  readonly provider: Provider;
  readonly answer: UpstreamAnswer;
  readonly facts: AnswerFacts;
  readonly body: BodyReading;
}

const REASON_CHARACTERS_MAX = 500;
const STATUS_CHARACTERS_MAX = 100;
const TIME_CHARACTERS_MAX = 64;
// Progress stays in memory as long as its job; what is larger than this is not progress.
const PROGRESS_CHARACTERS_MAX = 4096;

/**
 * What an upstream's answer to a poll means: the provider's first matching rule decides, and
 * without one HTTP's own meaning of the status. Never throws, whatever the answer holds.
 */
export function interpretAnswer(
  provider: Provider,
  answer: UpstreamAnswer,
  facts: AnswerFacts,
): Observation {
  const body = readBody(answer.body);
  const answered = { provider, answer, facts, body };
  const verdict = provider.answers.judge(answer.status, jsonOf(body));
  return verdict === null ? withoutRule(answered) : byVerdict(answered, verdict);
}

function byVerdict(answered: Answered, verdict: RuleVerdict): Observation {
  switch (verdict.observe) {
    case "running":
      return running(answered, verdict.phase, null);
    case "completed":
      return completed(answered);
    case "failed":
    case "canceled":
    case "expired":
      return ended(
        answered,
        verdict.observe,
        readError(answered) ?? SILENT_ENDING[verdict.observe],
      );
    case "not_found":
      return notFound(answered);
    case "rate_limited":
      return retry(answered, "rate_limited");
    case "credential_rejected":
      return { kind: "credential_rejected", reason: describe(answered) };
    case "retry":
      return retry(answered, "upstream_fault");
  }
}

const SILENT_ENDING = {
  failed: "The upstream reports that the job failed and gives no reason.",
  canceled: "The upstream reports that the job was canceled.",
  expired: "The upstream reports that the job has expired.",
} as const;

/** RFC 9110 on its own: what a status code means where the provider's rules say nothing. */
function withoutRule(answered: Answered): Observation {
  const { status } = answered.answer;
  if (status >= 200 && status <= 299) return unknownStatus(answered);
  if (status === 401 || status === 403)
    return byVerdict(answered, { observe: "credential_rejected" });
  if (status === 404) return byVerdict(answered, { observe: "not_found" });
  if (status === 410) return byVerdict(answered, { observe: "expired" });
  if (status === 429) return byVerdict(answered, { observe: "rate_limited" });
  if (status === 408 || (status >= 500 && status <= 599)) {
    return byVerdict(answered, { observe: "retry" });
  }
  return retry(answered, "unusable_answer");
}

/** An upstream may invent statuses at any time: the job runs on, and people get to see the word. */
function unknownStatus(answered: Answered): Observation {
  const { provider, body } = answered;
  if (body.kind === "unreadable") return unusable(answered, `the body can't be read: ${body.why}`);
  const status = readScalar(body.json, provider.answers.status, STATUS_CHARACTERS_MAX);
  if (status === null) return unusable(answered, "the body has no status where one is expected");
  return running(answered, "processing", status);
}

function running(
  answered: Answered,
  phase: "pending" | "processing",
  unknown: string | null,
): Observation {
  return {
    kind: "running",
    phase,
    progress: readProgress(answered),
    hintMs: readHintMs(answered),
    unknownStatus: unknown,
    times: readTimes(answered),
  };
}

function completed(answered: Answered): Observation {
  const { provider, body } = answered;
  if (body.kind === "unreadable") return unusable(answered, `the body can't be read: ${body.why}`);
  const found = firstPresent(body.json, provider.answers.result);
  const result = found === null ? null : sliceRawJson(body.text, found.tokens);
  return { kind: "completed", result: result ?? "null", times: readTimes(answered) };
}

function ended(
  answered: Answered,
  kind: "failed" | "canceled" | "expired",
  error: string,
): Observation {
  return { kind, error, times: readTimes(answered) };
}

/** 404 has two meanings: not visible yet, shortly after submission, and gone. */
function notFound(answered: Answered): Observation {
  const { provider, facts } = answered;
  if (!facts.seenBefore && facts.ageMs < provider.notFoundGraceMs) {
    return retry(answered, "not_visible_yet");
  }
  const what = facts.seenBefore
    ? "The upstream no longer knows the job"
    : `The upstream did not know the job ${provider.notFoundGraceMs / 1000} s after it was accepted`;
  return ended(answered, "expired", `${what}. ${describe(answered)}`);
}

function retry(answered: Answered, cause: RetryCause): Observation {
  const { provider, answer, facts } = answered;
  const resetHeaders = cause === "rate_limited" ? provider.answers.rateLimitResetHeaders : [];
  return {
    kind: "retry",
    cause,
    reason: describe(answered),
    retryAfterMs: parseRetryAfter(answer.headers, facts.nowMs, resetHeaders),
  };
}

function unusable(answered: Answered, why: string): Observation {
  const { answer, facts } = answered;
  return {
    kind: "retry",
    cause: "unusable_answer",
    reason: cleanLine(`${describeHttp(answer)}: ${why}.`, REASON_CHARACTERS_MAX),
    retryAfterMs: parseRetryAfter(answer.headers, facts.nowMs),
  };
}

/**
 * A poll that got no whole answer says nothing about its job. Answers over the size limits count
 * against the job alone; everything else against the upstream.
 */
export function interpretFailure(failure: RequestFailure): Observation {
  const isTooLarge = failure.code === "body_too_large" || failure.code === "headers_too_large";
  return {
    kind: "retry",
    cause: isTooLarge ? "unusable_answer" : "upstream_fault",
    reason: cleanLine(`${failure.message} (${failure.code})`, REASON_CHARACTERS_MAX),
    retryAfterMs: null,
  };
}

/** One line for a person: the HTTP status and what the body says went wrong. */
function describe(answered: Answered): string {
  const error = readError(answered);
  const http = describeHttp(answered.answer);
  return cleanLine(error === null ? http : `${http}: ${error}`, REASON_CHARACTERS_MAX);
}

function describeHttp(answer: UpstreamAnswer): string {
  const { "content-type": type, "content-encoding": encoding, location } = answer.headers;
  const notes = [
    typeof type === "string" && !type.includes("json") ? type : null,
    typeof encoding === "string" ? encoding : null,
    // Without its query, where signatures and keys travel.
    typeof location === "string" ? `redirect to ${location.split("?")[0]}, not followed` : null,
  ].filter((note) => note !== null);
  return `HTTP ${answer.status}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}

function jsonOf(body: BodyReading): unknown {
  return body.kind === "json" ? body.json : undefined;
}

function readError({ provider, body }: Answered): string | null {
  return body.kind === "json" ? readErrorText(body, provider.answers.error) : null;
}

function readProgress({ provider, body }: Answered): string | null {
  if (body.kind === "unreadable") return null;
  const found = firstPresent(body.json, provider.answers.progress);
  const progress = found === null ? null : sliceRawJson(body.text, found.tokens);
  if (progress === null || progress.length > PROGRESS_CHARACTERS_MAX) return null;
  // A slice of a string keeps the whole string alive; this copy outlives the answer.
  return Buffer.from(progress).toString();
}

/** The longest wait that the answer asks for in one way or another. */
function readHintMs({ provider, answer, facts }: Answered): number | null {
  let hintMs = parseRetryAfter(answer.headers, facts.nowMs);
  for (const { name, unit } of provider.answers.pollHintHeaders) {
    const askedMs = parseWaitHeader(answer.headers, name, unit);
    if (askedMs !== null) hintMs = Math.max(hintMs ?? 0, askedMs);
  }
  return hintMs;
}

function readTimes({ provider, body }: Answered): UpstreamTimes {
  const json = jsonOf(body);
  return {
    createdAt: readScalar(json, provider.answers.createdAt, TIME_CHARACTERS_MAX),
    updatedAt: readScalar(json, provider.answers.updatedAt, TIME_CHARACTERS_MAX),
  };
}

/** A string, number or boolean as one line of text, or null. */
function readScalar(
  json: unknown,
  pointers: readonly PointerTokens[],
  charactersMax: number,
): string | null {
  const value = firstPresent(json, pointers)?.value;
  if (typeof value === "string") return cleanLine(value, charactersMax) || null;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}
