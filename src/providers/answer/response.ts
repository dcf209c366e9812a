import { isPrintable } from "../../core/printable.ts";
import type { Observation, RetryCause, UpstreamTimes } from "../../core/job/observation.ts";
import { sliceRawJson, compactJson } from "../../core/json/raw-json.ts";
import {
  type AskedWait,
  parseWait,
  parseWaitHeader,
  readRetryAfter,
} from "../../core/job/retry-after.ts";
import type { PollHint } from "../compile/answers.ts";
import type { EndingVerdict } from "../compile/rules.ts";
import { cleanLine, readErrorText } from "./error-text.ts";
import {
  firstPresent,
  pointerText,
  type PointerTokens,
  valueAt,
} from "../language/json-pointer.ts";
import type { Provider } from "../compile/provider.ts";
import type { BodyReading, Unreadable, UpstreamResponse } from "../language/read-body.ts";

/* Reads single facts from a response of an upstream, whatever it means. */

/** A response that is being interpreted. */
export interface ResponseContext {
  readonly provider: Provider;
  readonly answer: UpstreamResponse;
  readonly nowMs: number;
  readonly body: BodyReading;
  /** Where this response reports errors. */
  readonly errorAt: readonly PointerTokens[];
}

export const REASON_CHARACTERS_MAX = 500;
const TIME_CHARACTERS_MAX = 64;
// Progress stays in memory as long as its job; larger values are not progress.
const PROGRESS_CHARACTERS_MAX = 4096;
// Limit for ids and URLs that requests are built from.
const VALUE_CHARACTERS_MAX = 8192;

/** A response that says nothing about the job. */
export function retry(
  answered: ResponseContext,
  cause: RetryCause,
  /** The wait when the response does not name one. */
  unaskedWaitMs: number | null = null,
): Observation {
  const { provider, answer, nowMs } = answered;
  const asked = readRetryAfter(answer.headers, nowMs, {
    resetHeaders: cause === "rate_limited" ? provider.answers.rateLimitResetHeaders : null,
    maxMs: provider.answers.waitMsMax,
  });
  return {
    kind: "retry",
    cause,
    reason: withNote(describe(answered), asked),
    retryAfterMs: asked?.ms ?? unaskedWaitMs,
  };
}

const NOTE_CHARACTERS_MAX = 150;

/** Adds how a wait is written that can't be taken at its word. */
export function withNote(reason: string, asked: AskedWait | null): string {
  const note = asked?.note ?? null;
  if (note === null) return reason;
  return `${cleanLine(reason, REASON_CHARACTERS_MAX - NOTE_CHARACTERS_MAX)} (${note})`;
}

/** True when a response names a rate limit; some send it as 403 without any header that says so. */
const SAYS_RATE_LIMIT = /rate.?limit|too many requests|throttl/i;

/** How many requests a limit still allows. */
const REMAINING_HEADERS = ["x-ratelimit-remaining", "ratelimit-remaining"];

/** How long such an upstream is not polled. */
const RATE_LIMIT_WAIT_MS = 60_000;

/** The credential was refused, or appears to be. */
export function refusedCredential(answered: ResponseContext): Observation {
  const { status } = answered.answer;
  const reason = describe(answered);
  if (SAYS_RATE_LIMIT.test(reason) || (status === 403 && asksToWait(answered))) {
    return retry(answered, "rate_limited", RATE_LIMIT_WAIT_MS);
  }
  const isPlain = answered.body.kind === "json" && status !== 403;
  return { kind: "credential_rejected", reason, isPlain };
}

/** A key that may not do something is not told to do it later. */
function asksToWait(answered: ResponseContext): boolean {
  const { headers } = answered.answer;
  const isUsedUp = REMAINING_HEADERS.some((name) => headers[name] === "0");
  return isUsedUp || readAskedWait(answered) !== null;
}

/** How long the response asks to wait, or null. */
export function readAskedWait({ provider, answer, nowMs }: ResponseContext): AskedWait | null {
  return readRetryAfter(answer.headers, nowMs, { maxMs: provider.answers.waitMsMax });
}

