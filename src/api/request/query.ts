import type { z } from "@hono/zod-openapi";
import { invalidQueryParts } from "./invalid-parts.ts";
import { problemOfParts } from "../http/problem.ts";
import type { InvalidPart, Outcome, Refusal } from "../http/problem.ts";

/** Reads the query of a URL by a strict schema: unknown and repeated parameters are refused. */
export function readQuery<Query>(url: string, schema: z.ZodType<Query>): Outcome<Query> {
  const start = url.indexOf("?");
  const given = new Map<string, string>();
  const repeated: InvalidPart[] = [];
  if (start !== -1) {
    for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
      if (given.has(name)) {
        repeated.push({
          parameter: name.slice(0, 100),
          detail: "This parameter is repeated; send it only once.",
        });
      }
      given.set(name, value);
    }
  }
  if (repeated.length > 0) return invalid(repeated);
  const result = schema.safeParse(Object.fromEntries(given));
  return result.success
    ? { ok: true, value: result.data }
    : invalid(invalidQueryParts(result.error.issues));
}

function invalid(parts: readonly InvalidPart[]): Refusal {
  return { ok: false, problem: problemOfParts("invalid_query", parts) };
}
