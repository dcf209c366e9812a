import { z } from "@hono/zod-openapi";

/**
 * An object of strings, validated as a whole by `findProblems`. Zod's own record would silently
 * drop a key named `__proto__`, and describe each of a hundred thousand wrong entries.
 */
export function recordOfStrings(
  findProblems: (record: Readonly<Record<string, unknown>>) => readonly {
    /** Null when it concerns all entries. */
    readonly name: string | null;
    readonly detail: string;
  }[],
) {
  return z
    .custom<Readonly<Record<string, string>>>(isJsonObject, {
      error: "Must be an object.",
      abort: true,
    })
    .superRefine((record, context) => {
      for (const { name, detail } of findProblems(record)) {
        context.addIssue({ code: "custom", path: name === null ? [] : [name], message: detail });
      }
    });
}

export function isJsonObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
