import { z } from "@hono/zod-openapi";

interface EntryProblem {
  /** Null when it is about all entries. */
  readonly name: string | null;
  readonly detail: string;
}

/**
 * An object of strings, judged as a whole by `findProblems`. Zod's own record would drop a key
 * named `__proto__` without a word, and describe each of a hundred thousand wrong entries.
 */
export function recordOfStrings(
  findProblems: (record: Readonly<Record<string, unknown>>) => readonly EntryProblem[],
) {
  return z
    .custom<Readonly<Record<string, string>>>(isObject, {
      error: "Must be an object.",
      abort: true,
    })
    .superRefine((record, context) => {
      for (const { name, detail } of findProblems(record)) {
        context.addIssue({ code: "custom", path: name === null ? [] : [name], message: detail });
      }
    });
}

export function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
