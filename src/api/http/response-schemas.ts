import { z } from "@hono/zod-openapi";
import { ATTEMPT_ERROR_CODES, DELIVERY_STATUSES } from "../../core/delivery/delivery-outcome.ts";
import { EVENT_TYPES } from "../../core/delivery/event.ts";
import { SCOPES } from "../../core/scopes.ts";
import { DELIVERY_WAITS } from "../../core/waiting/delivery-wait.ts";
import { JOB_WAITS } from "../../core/waiting/job-wait.ts";
import { PROBLEMS, type ProblemCode } from "../../core/error-codes.ts";
import { SIGNATURE_SCHEMES } from "../../core/signing.ts";

/*
 * The shapes of the responses, for the documentation, for clients, and for the tests that check
 * every response against them. Responses themselves are composed as text. The schemas are open:
 * clients must accept unknown fields, so that a new field breaks no client.
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

const EXAMPLE_HEX = "019b76da98007034a5b6c7d8e9f00112";

export const isoTimeSchema = z.iso.datetime().openapi({ example: "2026-01-01T00:00:00.000Z" });
export const idSchema = (prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[0-9a-f]{32}$`), `Must be ${prefix}_ and 32 hex digits.`)
    .openapi({ example: `${prefix}_${EXAMPLE_HEX}` });

/**
 * A schema of its own name, or null. `.nullable()` does not work here: in the document it loses the
 * null of an object, and requires an enum to be null and one of its values at once.
 */
export const orNull = <T extends z.ZodType>(schema: T) => z.union([schema, z.null()]);

/** For clients from before every resource had a `status`: its other name, which stays. */
export const stateAlias = <T extends z.ZodType>(schema: T) =>
  schema.openapi({ description: "The same as status, by its earlier name.", deprecated: true });

export const headerValuesSchema = z
  .record(z.string(), z.union([z.string(), z.array(z.string())]))
  .openapi("HeaderValues", {
    description: "By lower-case name; a list for a repeated header.",
    example: { "content-type": "text/plain" },
  });

export const anyJsonSchema = z.unknown().openapi({ description: "Any JSON value." });

export const eventTypeSchema = z.enum(EVENT_TYPES).openapi("EventType");
export const signatureSchemeSchema = z.enum(SIGNATURE_SCHEMES).openapi("SignatureScheme", {
  description: "v1: HMAC-SHA256 with a shared secret. v1a: Ed25519 with a key pair.",
});
export const payloadSchema = z.enum(["full", "thin"]).openapi("Payload", {
  description: "thin sends result_url instead of the result.",
});
export const subscriptionStatusSchema = z
  .enum(SUBSCRIPTION_STATUSES)
  .openapi("SubscriptionStatus", {
    description:
      "active: watching; delivering: the job ended, its callback is not delivered yet; " +
      "delivered; exhausted: gave up delivering; canceled: deleted; gone: the receiver " +
      "answered 410.",
  });
export const jobStatusSchema = z.enum(JOB_STATUSES).openapi("JobStatus", {
  description:
    "unwatched: every subscription was deleted before the job ended. The last five are final.",
});
export const deliveryStatusSchema = z.enum(DELIVERY_STATUSES).openapi("DeliveryStatus", {
  description:
    "pending: waits for its first or next attempt; exhausted: gave up; canceled: the " +
    "subscription was deleted; gone: the receiver answered 410; superseded: replaced by a " +
    "later event.",
});
export const attemptErrorCodeSchema = z.enum(ATTEMPT_ERROR_CODES).openapi("AttemptErrorCode", {
  description: "Why an attempt failed.",
});
export const scopeSchema = z.enum(SCOPES).openapi("Scope", {
  description:
    "submit: sending requests through the gateway, and nothing else; admin includes all.",
});

const jobWaitsSchema = z.enum(JOB_WAITS).openapi("JobWait");
export const jobWaitSchema = orNull(jobWaitsSchema).openapi({
  description:
    "Why the job is not known to have ended; null once it has, or when no subscription is " +
    "left. For a job that another node polls, as that node last stored.",
});

const deliveryWaitsSchema = z.enum(DELIVERY_WAITS).openapi("DeliveryWait");
const deliveryWaitSchema = orNull(deliveryWaitsSchema).openapi({
  description: "Why the callback has not been delivered; null once the delivery is finished.",
});

export const notBeforeSchema = isoTimeSchema.nullable().openapi({
  description: "Nothing happens before then without action; null when unknown.",
});

const deliveryErrorSchema = z
  .object({
    code: attemptErrorCodeSchema,
    message: z.string().nullable().openapi({ example: null }),
  })
  .openapi("DeliveryError");

