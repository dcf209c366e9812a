import { z } from "@hono/zod-openapi";
import {
  REDELIVERIES_PER_SECOND_MAX,
  REDELIVERIES_PER_SECOND_MIN,
} from "../../core/delivery/redelivery-pace.ts";
import {
  attemptErrorCodeSchema,
  deliveryStatusSchema,
  eventTypeSchema,
  idSchema,
  isoTimeSchema,
  orNull,
  pageSchemaOf,
  stateAlias,
} from "../http/response-schemas.ts";
import {
  beforeParameter,
  idParameter,
  originSchema,
  pagingParameters,
  timeParameter,
  timeSchema,
} from "../request/list-query.ts";
import { jobIdSchema } from "../subscriptions/schema.ts";

export const deliveryFiltersSchema = z.strictObject({
  status: deliveryStatusSchema.optional(),
  event_type: eventTypeSchema.optional(),
  error_code: attemptErrorCodeSchema.optional().openapi({
    description: "Only those whose latest attempt failed for this reason.",
  }),
  job_id: jobIdSchema.optional().openapi({ description: "The provider's id of the job." }),
  subscription: idParameter("subscription"),
  callback_origin: originSchema.optional(),
  created_after: timeParameter,
  created_before: beforeParameter,
  ...pagingParameters,
});

/** Without `canceled`: a client that ended a subscription wants no more callbacks. */
const REDELIVERABLE_STATUSES = ["exhausted", "delivered", "gone", "pending"] as const;

/** Selects the deliveries to make pending again, and the pace. */
export const redeliveryRequestSchema = z
  .strictObject({
    status: z.enum(REDELIVERABLE_STATUSES).openapi({
      description:
        "Only deliveries in this state. pending makes those that wait for their next attempt due.",
    }),
    event_type: eventTypeSchema.optional(),
    error_code: attemptErrorCodeSchema.optional().openapi({
      description: "Only those whose latest attempt failed for this reason.",
    }),
    callback_origin: originSchema.optional(),
    created_after: timeSchema.optional().openapi({ type: "string", format: "date-time" }),
    created_before: timeSchema.optional().openapi({
      type: "string",
      format: "date-time",
      description: "Now by default; deliveries that are created later are never included.",
    }),
    dry_run: z.boolean().optional().openapi({
      default: false,
      description: "Only counts the matching deliveries.",
    }),
    deliveries_per_second: z
      .number()
      .min(REDELIVERIES_PER_SECOND_MIN)
      .max(REDELIVERIES_PER_SECOND_MAX)
      .optional()
      .openapi({ description: "The pace; RINGBACK_REDELIVERIES_PER_SECOND by default." }),
  })
  .refine(
    ({ created_after: after, created_before: before }) =>
      after === undefined || before === undefined || after < before,
    { path: ["created_before"], error: "Must be later than created_after." },
  )
  .openapi("RedeliveryRequest");

const REDELIVERY_STATUSES = ["running", "completed", "canceled"] as const;

export const redeliverySchema = z
  .object({
    id: idSchema("red"),
    object: z.literal("redelivery"),
    status: z.enum(REDELIVERY_STATUSES).openapi("RedeliveryStatus"),
    state: stateAlias(z.enum(REDELIVERY_STATUSES)),
    dry_run: z.boolean(),
    filter: z.object({
      status: z.enum(REDELIVERABLE_STATUSES),
      event_type: orNull(eventTypeSchema),
      error_code: orNull(attemptErrorCodeSchema),
      callback_origin: z.string().nullable(),
      created_after: isoTimeSchema.nullable(),
      created_before: isoTimeSchema,
    }),
    deliveries_per_second: z.number(),
    matched: z.int().openapi({ description: "So far." }),
    redelivered: z.int().openapi({ description: "How many of those are pending again." }),
    skipped: z.int().openapi({
      description:
        "How many of those were skipped, because their subscription was deleted or they changed.",
    }),
    created_at: isoTimeSchema,
    finished_at: isoTimeSchema.nullable(),
  })
  .openapi("Redelivery");

export const redeliveryPageSchema = pageSchemaOf(redeliverySchema, "RedeliveryPage");
