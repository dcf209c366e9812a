import { rawJsonDepth } from "./raw-json.ts";

declare global {
  // JSON.parse source text access (ECMAScript 2026), which Node has and TypeScript does not know yet.
  interface JSON {
    rawJSON(source: string): ExactNumber;
    isRawJSON(value: unknown): value is ExactNumber;
  }
}

/** A number as it is written, where a double would lose digits; `JSON.stringify` writes it so. */
export interface ExactNumber {
  readonly rawJSON: string;
}

export function isExactNumber(value: unknown): value is ExactNumber {
  return JSON.isRawJSON(value);
}

/** The digits of a number as they are written in JSON. */
export function sourceOfNumber(number: number | ExactNumber): string {
  return typeof number === "number" ? String(number) : number.rawJSON;
}

/** A number by its digits, unless a double holds all of them. */
export function readNumber(source: string): number | ExactNumber {
  const double = Number(source);
  return isSameNumber(source, String(double)) ? double : JSON.rawJSON(source);
}

/** Whether two JSON numbers have the same value, whatever their spelling: `1`, `1.0` and `10e-1`. */
export function isSameNumber(a: string, b: string): boolean {
  return a === b || canonicalNumber(a) === canonicalNumber(b);
}

// A number of up to 15 significant digits is the only one of them that its double is nearest to,
// unless its exponent leaves the range of doubles.
const MORE_THAN_A_DOUBLE = /\d[\d.]{15}|\d[eE][+-]?\d{3}/;

/** Whether a JSON text may hold numbers that a double can't tell from others. */
export function mayLoseDigits(text: string): boolean {
  return MORE_THAN_A_DOUBLE.test(text);
}

const PARTS = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const ZERO = 0x30;
/** A longer exponent is not worked out: such a number equals only its own spelling. */
const EXPONENT_CHARACTERS_MAX = 20;

/** A spelling that all numbers of the same value share. */
function canonicalNumber(source: string): string {
  const parts = PARTS.exec(source);
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = parts ?? [];
  if (parts === null || exponent.length > EXPONENT_CHARACTERS_MAX) return source;
  const digits = whole + fraction;
  let start = 0;
  while (digits.charCodeAt(start) === ZERO) start += 1;
  if (start === digits.length) return "0";
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === ZERO) end -= 1;
  const power = BigInt(exponent) + BigInt(digits.length - end - fraction.length);
  return `${sign}${digits.slice(start, end)}e${power}`;
}

/** Deeper texts are parsed without a reviver, which would overflow the stack. */
const DEPTH_MAX = 500;

/**
 * Parses JSON that people write, keeping the digits of every number: one that a double can't hold
 * becomes an `ExactNumber`. Throws like `JSON.parse`. Much slower than that, so not for answers.
 */
export function parseExactJson(text: string): unknown {
  if (rawJsonDepth(text) > DEPTH_MAX) return JSON.parse(text) as unknown;
  // TypeScript does not know the third argument yet.
  const keepDigits = (_: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" && context?.source !== undefined ? readNumber(context.source) : value;
  return JSON.parse(text, keepDigits) as unknown;
}