export const deliverySchema = z
  .object({
    id: idSchema("msg").openapi({ description: "Also the webhook-id of its callbacks." }),
    object: z.literal("delivery"),
    subscription_id: idSchema("sub"),
    event_id: idSchema("evt"),
    event_type: eventTypeSchema,
    job_id: z.string().openapi({
      description: "The provider's id of the job.",
      example: "abc123-def456",
    }),
    callback_url: z.string().nullable().openapi({
      description: "Null for an inbox.",
      example: "https://app.example.com/hooks/ringback",
    }),
    callback_origin: z.string().nullable().openapi({
      description: "Null for an inbox.",
      example: "https://app.example.com",
    }),
    inbox: z.string().nullable().openapi({ description: "Null for a callback.", example: null }),
    status: deliveryStatusSchema,
    attempt_count: z.int(),
    next_attempt_at: isoTimeSchema.nullable(),
    waiting_for: deliveryWaitSchema,
    not_before: notBeforeSchema,
    last_error: orNull(deliveryErrorSchema).openapi({
      description: "Why the latest attempt failed; null when it succeeded, or before the first.",
    }),
    created_at: isoTimeSchema,
    finished_at: isoTimeSchema.nullable().openapi({
      description: "For an inbox: when the message was added to it.",
      example: null,
    }),
    read_at: isoTimeSchema.nullable().openapi({
      description: "When a consumer of the inbox first acknowledged it.",
      example: null,
    }),
  })
  .openapi("Delivery");

const attemptSchema = z
  .object({
    number: z.int().min(1),
    started_at: isoTimeSchema,
    duration_ms: z.int().openapi({ example: 84 }),
    http_status: z.int().nullable().openapi({ example: 503 }),
    error_code: orNull(attemptErrorCodeSchema).openapi({ example: "server_error_answer" }),
    error_message: z.string().nullable().openapi({ example: null }),
    response_excerpt: z.string().nullable().openapi({ example: "busy" }),
  })
  .openapi("Attempt", { description: "One HTTP request of a delivery." });

export const deliveryWithAttemptsSchema = deliverySchema
  .extend({
    attempts: z.array(attemptSchema).openapi({ description: "The latest 200, oldest first." }),
  })
  .openapi("DeliveryWithAttempts");

const storedResultSchema = z
  .object({
    status: z.literal("stored"),
    content_type: z.string().openapi({ example: "application/pdf" }),
    content_encoding: z.string().optional().openapi({ example: "gzip" }),
    bytes: z.int().openapi({ example: 4096 }),
    sha256: z
      .string()
      .openapi({ example: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }),
  })
  .openapi("StoredResultFetch");
const failedResultSchema = z
  .object({
    status: z.literal("failed"),
    error: z.string().openapi({ example: "The link answered 404." }),
  })
  .openapi("FailedResultFetch");

export const resultFetchSchema = z
  .discriminatedUnion("status", [storedResultSchema, failedResultSchema])
  .openapi("ResultFetch", {
    description: "The outcome of fetching a result that is a link.",
  });

export const eventSchema = z
  .object({
    id: idSchema("evt"),
    object: z.literal("event"),
    job: z.object({ id: idSchema("job") }).openapi("JobReference"),
    type: eventTypeSchema,
    timestamp: isoTimeSchema,
    data: z
      .object({
        job_id: z.string().openapi({ example: "abc123-def456" }),
        status: z.enum(["completed", "failed", "canceled", "expired", "timed_out", "processing"]),
        provider: z.string().openapi({ example: "pulse" }),
        created_at: z.string().openapi({ example: "2026-01-01T00:00:00Z" }),
        updated_at: z.string().openapi({ example: "2026-01-01T00:00:41Z" }),
        result: anyJsonSchema.optional().openapi({
          description: "For a completed job, unless it is too large to be sent inline.",
          example: { markdown: "# Invoice", page_count: 3 },
        }),
        result_url: z.string().optional(),
        result_fetch: resultFetchSchema.optional(),
        error: z.string().optional(),
        progress: anyJsonSchema.optional(),
      })
      .openapi("EventData"),
  })
  .openapi("Event", {
    description: "A stored fact about a job.",
  });

const rotatedAtSchema = {
  is_current: z.boolean().openapi({ example: true }),
  created_at: isoTimeSchema,
  expires_at: isoTimeSchema.nullable().openapi({
    description: "When a rotated one stops signing; null for the current one.",
    example: null,
  }),
};

