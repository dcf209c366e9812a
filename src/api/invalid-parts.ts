import type { z } from "@hono/zod-openapi";
import type { InvalidPart } from "./problem.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Keys and texts of the client's are repeated up to this many characters. */
const ECHO_CHARACTERS_MAX = 100;
const UNKNOWN_KEYS_NAMED_MAX = 20;

/** RFC 6901. */
export function jsonPointer(path: Path): string {
  return path
    .map((step) => `/${shorten(String(step)).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

/** The issues of a body that a schema refused, each with its JSON Pointer. */
export function invalidBodyParts(issues: readonly Issue[]): InvalidPart[] {
  const byPointer = new Map<string, string>();
  for (const { path, detail } of issues.flatMap(invalidPlaces)) {
    const pointer = jsonPointer(path);
    // What is said of a place first is the cause of what else is.
    if (!byPointer.has(pointer)) byPointer.set(pointer, detail);
  }
  return Array.from(byPointer, ([pointer, detail]) => ({ pointer, detail }));
}

/** The issues of a query that a schema refused, each with its parameter. */
export function invalidQueryParts(issues: readonly Issue[]): InvalidPart[] {
  return issues.flatMap((issue) =>
    invalidPlaces(issue).map(({ path, detail }) => ({
      parameter: shorten(String(path[0] ?? "")),
      detail,
    })),
  );
}

function invalidPlaces(issue: Issue): { path: Path; detail: string }[] {
  if (issue.code !== "unrecognized_keys") return [{ path: issue.path, detail: detailOf(issue) }];
  return issue.keys.slice(0, UNKNOWN_KEYS_NAMED_MAX).map((key) => ({
    path: [...issue.path, key],
    detail: "This field is unknown; remove it or correct its name.",
  }));
}

function detailOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.message.endsWith("received undefined")
        ? `This is required: ${expectation(issue.expected)}.`
        : `Must be ${expectation(issue.expected)}.`;
    case "invalid_value":
      return `Must be one of: ${issue.values.map((value) => JSON.stringify(value)).join(", ")}.`;
    case "too_big":
      return `Must be at most ${issue.maximum}${unitOf(issue.origin)}.`;
    case "too_small":
      return `Must be at least ${issue.minimum}${unitOf(issue.origin)}.`;
    case "custom":
    case "invalid_format":
    case "invalid_element":
    case "invalid_key":
    case "invalid_union":
    case "not_multiple_of":
    case "unrecognized_keys":
      return issue.message;
  }
}

const EXPECTATIONS: Readonly<Record<string, string>> = {
  array: "an array",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "an object",
  record: "an object",
  string: "a string",
};

function expectation(expected: string): string {
  return EXPECTATIONS[expected] ?? expected;
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters long";
  return origin === "array" ? " items" : "";
}

function shorten(text: string): string {
  if (text.length <= ECHO_CHARACTERS_MAX) return text;
  return `${text.slice(0, ECHO_CHARACTERS_MAX)}…`;
}
