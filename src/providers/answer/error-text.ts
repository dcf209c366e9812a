import { sliceRawJson } from "../../core/json/raw-json.ts";
import {
  firstPresent,
  firstWithContent,
  isObject,
  type PointerTokens,
} from "../language/json-pointer.ts";
import type { BodyReading } from "../language/read-body.ts";
import type { Steps } from "../language/steps.ts";

/** Longer error texts are cut. */
export const ERROR_CHARACTERS_MAX = 2000;

// Statuses and times, which come with every poll.
const ONE_CLEAN_WORD = /^[\x21-\x7e]+$/;

/**
 * The error of a response, as text that any storage accepts: a plain string, the message of
 * `{message, code}` or `{error: …}`, or else the JSON itself. Null when no pointer leads to
 * anything.
 */
export function readErrorText(
  body: Extract<BodyReading, { kind: "json" }>,
  pointers: readonly PointerTokens[],
): string | null {
  const found = findError(body.json, pointers, body.steps);
  // The text may be looked through twice.
  if (found === null || !body.steps.scan(2 * body.text.length)) return null;
  // The source text rather than JSON.stringify, which overflows the stack on deep nesting.
  const message = messageAt(body.text, found) ?? sliceRawJson(body.text, found.tokens) ?? "";
  const text = cleanText(message, ERROR_CHARACTERS_MAX);
  return text === "" ? null : text;
}

/** The first place with content, or else the first with any value; null without one. */
export function findError(json: unknown, pointers: readonly PointerTokens[], steps: Steps) {
  return firstWithContent(json, pointers, steps) ?? firstPresent(json, pointers);
}

/** A value and its position in the text. */
interface Found {
  readonly value: unknown;
  readonly tokens: PointerTokens;
}

function messageAt(text: string, found: Found): string | null {
  const own = ownMessageAt(text, found);
  if (own !== null) return own;
  const inner = memberOf(found, "error");
  return inner === null ? null : ownMessageAt(text, inner);
}

function ownMessageAt(text: string, found: Found): string | null {
  if (typeof found.value === "string") return found.value;
  const message = memberOf(found, "message")?.value;
  if (typeof message !== "string") return null;
  const code = codeAt(text, memberOf(found, "code"));
  return code === "" ? message : `${message} (${code})`;
}

/** An error code as it is written, or an empty text. */
function codeAt(text: string, found: Found | null): string {
  if (typeof found?.value === "string") return found.value;
  return typeof found?.value === "number" ? (sliceRawJson(text, found.tokens) ?? "") : "";
}

function memberOf({ value, tokens }: Found, name: string): Found | null {
  if (!isObject(value) || !Object.hasOwn(value, name)) return null;
  return { value: value[name], tokens: [...tokens, name] };
}

/** Without NUL characters and lone surrogates, which Postgres and UTF-8 can't hold; cut to length. */
function cleanText(text: string, charactersMax: number): string {
  return text.slice(0, charactersMax).replaceAll("\0", "").toWellFormed().trim();
}

/** The same on one line. */
export function cleanLine(text: string, charactersMax: number): string {
  if (text.length <= charactersMax && ONE_CLEAN_WORD.test(text)) return text;
  return cleanText(text.slice(0, charactersMax).replaceAll(/[\s\p{Cc}]+/gu, " "), charactersMax);
}
