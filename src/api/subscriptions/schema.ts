import { z } from "@hono/zod-openapi";
import { problemsWithCallbackHeaders } from "../../core/delivery/callback-headers.ts";
import { ENDING_STATUSES, EVENT_TYPES } from "../../core/delivery/event.ts";
import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import { readTraceContext } from "../../core/trace-context.ts";
import { isPrintable } from "../../core/printable.ts";
import {
  anyJsonSchema,
  eventTypeSchema,
  idSchema,
  isoTimeSchema,
  jobStatusSchema,
  jobWaitSchema,
  notBeforeSchema,
  pageSchemaOf,
  payloadSchema,
  problemSchema,
  signatureSchemeSchema,
  SUBSCRIPTION_STATUSES,
  subscriptionStatusSchema,
} from "../http/response-schemas.ts";
import { WARNING_CODES } from "../../core/error-codes.ts";
import { retryScheduleSchema, signaturesSchema } from "../http/delivery-settings-schema.ts";
import { isJsonObject, recordOfStrings } from "../request/record-of-strings.ts";
import { originSchema, pagingParameters, timeParameter } from "../request/list-query.ts";

const PREFIX = "whsec_";
// Standard Webhooks 1.0.0.
const BYTES_MIN = 24;
const BYTES_MAX = 64;

/** Describes a problem with a `whsec_…` secret to the person who sent it, or returns null. Never quotes the secret. */
function problemWithSigningSecret(secret: string): string | null {
  if (!secret.startsWith(PREFIX)) return "Must start with whsec_.";
  const base64 = secret.slice(PREFIX.length);
  const bytes = Buffer.from(base64, "base64");
  // Node's decoder skips what it can't read.
  if (bytes.toString("base64") !== base64) return "Must be base64, with its padding, after whsec_.";
  if (bytes.length >= BYTES_MIN && bytes.length <= BYTES_MAX) return null;
  return `Must hold ${BYTES_MIN} to ${BYTES_MAX} random bytes; this holds ${bytes.length}.`;
}

const PARAMS_MAX = 20;
// Room for the longest URLs of APIs; Azure asks for 4 KiB.
const PARAMS_BYTES_MAX = 8192;

export const DEFAULT_PROVIDER = "pulse";
export const DEFAULT_CONNECTION = "default";

/** An upstream's job id: any printable text; it is percent-encoded wherever it is used. */
export const jobIdSchema = z
  .string()
  .min(1)
  .max(512)
  .refine(isPrintable, { error: "Remove control characters and broken Unicode." })
  .openapi({ example: "abc123-def456" });

/** A name to look something up by; the lookup checks its content. */
export const nameSchema = z
  .string()
  .min(1)
  .max(100)
  .refine(isPrintable, { error: "Remove control characters and broken Unicode." });

const inboxNameSchema = z.string().regex(INBOX_NAME, {
  error:
    "Must be 1 to 64 letters, digits, dots, dashes and underscores, starting with a letter " +
    "or digit.",
});

const eventsSchema = z
  // Length first: describing the problems of 100,000 items would take too long.
  .array(z.unknown())
  .min(1)
  .max(EVENT_TYPES.length)
  .pipe(z.array(z.enum(EVENT_TYPES)))
  .refine((events) => new Set(events).size === events.length, {
    error: "List each event only once.",
  })
  .openapi({
    type: "array",
    items: { $ref: "#/components/schemas/EventType" },
    minItems: 1,
    uniqueItems: true,
    default: EVENT_TYPES.slice(0, ENDING_STATUSES.length),
    description: "The events that cause a callback; by default the five endings.",
  });

export const paramsSchema = recordOfStrings((params) => {
  const entries = Object.entries(params);
  if (entries.length > PARAMS_MAX) return [{ name: null, detail: `Send at most ${PARAMS_MAX}.` }];
  const bytes = entries.reduce(
    (sum, [name, value]) => sum + byteLength(name) + byteLength(value),
    0,
  );
  if (bytes > PARAMS_BYTES_MAX) {
    return [{ name: null, detail: `Names and values must not exceed ${PARAMS_BYTES_MAX} bytes.` }];
  }
  return entries.flatMap(([name, value]) => {
    if (typeof value !== "string") return [{ name, detail: "Must be a string." }];
    if (isPrintable(name) && isPrintable(value)) return [];
    return [{ name, detail: "Remove control characters and broken Unicode." }];
  });
}).openapi({
  type: "object",
  additionalProperties: { type: "string" },
  maxProperties: PARAMS_MAX,
  description: "Values that the provider's requests need besides the job id.",
});

const headersSchema = recordOfStrings(problemsWithCallbackHeaders).openapi({
  type: "object",
  additionalProperties: { type: "string" },
  description:
    "Extra headers of the callbacks. Hop-by-hop headers, host, user-agent, cookie, content-* and webhook-* can't be set.",
  example: { "x-tenant": "acme" },
});

