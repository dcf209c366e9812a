/*
 * RFC 6901 in 50 lines. No published package could be used: jsonpointer, json-pointer, json-ptr and
 * rfc6902 walk into the prototype (`/__proto__/toString` gives a function, `/list/length` a
 * number), and @hyperjump/json-pointer throws for a missing place.
 */

import type { Steps } from "./steps.ts";

/** A JSON pointer (RFC 6901) split into its decoded tokens. */
export type PointerTokens = readonly string[];

/** The empty pointer means the whole document. */
export const JSON_POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;

const INDEX = /^(?:0|[1-9]\d*)$/;

/** @param pointer matches `JSON_POINTER` */
export function splitPointer(pointer: string): PointerTokens {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function pointerText(tokens: PointerTokens): string {
  return tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The value that the tokens lead to, or undefined (which JSON cannot hold) when there is none. */
export function valueAt(json: unknown, tokens: PointerTokens): unknown {
  let value = json;
  for (const token of tokens) {
    if (Array.isArray(value))
      value = INDEX.test(token) ? elementAt(value, Number(token)) : undefined;
    // Own members only: `/constructor` and `/__proto__` lead nowhere.
    else if (isObject(value) && Object.hasOwn(value, token)) value = value[token];
    else return undefined;
  }
  return value;
}

/** A JSON object or array. */
export function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null;
}

function elementAt(array: readonly unknown[], index: number): unknown {
  return array[index];
}

/** Absent and `null` are the same to a reader: APIs write `"error": null` for "no error". */
export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

const CONTENT_DEPTH_MAX = 10;
const CONTENT_VALUES_MAX = 1000;
/** Texts that languages write for a value that says nothing. */
const EMPTY_WORDS: ReadonlySet<string> = new Set(["0", "null", "none", "undefined"]);
const EMPTY_WORD_CHARACTERS_MAX = 9;

/**
 * True when a value has content: `"error": ""`, `"None"`, `{}`, `[]`, `false`, `0` and `{"code": 0,
 * "message": ""}` are all ways to write that there is no error. Values that are too deep or too
 * long to be searched count as content.
 */
export function hasContent(value: unknown, steps: Steps): boolean {
  if (!isObject(value)) return saysSomething(value, steps);
  const known = steps.hasContent.get(value);
  if (known !== undefined) return steps.spend(1) && known;
  const found = holdsSomething(value, { valuesLeft: CONTENT_VALUES_MAX, steps }, 0);
  steps.hasContent.set(value, found);
  return found;
}

function saysSomething(value: unknown, steps: Steps): boolean {
  if (typeof value === "string") return steps.scan(value.length) && !isEmptyText(value.trim());
  return steps.spend(1) && isPresent(value) && value !== false && value !== 0;
}

function isEmptyText(text: string): boolean {
  return (
    text.length <= EMPTY_WORD_CHARACTERS_MAX && (text === "" || EMPTY_WORDS.has(text.toLowerCase()))
  );
}

function holdsSomething(
  value: Readonly<Record<string, unknown>>,
  search: { valuesLeft: number; readonly steps: Steps },
  depth: number,
): boolean {
  // Listing the values first would cost several times more.
  for (const key in value) {
    // A package may have added to the prototypes of all objects.
    if (!Object.hasOwn(value, key)) continue;
    search.valuesLeft -= 1;
    if (search.valuesLeft < 0 || depth >= CONTENT_DEPTH_MAX) return true;
    const inner = value[key];
    if (
      isObject(inner)
        ? holdsSomething(inner, search, depth + 1)
        : saysSomething(inner, search.steps)
    ) {
      return true;
    }
  }
  return !search.steps.spend(1);
}

/** The first of the pointers that leads to content, or null. */
export function firstWithContent(
  json: unknown,
  pointers: readonly PointerTokens[],
  steps: Steps,
): { readonly tokens: PointerTokens; readonly value: unknown } | null {
  for (const tokens of pointers) {
    const value = valueAt(json, tokens);
    if (hasContent(value, steps)) return { tokens, value };
  }
  return null;
}

/** The first of the pointers that leads to a value, or null. */
export function firstPresent(
  json: unknown,
  pointers: readonly PointerTokens[],
): { readonly tokens: PointerTokens; readonly value: unknown } | null {
  for (const tokens of pointers) {
    const value = valueAt(json, tokens);
    if (isPresent(value)) return { tokens, value };
  }
  return null;
}
