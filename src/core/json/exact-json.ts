import { readNumber } from "./exact-number.ts";
import { rawJsonDepth } from "./raw-json-items.ts";

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
