import { z } from "@hono/zod-openapi";
import { pagingParameters, timeParameter } from "../request/list-query.ts";
import { jobIdSchema, nameSchema } from "../subscriptions/schema.ts";
import { POLL_OUTCOMES } from "../../core/waiting/poll-outcome.ts";
import {
  anyJsonSchema,
  idSchema,
  isoTimeSchema,
  jobStatusSchema,
  jobWaitSchema,
  orNull,
  notBeforeSchema,
  pageOf,
} from "../http/response-schemas.ts";

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

export const jobPageSchema = pageOf(jobSchema, "JobPage");

export const jobFiltersSchema = z.strictObject({
  status: jobStatusSchema.optional(),
  job_id: jobIdSchema.optional(),
  provider: nameSchema.optional(),
  connection: nameSchema.optional(),
  created_after: timeParameter,
  ...pagingParameters,
});
