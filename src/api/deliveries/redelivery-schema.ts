import { z } from "@hono/zod-openapi";
import {
  REDELIVERIES_PER_SECOND_MAX,
  REDELIVERIES_PER_SECOND_MIN,
} from "../../core/delivery/redelivery-pace.ts";
import {
  eventTypeSchema,
  idSchema,
  isoTimeSchema,
  orNull,
  pageOf,
} from "../http/response-schemas.ts";
import { originSchema, timeSchema } from "../request/list-query.ts";

/** `canceled` is missing: whoever ended a subscription wants to hear nothing more. */
const REDELIVERABLE_STATUSES = ["exhausted", "delivered", "gone", "pending"] as const;

/** Which deliveries to make anew, and how. */
export const redeliveryRequestSchema = z
  .strictObject({
    status: z.enum(REDELIVERABLE_STATUSES).openapi({
      description:
        "Only deliveries in this state. pending brings forward those that wait for their next attempt.",
    }),
    event_type: eventTypeSchema.optional(),
    callback_origin: originSchema.optional(),
    created_after: timeSchema.optional().openapi({ type: "string", format: "date-time" }),
    created_before: timeSchema.optional().openapi({
      type: "string",
      format: "date-time",
      description: "Now, unless given; nothing that is created later is ever included.",
    }),
    dry_run: z.boolean().optional().openapi({
      default: false,
      description: "Only counts what matches.",
    }),
    deliveries_per_second: z
      .number()
      .min(REDELIVERIES_PER_SECOND_MIN)
      .max(REDELIVERIES_PER_SECOND_MAX)
      .optional()
      .openapi({ description: "How fast; RINGBACK_REDELIVERIES_PER_SECOND unless given." }),
  })
  .refine(
    ({ created_after: after, created_before: before }) =>
      after === undefined || before === undefined || after < before,
    { path: ["created_before"], error: "Must be later than created_after." },
  )
  .openapi("RedeliveryRequest");

export const redeliverySchema = z
  .object({
    id: idSchema("red"),
    object: z.literal("redelivery"),
    state: z.enum(["running", "completed", "canceled"]),
    dry_run: z.boolean(),
    filter: z.object({
      status: z.enum(REDELIVERABLE_STATUSES),
      event_type: orNull(eventTypeSchema),
      callback_origin: z.string().nullable(),
      created_after: isoTimeSchema.nullable(),
      created_before: isoTimeSchema,
    }),
    deliveries_per_second: z.number(),
    matched: z.int().openapi({ description: "So far." }),
    redelivered: z.int().openapi({ description: "Of those, how many are owed anew." }),
    skipped: z.int().openapi({
      description: "Of those, how many are not: their subscription was deleted, or they changed.",
    }),
    created_at: isoTimeSchema,
    finished_at: isoTimeSchema.nullable(),
  })
  .openapi("Redelivery");

export const redeliveryPageSchema = pageOf(redeliverySchema, "RedeliveryPage");
