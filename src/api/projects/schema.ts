import { REQUESTS_PER_SECOND_MIN } from "../../core/limits/poll-ceilings.ts";
import { z } from "@hono/zod-openapi";
import { eachLimit, limitOf, type ProjectLimitName } from "../../core/limits/project-limits.ts";
import {
  idSchema,
  isoTimeSchema,
  orNull,
  pageSchemaOf,
  scopeSchema,
  signatureSchemeSchema,
} from "../http/response-schemas.ts";
import { retryScheduleSchema, signaturesSchema } from "../http/delivery-settings-schema.ts";
import { FRAME_ANCESTORS_MAX, isFrameAncestor } from "../../core/frame-ancestor.ts";
import { isPrintable } from "../../core/printable.ts";
import { SCOPES } from "../../core/scopes.ts";
import { AUDIT_ACTIONS } from "../../core/audit-action.ts";
import { OPERATIONAL_EVENT_TYPES } from "../../core/delivery/operational-event.ts";

const LIVE_JOBS_MAX = 1_000_000_000;

const liveJobsMaxSchema = z
  .int()
  .min(0)
  .max(LIVE_JOBS_MAX)
  .nullable()
  .openapi({
    description:
      "How many jobs may be watched at once; a subscription that would add one more is " +
      "refused. Null for the operator's limit.",
  });

const callbackConcurrencySchema = z.int().min(1).max(1024).nullable().openapi({
  description:
    "Callbacks in progress to one origin. At most the gateway's limit, which null selects.",
});

const callbackRateSchema = z.number().min(REQUESTS_PER_SECOND_MIN).max(100_000).nullable().openapi({
  description: "Callbacks a second to one origin. At most the gateway's limit, which null selects.",
});

const operationsUrlSchema = z
  .string()
  .min(1)
  .max(2048)
  .nullable()
  .openapi({
    format: "uri",
    example: "https://app.example.com/hooks/operations",
    description:
      "URL for operational events: deliveries that were given up, callback origins that fail, " +
      "connections that are paused, and unknown statuses. Null for none.",
  });

const frameAncestorsSchema = z
  .array(
    z.string().max(300).refine(isFrameAncestor, {
      error: "Must be an origin such as https://app.example.com; http only for localhost.",
    }),
  )
  .max(FRAME_ANCESTORS_MAX)
  .openapi({
    description:
      "Origins of the pages that may show links to the console (POST /v1/console-links) in a " +
      "frame. None may when the list is empty or null.",
    example: ["https://app.example.com"],
  });

const SCOPE_OF_USE = { stock: "", concurrency: " On this node.", rate: " On this node." } as const;

function limitSchema(name: ProjectLimitName) {
  const { unit, kind, counts } = limitOf(name);
  const per = kind === "rate" ? " per second" : "";
  return z
    .object({
      allowed: z
        .number()
        .min(0)
        .openapi({ description: `In ${unit}${per}.` }),
      used: z
        .number()
        .nullable()
        .openapi({ description: `Now; null when unknown.${SCOPE_OF_USE[kind]}` }),
    })
    .openapi({ description: counts });
}

const limitsSchema = z.object(eachLimit(limitSchema)).openapi("ProjectLimits", {
  description: "The project's limits, as set by the operator, and its usage.",
});

/** A project's own settings; each is returned under the same name, null when it is not set. */
export const projectChangeSchema = z
  .strictObject({
    live_jobs_max: liveJobsMaxSchema.optional(),
    retry_schedule_s: orNull(retryScheduleSchema).optional(),
    signatures: orNull(signaturesSchema).optional(),
    callback_concurrency: callbackConcurrencySchema.optional(),
    callback_requests_per_second: callbackRateSchema.optional(),
    operations_url: operationsUrlSchema.optional(),
    frame_ancestors: orNull(frameAncestorsSchema).optional(),
  })
  .openapi("ProjectChange");

