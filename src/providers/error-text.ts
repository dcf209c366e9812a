import { sliceRawJson } from "../core/raw-json.ts";
import { firstPresent, firstWithContent, isObject, type PointerTokens } from "./json-pointer.ts";

/** Longer error texts are cut. */
export const ERROR_CHARACTERS_MAX = 2000;

// Statuses and times, which come with every poll.
const ONE_CLEAN_WORD = /^[\x21-\x7e]+$/;

/**
 * What an answer says went wrong, as text that any storage takes: a plain string, the message of
 * `{message, code}` or `{error: …}`, or else the JSON itself. Null when no pointer leads to anything.
 */
export function readErrorText(
  body: { readonly text: string; readonly json: unknown },
  pointers: readonly PointerTokens[],
): string | null {
  const found = findError(body.json, pointers);
  if (found === null) return null;
  // The source text rather than JSON.stringify, which overflows the stack on deep nesting.
  const message = messageOf(found.value) ?? sliceRawJson(body.text, found.tokens) ?? "";
  const text = cleanText(message, ERROR_CHARACTERS_MAX);
  return text === "" ? null : text;
}

/** The first place that says something, or else the first that holds anything; null without one. */
export function findError(json: unknown, pointers: readonly PointerTokens[]) {
  return firstWithContent(json, pointers) ?? firstPresent(json, pointers);
}

function messageOf(value: unknown): string | null {
  const own = ownMessageOf(value);
  if (own !== null || !isObject(value)) return own;
  return Object.hasOwn(value, "error") ? ownMessageOf(value["error"]) : null;
}

function ownMessageOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!isObject(value) || !Object.hasOwn(value, "message")) return null;
  const { message } = value;
  if (typeof message !== "string") return null;
  const code = Object.hasOwn(value, "code") ? value["code"] : null;
  const isCode = (typeof code === "string" && code !== "") || typeof code === "number";
  return isCode ? `${message} (${code})` : message;
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