/** A response that can't be what the upstream meant to send. */
export function unusable(answered: ResponseContext, why: string): Observation {
  const asked = readAskedWait(answered);
  const reason = cleanLine(`${describeHttp(answered.answer)}: ${why}.`, REASON_CHARACTERS_MAX);
  return {
    kind: "retry",
    cause: "unusable_answer",
    reason: withNote(reason, asked),
    retryAfterMs: asked?.ms ?? null,
  };
}

/** An unusable body; `what` it should have been. */
export function unreadable(
  answered: ResponseContext,
  what: string,
  { why, isLasting }: Unreadable,
): Observation {
  const observation = unusable(answered, `the ${what} can't be read: ${why}`);
  return isLasting && observation.kind === "retry"
    ? { ...observation, cause: "unreadable_answer" }
    : observation;
}

/** The definition needs more work for the response than the polls of others may wait for. */
export function tooManySteps({ provider, answer, body }: ResponseContext): Observation {
  const { max } = body.steps;
  const why =
    `${describeHttp(answer)}: the definition ${provider.name} takes more than ${max} steps to read ` +
    `this answer of ${answer.body.length} bytes; give it fewer rules and conditions, or ask for ` +
    "less in an answer.";
  return {
    kind: "retry",
    cause: "unreadable_answer",
    reason: cleanLine(why, REASON_CHARACTERS_MAX),
    retryAfterMs: null,
  };
}

/**
 * A redirect that is not followed. Asking again will hardly change that, so the job ends for it after a
 * while.
 */
export function refusedRedirect(answer: UpstreamResponse, problem: string): Observation {
  return {
    kind: "retry",
    cause: "unreadable_answer",
    reason: cleanLine(`${describeHttp(answer)}: not followed. ${problem}`, REASON_CHARACTERS_MAX),
    retryAfterMs: null,
  };
}

/** One line for a person: the HTTP status and the error in the body. */
export function describe(answered: ResponseContext): string {
  const error = readError(answered);
  const http = describeHttp(answered.answer);
  return cleanLine(error === null ? http : `${http}: ${error}`, REASON_CHARACTERS_MAX);
}

