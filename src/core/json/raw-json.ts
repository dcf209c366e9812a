const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

// RFC 6901: no sign, no leading zeros.
const CANONICAL_INDEX = /^(?:0|[1-9]\d*)$/;
// An escaped character (`\u0061`) takes at most six characters of source.
const ESCAPED_LENGTH_MAX = 6;
// Most strings end within this; beyond it the engine's own search is faster than a loop.
const SHORT_STRING_LENGTH = 24;

/** Steps into a JSON value: a string names a member or spells an index, a number is an index. */
export type JsonPath = readonly (string | number)[];

/**
 * The exact source text of the value at `path`, or null when there is none. `JSON.parse` turns
 * 12345678901234567890 into another number and `1.0` into `1`; the source text keeps every digit.
 *
 * `text` must be valid JSON; anything else gives an arbitrary slice or null, but never throws.
 * One pass without recursion. Like `JSON.parse`, the last of several equal keys wins, so finding
 * a value does not end the search.
 */
export function sliceRawJson(text: string, path: JsonPath): string | null {
  const route: Route = { steps: path, indices: path.map(indexOfStep), open: [] };
  let found: string | null = null;
  let at = skipSpace(text, 0);
  while (at !== NOTHING_LEFT) {
    // A value starts at `at`, and it replaces what an earlier equal key led to.
    found = null;
    const first = text.charCodeAt(at);
    if (route.open.length === path.length) {
      const end = skipValue(text, at);
      found = text.slice(at, end);
      at = end;
    } else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
      route.open.push(first === OPEN_BRACE ? MEMBERS : 0);
      at += 1;
    } else {
      at = skipValue(text, at);
    }
    at = nextOnRoute(text, at, route);
  }
  return found;
}

const NOTHING_LEFT = -1;
const MEMBERS = -1;

interface Route {
  readonly steps: JsonPath;
  /** Each step as an index, or null. */
  readonly indices: readonly (number | null)[];
  /**
   * The open containers that lie on the path: the index of an array's next element, or MEMBERS
   * for an object. Its length is the number of steps taken.
   */
  readonly open: number[];
}

function indexOfStep(step: string | number): number | null {
  if (typeof step === "number") return step;
  return CANONICAL_INDEX.test(step) ? Number(step) : null;
}

/** Where the next value on the path starts; leaves the containers that end before it. */
function nextOnRoute(text: string, from: number, route: Route): number {
  let at = skipSpace(text, from);
  while (route.open.length > 0 && at < text.length) {
    const code = text.charCodeAt(at);
    if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      route.open.pop();
      at = skipSpace(text, at + 1);
      continue;
    }
    if (code === COMMA) at = skipSpace(text, at + 1);
    const item = readItem(text, at, route);
    if (item.isOnPath) return item.valueAt;
    at = skipSpace(text, Math.max(skipValue(text, item.valueAt), at + 1));
  }
  return NOTHING_LEFT;
}

/** The member or element that starts at `at` in the innermost open container. */
function readItem(text: string, at: number, route: Route): { isOnPath: boolean; valueAt: number } {
  const level = route.open.length - 1;
  const index = route.open[level] ?? MEMBERS;
  if (index !== MEMBERS) {
    route.open[level] = index + 1;
    return { isOnPath: route.indices[level] === index, valueAt: at };
  }
  const step = route.steps[level];
  const keyEnd = skipValue(text, at);
  return {
    isOnPath: typeof step === "string" && isKey(text, at + 1, keyEnd - 1, step),
    valueAt: skipSpace(text, skipSpace(text, keyEnd) + 1), // past the colon
  };
}

/** Whether the source between the quotes spells `key`. */
function isKey(text: string, start: number, end: number, key: string): boolean {
  const length = end - start;
  if (length === key.length) return text.startsWith(key, start) && !key.includes("\\");
  if (length < key.length || length > key.length * ESCAPED_LENGTH_MAX) return false;
  return spells(text.slice(start, end), key);
}

function spells(source: string, key: string): boolean {
  if (!source.includes("\\")) return false;
  try {
    return JSON.parse(`"${source}"`) === key;
  } catch {
    return false; // `text` was not JSON
  }
}

/** The position after the value that starts at `from`. */
function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return skipRawString(text, from);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipContainer(text, from);
  let at = from;
  while (at < text.length && !endsScalar(text.charCodeAt(at))) at += 1;
  return at;
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 0x20;
}

function skipContainer(text: string, from: number): number {
  const { length } = text;
  let depth = 0;
  let at = from;
  while (at < length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipRawString(text, at);
      continue;
    }
    at += 1;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at;
  }
  return length;
}

/** The position after the string whose opening quote is at `from`. */
export function skipRawString(text: string, from: number): number {
  const shortEnd = Math.min(text.length, from + SHORT_STRING_LENGTH);
  let at = from + 1;
  for (; at < shortEnd; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at += 1;
  }
  let quote = text.indexOf('"', at);
  while (quote !== -1 && isEscaped(text, quote, at)) quote = text.indexOf('"', quote + 1);
  return quote === -1 ? text.length : quote + 1;
}

/** A quote after an odd run of backslashes; the run cannot start before `start`. */
function isEscaped(text: string, quote: number, start: number): boolean {
  let at = quote;
  while (at > start && text.charCodeAt(at - 1) === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}

/** JSON's white space; other control characters count too, since valid JSON has none between tokens. */
function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at += 1;
  return at;
}

const SPACE = 0x20;
/** So many pieces become one string, so that a large text is never held in millions of them. */
const PIECES_MAX = 4096;

/**
 * JSON text without the white space between its tokens; strings and the digits of numbers stay.
 * The same string when there is none, as most programs write it.
 * @param text valid JSON
 */
export function compactJson(text: string): string {
  let compact = "";
  let pieces: string[] = [];
  let keptUpTo = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipRawString(text, at);
      continue;
    }
    if (code <= SPACE) {
      if (at > keptUpTo) pieces.push(text.slice(keptUpTo, at));
      keptUpTo = at + 1;
      if (pieces.length === PIECES_MAX) {
        compact += pieces.join("");
        pieces = [];
      }
    }
    at += 1;
  }
  if (keptUpTo === 0) return text;
  return compact + pieces.join("") + text.slice(keptUpTo);
}

/**
 * The exact source text of each item of a JSON array, in one pass without recursion: slicing item
 * by item would read the text once for every item.
 * @param text valid JSON, an array; anything else gives arbitrary slices but never throws
 * @param itemsMax later items are left out, unread
 */
export function splitRawArray(text: string, itemsMax = Infinity): string[] {
  const items: string[] = [];
  const end = text.lastIndexOf("]");
  const start = text.indexOf("[") + 1;
  let itemStart = start;
  let depth = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = skipRawString(text, at) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    else if (code === COMMA && depth === 0) {
      items.push(text.slice(itemStart, at).trim());
      if (items.length >= itemsMax) return items;
      itemStart = at + 1;
    }
  }
  const last = text.slice(itemStart, end).trim();
  if (last !== "") items.push(last);
  return items;
}

/** How deep the containers of a JSON text are nested; 0 for a scalar. */
export function rawJsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = skipRawString(text, at) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET)
      deepest = Math.max(deepest, (depth += 1));
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
  }
  return deepest;
}
