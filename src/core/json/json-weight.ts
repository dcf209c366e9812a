const QUOTE = 0x22;
const COMMA = 0x2c;
const DIGIT_FIRST = 0x30;
const DIGIT_LAST = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Deeper texts are refused: of the common JSON readers, Go's goes deepest, to 10,000 levels. */
export const JSON_DEPTH_MAX = 10_000;

/*
 * The most memory that `JSON.parse` was seen to take for each part of a text, in bytes: measured on
 * Node 26 with arrays and objects that were empty, nested, unclosed, or full of unique keys.
 */
const CONTAINER_BYTES = 120;
const SEPARATOR_BYTES = 16;
/** The first objects with a key describe it for all that follow. */
const KNOWN_KEY_BYTES = 12;
const NEW_KEY_BYTES = 160;
/** A key that spells a number makes its object sparse. */
const NUMERIC_KEY_BYTES = 220;

const KEYS_REMEMBERED = 4096;
/** Hashes of the keys of the text at hand. */
const seenKeys = new Uint32Array(KEYS_REMEMBERED);
// Most strings end within this; beyond it the engine's own search is faster than a loop.
const SHORT_STRING_BYTES = 24;

type JsonWeight = "fits" | "too_deep" | "too_heavy";

/**
 * Whether parsing a JSON text would stay within `bytesMax` of memory and a sane depth: 10 MB of
 * brackets become a gigabyte of arrays, and neither the size of the text nor the heap limit of a
 * thread bounds that. One pass over the bytes, without allocations that grow with them; it stops as
 * soon as a limit is passed.
 * @param text UTF-8; anything that is not JSON gives an arbitrary weight
 */
export function weighJson(text: Uint8Array, bytesMax: number): JsonWeight {
  const { length } = text;
  seenKeys.fill(0);
  let bytes = length;
  let depth = 0;
  let keyStart = 0;
  for (let at = 0; at < length; at += 1) {
    switch (text[at] ?? 0) {
      case QUOTE:
        keyStart = at + 1;
        at = closingQuote(text, at);
        break;
      case COMMA:
        bytes += SEPARATOR_BYTES;
        break;
      case COLON:
        bytes += keyBytes(text, keyStart);
        break;
      case OPEN_BRACKET:
      case OPEN_BRACE:
        bytes += CONTAINER_BYTES;
        depth += 1;
        if (depth > JSON_DEPTH_MAX) return "too_deep";
        if (bytes > bytesMax) return "too_heavy";
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth -= 1;
        break;
      default:
    }
  }
  return bytes > bytesMax ? "too_heavy" : "fits";
}

/** A key that fell out of the table counts as new: that errs on the safe side. */
function keyBytes(text: Uint8Array, start: number): number {
  const first = text[start] ?? 0;
  if (first >= DIGIT_FIRST && first <= DIGIT_LAST) return NUMERIC_KEY_BYTES;
  let hash = 0x81_1c_9d_c5;
  for (let at = start; at < text.length && text[at] !== QUOTE; at += 1) {
    hash = Math.imul(hash ^ (text[at] ?? 0), 0x01_00_01_93);
  }
  const place = (hash ^ (hash >>> 12)) & (KEYS_REMEMBERED - 1);
  if (seenKeys[place] === hash >>> 0) return KNOWN_KEY_BYTES;
  seenKeys[place] = hash;
  return NEW_KEY_BYTES;
}

/** The position of the quote that closes the string opened at `from`, or the end of the text. */
function closingQuote(text: Uint8Array, from: number): number {
  const shortEnd = Math.min(text.length, from + SHORT_STRING_BYTES);
  let at = from + 1;
  for (; at < shortEnd; at += 1) {
    if (text[at] === QUOTE) return at;
    if (text[at] === BACKSLASH) at += 1;
  }
  let quote = text.indexOf(QUOTE, at);
  while (quote !== -1 && isEscaped(text, quote, at)) quote = text.indexOf(QUOTE, quote + 1);
  return quote === -1 ? text.length : quote;
}

/** A quote after an odd run of backslashes; the run cannot start before `start`. */
function isEscaped(text: Uint8Array, quote: number, start: number): boolean {
  let at = quote;
  while (at > start && text[at - 1] === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}
