import { SCOPES } from "../../core/scopes.ts";
import { z } from "@hono/zod-openapi";
import { ATTEMPT_ERROR_CODES, DELIVERY_STATUSES } from "../../core/delivery/delivery-outcome.ts";
import { EVENT_TYPES } from "../../core/delivery/event.ts";
import { DELIVERY_WAITS } from "../../core/waiting/delivery-wait.ts";
import { JOB_WAITS } from "../../core/waiting/job-wait.ts";
import { WARNING_CODES } from "../../core/warning-codes.ts";
import { SIGNATURE_SCHEMES } from "../../core/signing/signature-scheme.ts";

/*
 * What the answers look like, for the documentation and for the tests that hold the answers
 * against it. Answers themselves are put together as text.
 */

export const SUBSCRIPTION_STATUSES = [
  "active",
  "delivering",
  "delivered",
  "exhausted",
  "canceled",
  "gone",
] as const;

export const JOB_STATUSES = [
  "pending",
  "processing",
  "unwatched",
  "completed",
  "failed",
  "canceled",
  "expired",
  "timed_out",
] as const;

export const isoTimeSchema = z.iso.datetime().openapi({ example: "2026-01-01T00:00:00.000Z" });
export const idSchema = (prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-f]{32}$`))
    .openapi({ example: `${prefix}_019b76da98007034a5b6c7d8e9f00112` });

export const anyJsonSchema = z.unknown().openapi({ description: "Any JSON value." });

export const jobWaitSchema = z
  .enum(JOB_WAITS)
  .nullable()
  .openapi({
    description:
      "Why the job is not known to have ended; null once it has, or nobody waits for it. " +
      "Of a job that another node polls, as that node last wrote down.",
  });

const deliveryWaitSchema = z.enum(DELIVERY_WAITS).nullable().openapi({
  description: "Why the delivery has not been taken; null once it is over.",
});

export const notBeforeSchema = isoTimeSchema.nullable().openapi({
  description: "Nothing happens by itself before; null where no time is known.",
});

export const subscriptionSchema = z
  .strictObject({
    id: idSchema("sub"),
    object: z.literal("subscription"),
    status: z.enum(SUBSCRIPTION_STATUSES).openapi({
      description:
        "active: watching; delivering: the job ended, its callback is not yet taken; delivered; " +
        "exhausted: gave up delivering; canceled: deleted; gone: the receiver answered 410.",
    }),
    job_id: z.string(),
    provider: z.string(),
    connection: z.string(),
    job: z.strictObject({
      id: idSchema("job"),
      status: z.enum(JOB_STATUSES),
      progress: anyJsonSchema,
      poll_count: z.int(),
      last_polled_at: isoTimeSchema.nullable(),
      next_poll_at: isoTimeSchema.nullable().openapi({
        description: "Null as well when another node watches the job.",
      }),
      last_error: z.string().nullable(),
      waiting_for: jobWaitSchema,
      not_before: notBeforeSchema,
      deadline_at: isoTimeSchema,
      ended_at: isoTimeSchema.nullable(),
    }),
    callback_url: z.string(),
    events: z.array(z.enum(EVENT_TYPES)),
    payload: z.enum(["full", "thin"]),
    retry_schedule_s: z.array(z.number()).nullable().openapi({
      description: "Null for the project's.",
    }),
    signatures: z.array(z.enum(SIGNATURE_SCHEMES)).nullable().openapi({
      description: "Null for the project's.",
    }),
    fetch_result: z.boolean(),
    trace_id: z
      .string()
      .regex(/^[0-9a-f]{32}$/)
      .openapi({ description: "The trace that its callbacks belong to (W3C Trace Context)." }),
    metadata: z.looseObject({}).openapi({ description: "As the client sent it." }),
    created_at: isoTimeSchema,
  })
  .openapi("Subscription");

export const newSubscriptionSchema = subscriptionSchema
  .extend({
    warnings: z
      .array(z.strictObject({ code: z.enum(WARNING_CODES), message: z.string() }))
      .openapi({
        description:
          "What to look at, although it is accepted. callback_host_unresolved: the name in callback_url " +
          "has no address just now, or was not looked up yet; callback_on_this_machine: allowed for a local gateway only.",
      }),
  })
  .openapi("NewSubscription");

export const deliverySchema = z
  .strictObject({
    id: idSchema("msg").openapi({ description: "Also the webhook-id of its callbacks." }),
    object: z.literal("delivery"),
    subscription_id: idSchema("sub"),
    event_id: idSchema("evt"),
    event_type: z.enum(EVENT_TYPES),
    callback_origin: z.string(),
    status: z.enum(DELIVERY_STATUSES),
    attempt_count: z.int(),
    next_attempt_at: isoTimeSchema.nullable(),
    waiting_for: deliveryWaitSchema,
    not_before: notBeforeSchema,
    created_at: isoTimeSchema,
    finished_at: isoTimeSchema.nullable(),
  })
  .openapi("Delivery");

export const deliveryWithAttemptsSchema = deliverySchema
  .extend({
    attempts: z
      .array(
        z.strictObject({
          number: z.int().min(1),
          started_at: isoTimeSchema,
          duration_ms: z.int(),
          http_status: z.int().nullable(),
          error_code: z.enum(ATTEMPT_ERROR_CODES).nullable(),
          error_message: z.string().nullable(),
          response_excerpt: z.string().nullable(),
        }),
      )
      .openapi({ description: "The latest 200, oldest first." }),
  })
  .openapi("DeliveryWithAttempts");

const resultFetchSchema = z
  .union([
    z.strictObject({
      status: z.literal("stored"),
      content_type: z.string(),
      content_encoding: z.string().optional(),
      bytes: z.int(),
      sha256: z.string(),
    }),
    z.strictObject({ status: z.literal("failed"), error: z.string() }),
  ])
  .openapi({ description: "What became of a result that is a link and was to be fetched." });

export const eventSchema = z
  .strictObject({
    id: idSchema("evt"),
    object: z.literal("event"),
    job: z.strictObject({ id: idSchema("job") }),
    type: z.enum(EVENT_TYPES),
    timestamp: isoTimeSchema,
    data: z.strictObject({
      job_id: z.string(),
      status: z.string(),
      provider: z.string(),
      created_at: z.string(),
      updated_at: z.string(),
      result: anyJsonSchema.optional(),
      result_url: z.string().optional(),
      result_fetch: resultFetchSchema.optional(),
      error: z.string().optional(),
      progress: anyJsonSchema.optional(),
    }),
  })
  .openapi("Event");

export const signingSecretSchema = z
  .strictObject({
    id: idSchema("sec"),
    object: z.literal("signing_secret"),
    secret: z.string().openapi({ description: "whsec_…, as Standard Webhooks libraries take it." }),
    is_current: z.boolean(),
    created_at: isoTimeSchema,
    expires_at: isoTimeSchema.nullable(),
  })
  .openapi("SigningSecret");

export const signingKeySchema = z
  .strictObject({
    id: idSchema("sgk"),
    object: z.literal("signing_key"),
    public_key: z
      .string()
      .openapi({ description: "whpk_…, as Standard Webhooks libraries take it." }),
    is_current: z.boolean(),
    created_at: isoTimeSchema,
    expires_at: isoTimeSchema.nullable(),
  })
  .openapi("SigningKey");

export const jwksSchema = z
  .strictObject({
    keys: z.array(
      z.strictObject({
        kty: z.literal("OKP"),
        crv: z.literal("Ed25519"),
        use: z.literal("sig"),
        alg: z.literal("EdDSA"),
        kid: idSchema("sgk"),
        x: z.string(),
      }),
    ),
  })
  .openapi("JsonWebKeySet");

const apiKeySchema = z
  .strictObject({
    id: idSchema("key"),
    object: z.literal("api_key"),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    created_at: isoTimeSchema,
    expires_at: isoTimeSchema.nullable(),
    revoked_at: isoTimeSchema.nullable(),
  })
  .openapi("ApiKey");

export const newApiKeySchema = apiKeySchema
  .extend({ key: z.string().openapi({ description: "Shown this once and never again." }) })
  .openapi("NewApiKey");

export const problemSchema = z
  .looseObject({
    type: z.string().openapi({ example: "urn:ringback:problem:validation_failed" }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: "Tells what to change." }),
    instance: z.string().optional().openapi({ description: "Names the request, as the log does." }),
    code: z.string(),
    errors: z
      .array(
        z.strictObject({
          pointer: z.string().optional().openapi({ description: "A JSON Pointer into the body." }),
          parameter: z.string().optional().openapi({ description: "A query parameter." }),
          header: z.string().optional(),
          detail: z.string(),
        }),
      )
      .optional(),
  })
  .openapi("Problem");

export const batchResponseSchema = z
  .strictObject({
    results: z.array(
      z.union([
        z.strictObject({
          status: z.literal(201),
          idempotent_replayed: z.literal(true).optional(),
          subscription: newSubscriptionSchema,
        }),
        z.strictObject({ status: z.int().min(400), error: problemSchema }),
      ]),
    ),
  })
  .openapi("SubscriptionBatch");

export const pageOf = (item: z.ZodType, name: string) =>
  z
    .strictObject({
      data: z.array(item),
      next_cursor: z.string().nullable().openapi({ description: "Null on the last page." }),
    })
    .openapi(name);

export const subscriptionPageSchema = pageOf(subscriptionSchema, "SubscriptionPage");
export const deliveryPageSchema = pageOf(deliverySchema, "DeliveryPage");
export const eventPageSchema = pageOf(eventSchema, "EventPage");
export const signingSecretPageSchema = pageOf(signingSecretSchema, "SigningSecretPage");
export const signingKeyPageSchema = pageOf(signingKeySchema, "SigningKeyPage");
export const apiKeyPageSchema = pageOf(apiKeySchema, "ApiKeyPage");
