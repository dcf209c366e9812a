import { z } from "@hono/zod-openapi";
import { flagParameter, pagingParameters, timeParameter } from "../request/list-query.ts";
import { jobIdSchema, nameSchema, subscriptionSchema } from "../subscriptions/schema.ts";
import {
  anyJsonSchema,
  deliveryWithAttemptsSchema,
  idSchema,
  isoTimeSchema,
  jobStatusSchema,
  jobWaitSchema,
  notBeforeSchema,
  orNull,
  pageSchemaOf,
  stateAlias,
} from "../http/response-schemas.ts";
import { ENDING_STATUSES } from "../../core/delivery/event.ts";
import { DELIVERY_WAITS } from "../../core/waiting/delivery-wait.ts";
import { REASONS } from "../../core/waiting/explanation.ts";
import { JOB_WAITS, POLL_OUTCOMES } from "../../core/waiting/job-wait.ts";

const pollOutcomeSchema = z.enum(POLL_OUTCOMES).openapi("PollOutcome");

export const jobSchema = z
  .object({
    id: idSchema("job"),
    object: z.literal("job"),
    job_id: z.string().openapi({ description: "The provider's id of the job." }),
    provider: z.string(),
    connection: z.string(),
    params: z.record(z.string(), z.string()),
    status: jobStatusSchema.openapi({
      description:
        "unwatched: every subscription was deleted before the job ended. pending and processing are " +
        "as last seen; the others are final.",
    }),
    progress: anyJsonSchema,
    poll_count: z.int(),
    last_polled_at: isoTimeSchema.nullable(),
    last_outcome: orNull(pollOutcomeSchema).openapi({
      description: "The outcome of the latest poll of a live job; null before the first.",
    }),
    last_error: z.string().nullable(),
    next_poll_at: isoTimeSchema.nullable().openapi({
      description: "Also null when another node polls the job.",
    }),
    waiting_for: jobWaitSchema,
    not_before: notBeforeSchema,
    subscription_count: z.int().openapi({ description: "Includes closed ones." }),
    last_event_id: idSchema("evt").nullable().openapi({
      description: "The newest event; the ending, once the job has ended.",
    }),
    created_at: isoTimeSchema,
    deadline_at: isoTimeSchema,
    ended_at: isoTimeSchema.nullable(),
  })
  .openapi("Job");

export const jobPageSchema = pageSchemaOf(jobSchema, "JobPage");

export const deadlineChangeSchema = z
  .strictObject({
    deadline_s: z.int().min(1).openapi({
      description: "When to give the job up, in seconds from now.",
      example: 86_400,
    }),
  })
  .openapi("DeadlineChange");

export const jobFiltersSchema = z.strictObject({
  status: jobStatusSchema.optional(),
  job_id: jobIdSchema.optional(),
  provider: nameSchema.optional(),
  connection: nameSchema.optional(),
  created_after: timeParameter,
  live: flagParameter.openapi({
    type: "boolean",
    default: false,
    description: "Only those that have not ended: pending or processing.",
  }),
  near_deadline: flagParameter.openapi({
    type: "boolean",
    default: false,
    description: "Only live ones that have used nine tenths of the time until their deadline.",
  }),
  ...pagingParameters,
});

const waitsSchema = z
  .enum([...new Set([...JOB_WAITS, ...DELIVERY_WAITS, "fan_out" as const])])
  .openapi("SubscriptionWait", {
    description:
      "A JobWait or DeliveryWait; fan_out: it waits for its turn among many subscriptions.",
  });
const reasonSchema = z.enum(REASONS).openapi("CallbackReason", {
  description: "Why a callback has not arrived, or that it was delivered.",
});
const lastOutcomeSchema = z
  .enum([...POLL_OUTCOMES, ...ENDING_STATUSES, "unwatched"])
  .openapi("LastPollOutcome");

const explainedFields = {
  reason: reasonSchema,
  summary: z.string().openapi({ description: "One or two plain sentences." }),
  action: z.string().openapi({ description: "A possible action." }),
};

const explainedConnectionSchema = z
  .object({
    id: idSchema("con"),
    name: z.string(),
    status: z.enum(["active", "paused"]),
    state: stateAlias(z.enum(["active", "paused"])),
    paused_reason: z.string().nullable(),
    next_probe_at: isoTimeSchema.nullable(),
  })
  .openapi("ExplainedConnection");

const lastAnswerSchema = z
  .object({
    at: isoTimeSchema,
    http_status: z.int().nullable().openapi({
      description:
        "Null when no response arrived, or the node that polls the job did not report it.",
    }),
    outcome: orNull(lastOutcomeSchema),
    error: z.string().nullable(),
  })
  .openapi("LastAnswer", { description: "The outcome of the latest poll." });

const rawAnswerSchema = z
  .object({
    at: isoTimeSchema,
    http_status: z.int(),
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).openapi({
      description: "Without cookies.",
      example: { "content-type": "application/json" },
    }),
    body: z.string().openapi({
      description: "The first 8192 bytes.",
      example: '{"status": "processing"}',
    }),
    body_bytes: z.int().openapi({ description: "The size of the body as it was received." }),
  })
  .openapi("RawAnswer", {
    description: "A response of the upstream as it was received. The credential is masked.",
  });

const upstreamSchema = z
  .object({
    connection: orNull(explainedConnectionSchema).openapi({
      description: "Null once it is deleted.",
    }),
    breaker: z.enum(["closed", "open", "half_open"]).openapi({
      description: "open: the API fails, and is not polled until next_probe_at.",
    }),
    next_probe_at: isoTimeSchema.nullable(),
    paused_until: isoTimeSchema.nullable().openapi({
      description: "The API refused polls because of their rate.",
    }),
    last_answer: orNull(lastAnswerSchema).openapi({ description: "Null before the first poll." }),
    raw_answer: orNull(rawAnswerSchema).openapi({
      description:
        "The response to the latest poll. Kept only for jobs that are being explained, so it is null " +
        "until a poll follows the first explanation, and again five minutes after the last one.",
    }),
  })
  .openapi("ExplainedUpstream");

const sentRequestSchema = z
  .object({
    method: z.literal("POST"),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    body: z.string().nullable(),
  })
  .openapi("SentRequest");

const subscriptionExplanationSchema = z
  .object({
    ...explainedFields,
    waiting_for: orNull(waitsSchema),
    not_before: notBeforeSchema,
    subscription: subscriptionSchema,
    deliveries: z.array(deliveryWithAttemptsSchema).openapi({
      description: "The latest 5, newest first, with their latest 10 attempts.",
    }),
    request: orNull(sentRequestSchema).openapi({
      description:
        "The request that delivers the ending, without signature, time and the subscription's " +
        "own headers; for the three newest subscriptions. The body is null above 64 KiB.",
    }),
  })
  .openapi("SubscriptionExplanation");

export const jobExplanationSchema = z
  .object({
    object: z.literal("job_explanation"),
    ...explainedFields,
    as_of: isoTimeSchema.openapi({ description: "The time that the explanation describes." }),
    facts_from: z.enum(["owner", "database"]).openapi({
      description:
        "owner: from the node that works on the job. database: that node did not respond in " +
        "time, so a live job is described as of its last checkpoint.",
    }),
    job: jobSchema,
    upstream: upstreamSchema,
    subscriptions: z.array(subscriptionExplanationSchema).openapi({
      description: "The latest 20, newest first.",
    }),
    has_more_subscriptions: z.boolean(),
  })
  .openapi("JobExplanation");
