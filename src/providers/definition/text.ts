import { isExactNumber, parseExactJson } from "../../core/json/exact-number.ts";
import { isObject } from "../language/json-pointer.ts";

/** The fields whose numbers are compared with a response's, and those that are sent as they are. */
const EXACT_FIELDS: ReadonlySet<string> = new Set(["eq", "in", "not_eq", "not_in", "value"]);

/**
 * Parses the JSON text of a definition. Numbers that are compared with a response's, or sent to the
 * upstream, keep their digits; all others are quantities, for which a double is exact enough.
 * Throws like `JSON.parse`.
 */
export function parseDefinition(text: string): unknown {
  return withDoubles(parseExactJson(text), false);
}

/** Deeper values are not converted: no definition is so deep, and recursion must end. */
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