export const projectSchema = z
  .object({
    id: idSchema("prj"),
    object: z.literal("project"),
    name: z.string(),
    live_jobs: z.int().openapi({
      description:
        "Jobs that are watched now. Jobs that other nodes accepted in the last ten seconds may " +
        "be missing, and jobs that this node passed on to them may count twice.",
    }),
    live_jobs_max: liveJobsMaxSchema,
    live_jobs_allowed: z.int().openapi({
      description: "The operator's limit; live_jobs_max can't be above it.",
    }),
    retry_schedule_s: z.array(z.number()).nullable().openapi({
      description: "Null for the gateway's.",
    }),
    signatures: z.array(signatureSchemeSchema).nullable().openapi({
      description: "Null for v1 only.",
    }),
    callback_concurrency: callbackConcurrencySchema,
    callback_requests_per_second: callbackRateSchema,
    operations_url: operationsUrlSchema,
    frame_ancestors: orNull(frameAncestorsSchema),
    limits: limitsSchema,
    created_at: isoTimeSchema,
    updated_at: isoTimeSchema,
  })
  .openapi("Project");

/** The gateway's own key from the environment: it is replaced there, not here. */
const BOOTSTRAP_KEY_NAME = "bootstrap";

export const newKeySchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(100)
      .refine(isPrintable, { error: "Remove control characters and broken Unicode." })
      .refine((name) => name !== BOOTSTRAP_KEY_NAME, {
        error: "This name is reserved for the gateway's own key.",
      }),
    scopes: z
      .array(z.unknown())
      .min(1)
      .max(SCOPES.length)
      .pipe(z.array(scopeSchema))
      .refine((scopes) => new Set(scopes).size === scopes.length, {
        error: "List each scope only once.",
      })
      .openapi({
        type: "array",
        items: { $ref: "#/components/schemas/Scope" },
      }),
    expires_at: z.iso
      .datetime({ offset: true, error: "Must be a time such as 2027-01-31T12:00:00Z." })
      .max(64)
      .optional(),
  })
  .openapi("ApiKeyRequest");

export const auditEntrySchema = z
  .object({
    id: idSchema("aud"),
    object: z.literal("audit_entry"),
    action: z.enum(AUDIT_ACTIONS),
    subject: z.string().openapi({ description: "The id of what was changed, or its name." }),
    details: z
      .record(z.string(), z.union([z.string(), z.number(), z.array(z.string()), z.null()]))
      .openapi({ description: "Names and numbers; never a secret." }),
    actor: z
      .discriminatedUnion("kind", [
        z.object({ kind: z.literal("api_key"), id: idSchema("key") }).openapi("ApiKeyActor"),
        z.object({ kind: z.literal("operator"), command: z.string() }).openapi("OperatorActor"),
      ])
      .openapi("Actor", { description: "The API key of the request, or the operator's command." }),
    address: z
      .string()
      .nullable()
      .openapi({ description: "The client's address; null for a command." }),
    created_at: isoTimeSchema,
  })
  .openapi("AuditEntry");

export const auditPageSchema = pageSchemaOf(auditEntrySchema, "AuditPage");

export const operationalEventTypeSchema = z
  .enum(OPERATIONAL_EVENT_TYPES)
  .openapi("OperationalEventType");

export const operationalEventSchema = z
  .object({
    id: idSchema("ope").openapi({ description: "Also the webhook-id of its callback." }),
    object: z.literal("operational_event"),
    type: operationalEventTypeSchema,
    timestamp: isoTimeSchema,
    occurrences: z.int().openapi({
      description: "How often it happened since the last event about the same subject was sent.",
    }),
    data: z.looseObject({}).openapi({
      description: "As in the callback.",
      example: { callback_origin: "https://app.example.com" },
    }),
    status: z.enum(["pending", "delivered", "exhausted", "unwanted"]).openapi({
      description:
        "exhausted: the operations URL did not take it. unwanted: the project had no operations " +
        "URL when it was to be sent.",
    }),
    attempt_count: z.int(),
    sent_to: z.string().nullable().openapi({
      description: "The operations URL of the latest attempt; null before the first.",
      example: "https://app.example.com/hooks/operations",
    }),
    http_status: z.int().nullable().openapi({
      description: "The answer to the latest attempt; null when none came.",
    }),
    last_error: z.string().nullable(),
    next_attempt_at: isoTimeSchema.nullable(),
    last_attempt_at: isoTimeSchema.nullable().openapi({
      description: "When the operations URL was last sent an event about the same subject.",
    }),
  })
  .openapi("OperationalEvent");

export const operationalEventPageSchema = pageSchemaOf(
  operationalEventSchema,
  "OperationalEventPage",
);
