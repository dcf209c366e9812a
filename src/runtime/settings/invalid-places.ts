import type { z } from "zod";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** A place in JSON that a schema refuses, and what would be valid there. */
interface InvalidPlace {
  readonly path: Path;
  readonly detail: string;
}

/** Keys and texts from others are echoed up to this many characters. */
const ECHO_CHARACTERS_MAX = 100;
const UNKNOWN_KEYS_NAMED_MAX = 20;

/** RFC 6901. */
export function jsonPointer(path: Path): string {
  return path
    .map((step) => `/${shorten(String(step)).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

/** The issues of JSON that a schema refused, each place once, with its JSON Pointer. */
export function invalidPointers(
  issues: readonly Issue[],
): { readonly pointer: string; readonly detail: string }[] {
  const byPointer = new Map<string, string>();
  for (const { path, detail } of invalidPlaces(issues)) {
    const pointer = jsonPointer(path);
    // The first issue of a place causes the others.
    if (!byPointer.has(pointer)) byPointer.set(pointer, detail);
  }
  return Array.from(byPointer, ([pointer, detail]) => ({ pointer, detail }));
}

export function invalidPlaces(issues: readonly Issue[]): InvalidPlace[] {
  return issues.flatMap(placesOf);
}

export function shorten(text: string): string {
  if (text.length <= ECHO_CHARACTERS_MAX) return text;
  return `${text.slice(0, ECHO_CHARACTERS_MAX)}…`;
}

function placesOf(issue: Issue): InvalidPlace[] {
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
      if (issue.minimum === 1 && unitOf(issue.origin) !== "") return "Must not be empty.";
      return `Must be at least ${issue.minimum}${unitOf(issue.origin)}.`;
    case "invalid_key":
      return `This name can't be used. ${issue.issues.map(detailOf).join(" ")}`;
    case "custom":
    case "invalid_format":
    case "invalid_element":
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