export const secretSchema = z
  .string()
  .max(128)
  .superRefine((secret, context) => {
    const detail = problemWithSigningSecret(secret);
    if (detail !== null) context.addIssue(detail);
  })
  .openapi({
    description: "Signs this subscription's callbacks in place of the project's secret.",
    example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  });

const NO_TARGET = "Give callback_url, or inbox to read the messages yourself.";
const TWO_TARGETS = "Give either callback_url or inbox, not both.";
const NO_RETRIES = "A message of an inbox is stored once and not retried; leave this out.";

/** Checks that run beside those of single fields, so that one response names every problem. */
function isSomeObject({ value }: { readonly value: unknown }): boolean {
  return isJsonObject(value);
}

/** A client's request. Validates only what the request itself shows. */
export const subscriptionRequestSchema = z
  .strictObject({
    job_id: jobIdSchema,
    callback_url: z.string().min(1).max(2048).optional().openapi({
      format: "uri",
      description: "URL of the signed callback: https, with a public address. Send this or inbox.",
      example: "https://app.example.com/hooks/ringback",
    }),
    inbox: inboxNameSchema.optional().openapi({
      description:
        "The inbox that receives the signed messages, which GET /v1/inboxes/{name}/messages " +
        "returns. It is created when it is first named. Send this or callback_url.",
      example: "orders",
    }),
    provider: nameSchema.optional().openapi({ default: DEFAULT_PROVIDER }),
    connection: nameSchema.optional().openapi({ default: DEFAULT_CONNECTION }),
    params: paramsSchema.optional(),
    events: eventsSchema.optional(),
    payload: payloadSchema.optional().openapi({ default: "full" }),
    fetch_result: z
      .boolean()
      .optional()
      .openapi({
        default: false,
        description:
          "Fetches a result that is a link once, stores it before the ending is sent, and serves " +
          "it at result_url; for providers whose definition has result.download.",
      }),
    traceparent: z
      .string()
      .max(512)
      .refine((text) => readTraceContext(text, null) !== null, {
        error: "Must be a traceparent of W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>.",
      })
      .optional()
      .openapi({
        description:
          "The trace that the callbacks belong to; by default the request's traceparent header, or " +
          "else a new trace.",
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      }),
    tracestate: z.string().max(4096).optional().openapi({
      description: "Sent together with traceparent, up to 512 characters.",
    }),
    metadata: z
      .custom<object>(isJsonObject, { error: "Must be an object." })
      .optional()
      .openapi({
        type: "object",
        additionalProperties: true,
        description: "Returned unchanged with every callback; at most 4 KiB as JSON.",
        example: { invoice: 17 },
      }),
    secret: secretSchema.optional(),
    headers: headersSchema.optional(),
    retry_schedule_s: retryScheduleSchema.optional(),
    signatures: signaturesSchema.optional(),
    deadline_s: z.int().min(1).optional().openapi({
      description: "When to give the job up, in seconds from now; by default the provider's.",
      example: 172_800,
    }),
  })
  .refine(({ callback_url: url, inbox }) => url !== undefined || inbox !== undefined, {
    path: ["callback_url"],
    error: NO_TARGET,
    when: isSomeObject,
  })
  .refine(({ callback_url: url, inbox }) => url === undefined || inbox === undefined, {
    path: ["inbox"],
    error: TWO_TARGETS,
    when: isSomeObject,
  })
  .refine(({ inbox, retry_schedule_s: waits }) => inbox === undefined || waits === undefined, {
    path: ["retry_schedule_s"],
    error: NO_RETRIES,
    when: isSomeObject,
  })
  .openapi("SubscriptionRequest");

export type SubscriptionBody = z.output<typeof subscriptionRequestSchema>;

function byteLength(value: unknown): number {
  return typeof value === "string" ? Buffer.byteLength(value) : 0;
}

const statuses: readonly string[] = SUBSCRIPTION_STATUSES;

/** One status, or several with commas between them. */
const statusesParameter = z
  .string()
  .max(100)
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(SUBSCRIPTION_STATUSES)))
  .optional()
  .openapi({
    param: { style: "form", explode: false },
    type: "array",
    items: { $ref: "#/components/schemas/SubscriptionStatus" },
    minItems: 1,
    maxItems: statuses.length,
    description: "Any of these; several with commas between them.",
    example: ["active", "delivering"],
  });

const METADATA_FILTER_CHARACTERS_MAX = 500;

/** `key=value`: a field of the metadata, and its value as text. */
export const metadataFilterText = z
  .string()
  .max(METADATA_FILTER_CHARACTERS_MAX)
  .refine((text) => text.indexOf("=") > 0 && !text.includes("\0"), {
    error: "Must be key=value: the name of a field of the metadata, and its value.",
  });

