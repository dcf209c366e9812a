import { z } from "@hono/zod-openapi";
import { isoTimeSchema, pageOf } from "../http/response-schemas.ts";
import { originSchema } from "../request/list-query.ts";

export const callbackOriginSchema = z
  .object({
    object: z.literal("callback_origin"),
    origin: z.string().openapi({ example: "https://app.example.com" }),
    state: z.enum(["ok", "failing", "paused"]).openapi({
      description:
        "failing: nobody there answers, so only a probe is sent now and then; paused: it answered 429; " +
        "ok: callbacks are sent as they fall due.",
    }),
    breaker: z.enum(["closed", "open", "half_open"]).openapi({
      description: "open: nothing is sent until next_probe_at; half_open: a probe is in progress.",
    }),
    paused_until: isoTimeSchema.nullable(),
    next_probe_at: isoTimeSchema.nullable(),
    pending_deliveries: z.int().openapi({
      description: "Deliveries that wait for it, due or not; counted up to 10,000.",
    }),
    pending_is_capped: z.boolean().openapi({ description: "There are more than were counted." }),
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
      .openapi({ description: "Why the latest attempt failed, of those that are still pending." }),
  })
  .openapi("CallbackOrigin");

export const callbackOriginPageSchema = pageOf(callbackOriginSchema, "CallbackOriginPage");

export const tryOriginSchema = z
  .strictObject({
    origin: originSchema.openapi({ example: "https://app.example.com" }),
  })
  .openapi("TryCallbackOrigin");