export const signingSecretSchema = z
  .object({
    id: idSchema("sec"),
    object: z.literal("signing_secret"),
    secret: z.string().openapi({
      description: "whsec_…, as Standard Webhooks libraries accept it.",
      example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }),
    ...rotatedAtSchema,
  })
  .openapi("SigningSecret");

export const signingKeySchema = z
  .object({
    id: idSchema("sgk"),
    object: z.literal("signing_key"),
    public_key: z.string().openapi({
      description: "whpk_…, as Standard Webhooks libraries accept it.",
      example: "whpk_MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
    }),
    ...rotatedAtSchema,
  })
  .openapi("SigningKey");

export const jwksSchema = z
  .object({
    keys: z.array(
      z
        .object({
          kty: z.literal("OKP"),
          crv: z.literal("Ed25519"),
          use: z.literal("sig"),
          alg: z.literal("EdDSA"),
          kid: idSchema("sgk"),
          x: z.string().openapi({ example: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
        })
        .openapi("JsonWebKey"),
    ),
  })
  .openapi("JsonWebKeySet");

const apiKeySchema = z
  .object({
    id: idSchema("key"),
    object: z.literal("api_key"),
    name: z.string().openapi({ example: "billing service" }),
    scopes: z.array(scopeSchema),
    created_at: isoTimeSchema,
    expires_at: isoTimeSchema.nullable().openapi({ example: null }),
    revoked_at: isoTimeSchema.nullable().openapi({ example: null }),
  })
  .openapi("ApiKey");

export const newApiKeySchema = apiKeySchema
  .extend({
    key: z.string().openapi({
      description: "Shown only once.",
      example: "rb_0123456789abcdefghijklmnopqrstuvwxyz0123456",
    }),
  })
  .openapi("NewApiKey");

const invalidPartSchema = z
  .object({
    pointer: z.string().optional().openapi({
      description: "A JSON Pointer into the body.",
      example: "/callback_url",
    }),
    parameter: z.string().optional().openapi({ description: "A query parameter." }),
    header: z.string().optional().openapi({ description: "A header." }),
    detail: z.string().openapi({ example: "Use https." }),
  })
  .openapi("InvalidPart", { description: "One invalid part of a request." });

const PROBLEM_CODES = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

/** The name by which programs identify a problem. */
const errorCodeSchema = z.enum(PROBLEM_CODES).openapi("ErrorCode");

export const problemSchema = z
  .object({
    type: z.string().openapi({
      format: "uri-reference",
      description: "URL of a page about the code.",
      example: "/docs/errors/validation_failed",
    }),
    title: z.string().openapi({ example: "Invalid request body" }),
    status: z.int().openapi({ example: 422 }),
    detail: z.string().openapi({
      description: "Says what was wrong and what to change.",
      example: "/callback_url: Use https.",
    }),
    instance: z
      .string()
      .optional()
      .openapi({ description: "Identifies the request, as in the log." }),
    code: errorCodeSchema.openapi({ example: "validation_failed" }),
    errors: z.array(invalidPartSchema).optional(),
    limit: z.string().optional().openapi({ description: "The project's limit that was reached." }),
    allowed: z.number().optional().openapi({ description: "How much that limit allows." }),
    outcome: z.enum(["none", "unknown"]).optional().openapi({
      description: "On a 503. none: nothing was stored; unknown: something may have been stored.",
    }),
    reasons: z.array(z.string()).optional().openapi({
      description: "On not_ready: the reasons.",
    }),
    checks: z.record(z.string(), z.string()).optional().openapi({
      description: "On not_ready: each part's state.",
    }),
  })
  .openapi("Problem", {
    description: "An error, as RFC 9457 describes it.",
  });

export const pageSchemaOf = (item: z.ZodType, name: string) =>
  z
    .object({
      object: z.literal("list"),
      data: z.array(item),
      has_more: z
        .boolean()
        .openapi({ description: "Whether another page follows.", example: false }),
      next_cursor: z.string().nullable().openapi({
        description: "The `cursor` of the next page; null on the last one.",
        example: null,
      }),
    })
    .openapi(name);

export const deliveryPageSchema = pageSchemaOf(deliverySchema, "DeliveryPage");
export const eventPageSchema = pageSchemaOf(eventSchema, "EventPage");
export const signingSecretPageSchema = pageSchemaOf(signingSecretSchema, "SigningSecretPage");
export const signingKeyPageSchema = pageSchemaOf(signingKeySchema, "SigningKeyPage");
export const apiKeyPageSchema = pageSchemaOf(apiKeySchema, "ApiKeyPage");