function describeHttp(answer: UpstreamResponse): string {
  const { "content-type": type, "content-encoding": encoding, location } = answer.headers;
  const notes = [
    typeof type === "string" && !type.includes("json") ? type : null,
    typeof encoding === "string" ? encoding : null,
    // Without its query, where signatures and keys are.
    typeof location === "string" ? `redirect to ${location.split("?")[0]}` : null,
  ].filter((note) => note !== null);
  return `HTTP ${answer.status}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}

function jsonOf(body: BodyReading): unknown {
  return body.kind === "json" ? body.json : undefined;
}

function readError({ body, errorAt }: ResponseContext): string | null {
  return body.kind === "json" ? readErrorText(body, errorAt) : null;
}

/** Why a job ended: if the rule found an element in an array, what that element says. */
export function readEndingError(
  answered: ResponseContext,
  { elements = [], error }: EndingVerdict,
): string | null {
  const errorAt = answered.errorAt.map((place) => {
    const pointer = pointerText(place);
    const found = elements.find(({ array }) => pointerText(array) === pointer);
    const index = found?.find(answered.body) ?? -1;
    return index === -1 ? place : [...place, String(index)];
  });
  return readError({ ...answered, errorAt }) ?? error ?? null;
}

/**
 * The JSON at the first place that holds a value, without white space between its tokens, or null.
 */
export function readRaw(body: BodyReading, places: readonly PointerTokens[]): string | null {
  if (body.kind === "unreadable") return null;
  const found = firstPresent(body.json, places);
  if (found === null || !body.steps.scan(body.text.length)) return null;
  const raw = sliceRawJson(body.text, found.tokens);
  return raw === null || !body.steps.scan(raw.length) ? null : compactJson(raw);
}

export function readProgress({ provider, body }: ResponseContext): string | null {
  const { progress: places, progressParts } = provider.answers;
  const progress =
    progressParts === null ? readRaw(body, places) : composeProgress(body, progressParts);
  if (progress === null || progress.length > PROGRESS_CHARACTERS_MAX) return null;
  // A slice of a string keeps the whole string in memory; this copy outlives the response.
  return Buffer.from(progress).toString();
}

/** An object of the parts that exist, or null. */
function composeProgress(
  body: BodyReading,
  parts: readonly (readonly [name: string, tokens: PointerTokens])[],
): string | null {
  const members = parts.flatMap(([name, tokens]) => {
    const raw = readRaw(body, [tokens]);
    return raw === null ? [] : [`${JSON.stringify(name)}:${raw}`];
  });
  return members.length === 0 ? null : `{${members.join(",")}}`;
}

/** The longest wait that the response asks for in one way or another. */
export function readHintMs(answered: ResponseContext, asked = readAskedWait(answered)) {
  let hintMs = asked?.ms ?? null;
  for (const hint of answered.provider.answers.pollHints) {
    const askedMs = readHint(answered, hint);
    if (askedMs !== null) hintMs = Math.max(hintMs ?? 0, askedMs);
  }
  return hintMs;
}

function readHint(
  { provider, answer, body, nowMs }: ResponseContext,
  hint: PollHint,
): number | null {
  const reading = { nowMs, maxMs: provider.answers.waitMsMax };
  if (hint.header !== null) {
    return parseWaitHeader(answer.headers, hint.header, hint.unit, reading);
  }
  const value = hint.tokens === null ? undefined : valueAt(jsonOf(body), hint.tokens);
  const isNumeric = typeof value === "number" || typeof value === "string";
  return isNumeric ? parseWait(String(value), hint.unit, reading) : null;
}

export function readTimes({ provider, body }: ResponseContext): UpstreamTimes {
  return {
    createdAt: readScalar(body, provider.answers.createdAt, TIME_CHARACTERS_MAX),
    updatedAt: readScalar(body, provider.answers.updatedAt, TIME_CHARACTERS_MAX),
  };
}

/** A string, number or boolean as one line of text, or null; a number as it is written. */
function readScalar(
  body: BodyReading,
  places: readonly PointerTokens[],
  charactersMax: number,
): string | null {
  if (body.kind === "unreadable") return null;
  const found = firstPresent(body.json, places);
  if (found === null) return null;
  const { value, tokens } = found;
  if (typeof value === "string") return cleanLine(value, charactersMax) || null;
  if (typeof value === "boolean") return String(value);
  return typeof value === "number" ? readDigits(body, tokens, charactersMax) : null;
}

/** The same with the blanks of a string, which may be why it is unknown. */
export function readWord(
  body: BodyReading,
  places: readonly PointerTokens[],
  charactersMax: number,
): string | null {
  const line = readScalar(body, places, charactersMax);
  if (line === null || body.kind === "unreadable") return line;
  const value = firstPresent(body.json, places)?.value;
  if (typeof value !== "string" || value.length > charactersMax) return line;
  // Postgres stores no NUL, and a word without its NUL would look like the one that is known.
  return value.replaceAll("\0", "\u2400").toWellFormed();
}

/**
 * A string, or a number as it is written, to build a request from; null when there is none or it is
 * too long.
 */
export function readValue(body: BodyReading, tokens: PointerTokens): string | null {
  if (body.kind === "unreadable") return null;
  const value = valueAt(body.json, tokens);
  if (typeof value === "number") return readDigits(body, tokens, VALUE_CHARACTERS_MAX);
  if (typeof value !== "string" || value === "") return null;
  return value.length > VALUE_CHARACTERS_MAX ? null : value;
}

/**
 * The number there as it is written; null when it is too long, since a truncated number is another
 * number.
 */
function readDigits(
  { text, steps }: Extract<BodyReading, { kind: "json" }>,
  tokens: PointerTokens,
  charactersMax: number,
): string | null {
  const source = steps.scan(text.length) ? sliceRawJson(text, tokens) : null;
  return source === null || source.length > charactersMax ? null : source;
}

/** The link to the next status request as it is in the response, or null. */
export function readNextUrl({ provider, answer, body }: ResponseContext): string | null {
  const place = provider.answers.nextUrl;
  if (place === null) return null;
  if (place.tokens !== null) return printable(readValue(body, place.tokens));
  return place.header === null ? null : readLink(answer, place.header);
}

/** The link in a header as it is written, or null. */
export function readLink({ headers }: UpstreamResponse, name: string): string | null {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  const isLink = typeof value === "string" && value !== "";
  return isLink && value.length <= VALUE_CHARACTERS_MAX ? printable(value) : null;
}

/** No address has control characters, and Postgres stores no NUL. */
function printable(link: string | null): string | null {
  return link !== null && isPrintable(link) ? link : null;
}
