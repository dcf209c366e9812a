import { z } from "@hono/zod-openapi";
import { SIGNING_AT_ONCE_MAX } from "../../store/projects/signing-secrets.ts";
import { isoTime } from "../http/iso-time.ts";
import { refused } from "../http/problem.ts";
import type { Refusal } from "../http/problem.ts";

/** Shared parts of rotating signing secrets and signing keys. */

export const ROTATION_BODY_BYTES_MAX = 4096;

const OVERLAP_S_DEFAULT = 24 * 3600;
const OVERLAP_S_MAX = 7 * 24 * 3600;

export const overlapSchema = z.int().min(0).max(OVERLAP_S_MAX).default(OVERLAP_S_DEFAULT).openapi({
  description: "How many seconds the replaced one continues to sign.",
});

export function tooManySign({ untilMs }: { readonly untilMs: number }): Refusal {
  return refused(
    "too_many_signing_secrets",
    `More than ${SIGNING_AT_ONCE_MAX} would sign at the same time, which makes callbacks too ` +
      `large; wait until ${isoTime(untilMs)}, or use an overlap_s of 0 to end the earlier ones.`,
  );
}
