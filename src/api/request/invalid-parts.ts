import type { z } from "@hono/zod-openapi";
import { invalidPlaces, invalidPointers, shorten } from "../../runtime/settings/invalid-places.ts";
import type { InvalidPart } from "../http/problem.ts";

type Issue = z.core.$ZodIssue;

/** The issues of a body that a schema refused, each with its JSON Pointer. */
export function invalidBodyParts(issues: readonly Issue[]): InvalidPart[] {
  return invalidPointers(issues);
}

/** The issues of a query that a schema refused, each with its parameter. */
export function invalidQueryParts(issues: readonly Issue[]): InvalidPart[] {
  return invalidPlaces(issues).map(({ path, detail }) => ({
    parameter: shorten(String(path[0] ?? "")),
    detail,
  }));
}
