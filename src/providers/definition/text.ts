import { parseExactJson } from "../../core/json/exact-json.ts";
import { isExactNumber } from "../../core/json/exact-number.ts";
import { isObject } from "../language/json-pointer.ts";

/** The fields whose numbers an answer is compared with, and those that are sent as they are. */
const EXACT_FIELDS: ReadonlySet<string> = new Set(["eq", "in", "not_eq", "not_in", "value"]);

/**
 * Parses the JSON text of a definition. Numbers that an answer is compared with, or that are sent
 * to the upstream, keep their digits; all others are quantities, which a double holds well enough.
 * Throws like `JSON.parse`.
 */
export function parseDefinition(text: string): unknown {
  return withDoubles(parseExactJson(text), false);
}

/** Deeper values are left as they are: no definition is so deep, and recursion has an end. */
const DEPTH_MAX = 100;

function withDoubles(json: unknown, isExact: boolean, depth = 0): unknown {
  if (depth > DEPTH_MAX) return json;
  if (isExactNumber(json)) return isExact ? json : Number(json.rawJSON);
  if (Array.isArray(json)) return json.map((item) => withDoubles(item, isExact, depth + 1));
  if (!isObject(json)) return json;
  const members = Object.entries(json).map(
    ([name, value]) =>
      [name, withDoubles(value, isExact || EXACT_FIELDS.has(name), depth + 1)] as const,
  );
  return Object.fromEntries(members);
}
