import { z } from "@hono/zod-openapi";
import { SIGNING_AT_ONCE_MAX } from "../../store/projects/signing-secrets.ts";
import { isoTime } from "./iso-time.ts";
import { refused } from "./problem.ts";
import type { Refusal } from "./problem.ts";

/** What rotating a signing secret and rotating a signing key have in common. */

export const ROTATION_BODY_BYTES_MAX = 4096;

const OVERLAP_S_DEFAULT = 24 * 3600;
const OVERLAP_S_MAX = 7 * 24 * 3600;

export const overlapSchema = z.int().min(0).max(OVERLAP_S_MAX).default(OVERLAP_S_DEFAULT).openapi({
  description: "For how many seconds what is replaced signs along.",
});

export function tooManySign({ untilMs }: { readonly untilMs: number }): Refusal {
  return refused(
    "too_many_signing_secrets",
    `${SIGNING_AT_ONCE_MAX} would sign at once, which makes callbacks too large; ` +
      `wait until ${isoTime(untilMs)}, or give an overlap_s of 0 to be done with those before.`,
  );
}
