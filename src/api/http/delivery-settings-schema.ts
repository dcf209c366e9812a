import { z } from "@hono/zod-openapi";
import {
  problemWithRetrySchedule,
  RETRY_TOTAL_S_MAX,
  RETRY_WAIT_S_MAX,
  RETRY_WAIT_S_MIN,
  RETRY_WAITS_MAX,
} from "../../core/delivery/retry-schedule.ts";
import { SIGNATURE_SCHEMES } from "../../core/signing.ts";

/** Delivery settings that a project and each of its subscriptions may have. */

export const retryScheduleSchema = z
  // Length first: describing the problems of 100,000 items would take too long.
  .array(z.unknown())
  .max(RETRY_WAITS_MAX)
  .pipe(z.array(z.number().min(RETRY_WAIT_S_MIN).max(RETRY_WAIT_S_MAX)))
  .superRefine((waitsS, context) => {
    const detail = problemWithRetrySchedule(waitsS);
    if (detail !== null) context.addIssue(detail);
  })
  .openapi({
    type: "array",
    items: { type: "number", minimum: RETRY_WAIT_S_MIN, maximum: RETRY_WAIT_S_MAX },
    maxItems: RETRY_WAITS_MAX,
    description:
      "Seconds to wait after the first, second, … failed attempt of a delivery, each ±20 %; " +
      `one retry for each wait. ${RETRY_TOTAL_S_MAX} in total at most; an empty list means one ` +
      "attempt.",
    example: [5, 60, 3600],
  });

export const signaturesSchema = z
  .array(z.unknown())
  .min(1)
  .max(SIGNATURE_SCHEMES.length)
  .pipe(z.array(z.enum(SIGNATURE_SCHEMES)))
  .refine((schemes) => new Set(schemes).size === schemes.length, { error: "List each only once." })
  .openapi({
    type: "array",
    items: { $ref: "#/components/schemas/SignatureScheme" },
    minItems: 1,
    uniqueItems: true,
    description:
      "How callbacks are signed: v1, an HMAC with the signing secret; v1a, an ed25519 " +
      "signature by the project's signing key, whose public key is at /v1/signing-keys.",
    example: ["v1", "v1a"],
  });