export const metadataParameter = metadataFilterText
  .transform((text) => {
    const at = text.indexOf("=");
    return { key: text.slice(0, at), value: text.slice(at + 1) };
  })
  .optional()
  .openapi({
    type: "string",
    description:
      "`key=value`: only those with this field in their metadata. A number is compared as it was written.",
    example: "invoice=17",
  });

export const subscriptionFiltersSchema = z.strictObject({
  status: statusesParameter,
  job_id: jobIdSchema.optional(),
  provider: nameSchema.optional(),
  connection: nameSchema.optional(),
  callback_origin: originSchema.optional(),
  metadata: metadataParameter,
  created_after: timeParameter,
  ...pagingParameters,
});

const metadataSchema = z
  .looseObject({})
  .openapi("Metadata", { description: "As sent by the client.", example: { invoice: 17 } });

const watchedJobSchema = z
  .object({
    id: idSchema("job"),
    status: jobStatusSchema,
    progress: anyJsonSchema.openapi({
      description: "From the upstream; null without one.",
      example: null,
    }),
    poll_count: z.int().openapi({ example: 4 }),
    last_polled_at: isoTimeSchema.nullable(),
    next_poll_at: isoTimeSchema.nullable().openapi({
      description: "Also null when another node watches the job.",
    }),
    last_error: z.string().nullable().openapi({ example: null }),
    waiting_for: jobWaitSchema,
    not_before: notBeforeSchema,
    deadline_at: isoTimeSchema.openapi({ example: "2026-01-03T00:00:00.000Z" }),
    ended_at: isoTimeSchema.nullable().openapi({ example: null }),
  })
  .openapi("WatchedJob", { description: "The job of a subscription, as far as it is known." });

export const subscriptionSchema = z
  .object({
    id: idSchema("sub"),
    object: z.literal("subscription"),
    status: subscriptionStatusSchema,
    job_id: z.string().openapi({ example: "abc123-def456" }),
    provider: z.string().openapi({ example: "pulse" }),
    connection: z.string().openapi({ example: "default" }),
    job: watchedJobSchema,
    callback_url: z.string().nullable().openapi({
      description: "Null for an inbox.",
      example: "https://app.example.com/hooks/ringback",
    }),
    inbox: z.string().nullable().openapi({ description: "Null for a callback.", example: null }),
    events: z.array(eventTypeSchema),
    payload: payloadSchema,
    retry_schedule_s: z.array(z.number()).nullable().openapi({
      description: "Null for the project's.",
      example: null,
    }),
    signatures: z.array(signatureSchemeSchema).nullable().openapi({
      description: "Null for the project's.",
      example: null,
    }),
    fetch_result: z.boolean(),
    trace_id: z
      .string()
      .regex(/^[0-9a-f]{32}$/)
      .openapi({
        description: "The trace that its callbacks belong to (W3C Trace Context).",
        example: "4bf92f3577b34da6a3ce929d0e0e4736",
      }),
    recognized_by: z
      .string()
      .nullable()
      .openapi({
        description:
          "How submit-through recognized the submission: by an entry of the definition, as a JSON Pointer, or " +
          "for the provider auto by a sign such as operation-location. Null for subscriptions made otherwise.",
        example: null,
      }),
    metadata: metadataSchema,
    created_at: isoTimeSchema,
  })
  .openapi("Subscription");

const warningSchema = z
  .object({
    code: z.enum(WARNING_CODES).openapi("WarningCode", {
      description:
        "callback_host_unresolved: the host name in callback_url has no address at the moment, " +
        "or was not looked up yet; callback_on_this_machine: allowed for a local gateway only.",
    }),
    message: z.string().openapi({ example: "app.example.com has no address at the moment." }),
  })
  .openapi("Warning");

export const newSubscriptionSchema = subscriptionSchema
  .extend({
    warnings: z.array(warningSchema).openapi({
      description: "Possible problems; the subscription is accepted anyway.",
      example: [],
    }),
  })
  .openapi("NewSubscription");

export const subscriptionPageSchema = pageSchemaOf(subscriptionSchema, "SubscriptionPage");

const createdItemSchema = z
  .object({
    outcome: z.literal("created"),
    status: z.literal(201),
    idempotent_replayed: z.literal(true).optional(),
    subscription: newSubscriptionSchema,
  })
  .openapi("CreatedBatchItem");
const refusedItemSchema = z
  .object({
    outcome: z.literal("refused"),
    status: z.int().min(400),
    error: problemSchema,
  })
  .openapi("RefusedBatchItem");
const validItemSchema = z
  .object({
    outcome: z.literal("valid"),
    status: z.literal(200),
    warnings: z.array(warningSchema),
  })
  .openapi("ValidBatchItem", {
    description: "With dry_run: the item would be accepted.",
  });

export const batchResponseSchema = z
  .object({
    results: z
      .array(
        z.discriminatedUnion("outcome", [createdItemSchema, refusedItemSchema, validItemSchema]),
      )
      .openapi({ description: "In the order of the request." }),
  })
  .openapi("SubscriptionBatch");
