import { z } from "@hono/zod-openapi";
import { problemOfParts } from "../http/problem.ts";
import type { Outcome } from "../http/problem.ts";

const KEY = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** For the documentation; {@link readIdempotencyKey} reads it. */
export const idempotencyHeaders = z.object({
  "Idempotency-Key": z
    .string()
    .min(1)
    .max(255)
    .optional()
    .openapi({
      description:
        "Makes repeating a request harmless for 24 hours: it returns what the first one created. " +
        "A different request with the same key is refused.",
    }),
});

/** The header's value, or null without one. */
export function readIdempotencyKey(headers: Headers): Outcome<string | null> {
  const key = headers.get("idempotency-key");
  if (key === null || KEY.test(key)) return { ok: true, value: key };
  const part = {
    header: "Idempotency-Key",
    detail: "Must be 1 to 255 printable ASCII characters.",
  };
  return { ok: false, problem: problemOfParts("invalid_header", [part]) };
}
