import { z } from "@hono/zod-openapi";
import { isoTimeSchema, orNull } from "../http/response-schemas.ts";

const countsSchema = z
  .object({
    total: z.int(),
    by_status: z
      .record(z.string(), z.int())
      .openapi({ description: "Every status has its count." }),
    estimated: z.boolean().openapi({
      description: "The counts were estimated from a sample, because there are very many.",
    }),
  })
  .openapi("StatusCounts");

export const statsSchema = z
  .object({
    object: z.literal("stats"),
    counted_at: orNull(isoTimeSchema).openapi({
      description: "When they were last counted; null in the first seconds of a project.",
    }),
    jobs: countsSchema,
    jobs_near_deadline: z.int().openapi({
      description:
        "Live jobs that have used nine tenths of the time until their deadline; estimated where the " +
        "counts of jobs are. GET /v1/jobs?near_deadline=true lists them.",
    }),
    subscriptions: countsSchema,
    deliveries: countsSchema,
  })
  .openapi("Stats");

const minutesSchema = (max: number, byDefault: number) =>
  z
    .string()
    .regex(/^\d{1,4}$/, { error: `Must be a whole number from 1 to ${max}.` })
    .transform(Number)
    .refine((minutes) => minutes >= 1 && minutes <= max, {
      error: `Must be a whole number from 1 to ${max}.`,
    })
    .default(byDefault);

const DAY_MINUTES = 1440;
const HOUR_MINUTES = 60;
const STEP_MINUTES_DEFAULT = 15;

export const historyQuerySchema = z.strictObject({
  minutes: minutesSchema(DAY_MINUTES, DAY_MINUTES).openapi({
    type: "integer",
    minimum: 1,
    maximum: DAY_MINUTES,
    default: DAY_MINUTES,
    description: "How far back; a day at most.",
  }),
  step_minutes: minutesSchema(HOUR_MINUTES, STEP_MINUTES_DEFAULT).openapi({
    type: "integer",
    minimum: 1,
    maximum: HOUR_MINUTES,
    default: STEP_MINUTES_DEFAULT,
    description: "How many minutes a point covers.",
  }),
});

const countedFields = {
  endings: z.int().openapi({ description: "Jobs that ended." }),
  completed: z.int().openapi({ description: "Those of them that completed." }),
  delivered: z
    .int()
    .openapi({ description: "Attempts after which the receiver had the callback." }),
  failed_attempts: z.int().openapi({ description: "All other attempts." }),
  exhausted: z.int().openapi({ description: "Deliveries that were given up." }),
  gone: z
    .int()
    .openapi({ description: "Deliveries that ended because the receiver answered 410." }),
  ending_to_callback_p50_ms: z
    .int()
    .nullable()
    .openapi({
      description:
        "Half of the callbacks arrived within this time after the job ended, or after a later " +
        "subscription, retries included; null without callbacks. Redeliveries are not counted. " +
        "Calculated from counts in 20 ranges of time.",
    }),
  ending_to_callback_p95_ms: z.int().nullable().openapi({
    description: "The same for 95 of 100 callbacks.",
  }),
};

export const statsHistorySchema = z
  .object({
    object: z.literal("stats_history"),
    from: isoTimeSchema.openapi({ description: "When the first point begins." }),
    to: isoTimeSchema,
    step_s: z.int(),
    total: z
      .object({
        ...countedFields,
        success_rate: z.number().nullable().openapi({
          description:
            "The part of finished deliveries that arrived, from 0 to 1; null without any.",
        }),
      })
      .openapi("StatsTotal"),
    points: z
      .array(z.object({ at: isoTimeSchema, ...countedFields }).openapi("StatsPoint"))
      .openapi({ description: "One for each step, oldest first; the last is not over yet." }),
  })
  .openapi("StatsHistory");

export const nodesSchema = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z
        .object({
          object: z.literal("node"),
          id: z.uuid().openapi({
            description: "As in the node's log; new at each start.",
            example: "019b76da-9800-7034-a5b6-c7d8e9f00112",
          }),
          answering: z.boolean().openapi({ description: "The node that answers this request." }),
          started_at: isoTimeSchema,
          lease_renewed_at: isoTimeSchema,
          lease_expires_at: isoTimeSchema.openapi({
            description: "Without a renewal, the other nodes take over its shards then.",
          }),
          is_live: z.boolean().openapi({ description: "Its lease has not expired." }),
          shards: z.int().openapi({ description: "How many of the 256 shards it owns." }),
          live_jobs: z.int().openapi({
            description: "Jobs of the project that it watches, as of the last renewal.",
          }),
        })
        .openapi("Node"),
    ),
    has_more: z.literal(false),
    next_cursor: z.null(),
  })
  .openapi("NodePage");
