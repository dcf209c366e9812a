import { z } from "@hono/zod-openapi";
import { isoTimeSchema, pageSchemaOf, stateAlias } from "../http/response-schemas.ts";
import { originSchema } from "../request/list-query.ts";

const ORIGIN_STATUSES = ["ok", "failing", "paused"] as const;

export const callbackOriginSchema = z
  .object({
    object: z.literal("callback_origin"),
    origin: z.string().openapi({ example: "https://app.example.com" }),
    status: z.enum(ORIGIN_STATUSES).openapi("CallbackOriginStatus", {
      description:
        "failing: it does not respond, so only occasional probes are sent; paused: it answered " +
        "429; ok: callbacks are sent when they are due.",
    }),
    state: stateAlias(z.enum(ORIGIN_STATUSES)),
    breaker: z.enum(["closed", "open", "half_open"]).openapi({
      description: "open: nothing is sent until next_probe_at; half_open: a probe is in progress.",
    }),
    paused_until: isoTimeSchema.nullable(),
    next_probe_at: isoTimeSchema.nullable(),
    effective_requests_per_second: z
      .number()
      .nullable()
      .openapi({
        description:
          "How many callbacks a second all nodes together send: the configured rate, or the lower " +
          "one that 429 answers have taught; null for no limit.",
      }),
    pending_deliveries: z.int().openapi({
      description: "Pending deliveries, due or not; counted up to 1,000.",
    }),
    pending_is_capped: z.boolean().openapi({ description: "There are more than pending counts." }),
    first_due_at: isoTimeSchema.nullable().openapi({
      description: "When the first of them was or is due.",
    }),
    last_error: z
      .object({
        code: z.string(),
        message: z.string().nullable(),
        at: isoTimeSchema,
      })
      .nullable()
      .openapi({ description: "Why the latest attempt of the pending deliveries failed." }),
  })
  .openapi("CallbackOrigin");

export const callbackOriginPageSchema = pageSchemaOf(callbackOriginSchema, "CallbackOriginPage");

export const tryOriginSchema = z
  .strictObject({
    origin: originSchema.openapi({ example: "https://app.example.com" }),
  })
  .openapi("TryCallbackOrigin");
