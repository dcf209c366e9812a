import { REQUESTS_PER_SECOND_MIN } from "../../core/limits/poll-ceilings.ts";
import { z } from "@hono/zod-openapi";
import { isPrintable } from "../../core/printable.ts";
import {
  idSchema,
  isoTimeSchema,
  orNull,
  pageSchemaOf,
  stateAlias,
} from "../http/response-schemas.ts";
import { DEFAULT_CONNECTION, nameSchema } from "../subscriptions/schema.ts";

const connectionNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,62}$/, {
    error: "Must be 1 to 63 letters, digits, dots, - and _, starting with a letter or digit.",
  })
  .openapi({ default: DEFAULT_CONNECTION });

const credentialSchema = z
  .string()
  .min(1)
  .max(8192)
  .refine(isPrintable, { error: "Remove line breaks, control characters and broken Unicode." })
  .openapi({ description: "The upstream's API key. Stored encrypted and never shown again." });

const baseUrlSchema = z.string().min(1).max(2048).nullable().openapi({
  description: "The upstream's address; null for the provider's own.",
  example: "https://api.example.com",
});

const limitFields = {
  concurrency: z.int().min(1).max(1024).optional(),
  requests_per_second: z.number().min(REQUESTS_PER_SECOND_MIN).max(100_000).nullable().optional(),
  burst: z.int().min(1).max(100_000).optional(),
};
const LIMITS_DESCRIPTION = "Override the provider's. For all nodes together.";
const pollIntervalSchema = z.number().min(0.01).max(86_400).optional().openapi({
  description: "Polls at this fixed interval instead of the provider's schedule.",
});

const connectionSettingsSchema = z
  .object({
    limits: z.object(limitFields).optional().openapi({ description: LIMITS_DESCRIPTION }),
    poll_interval_s: pollIntervalSchema,
  })
  .openapi("ConnectionSettings");

const viaCallbackUrlSchema = z.string().min(1).max(2048).nullable().openapi({
  format: "uri",
  description: "Callback URL for jobs that are submitted through /via without one; null for none.",
  example: "https://app.example.com/hooks/ringback",
});

const serveStatusSchema = z.enum(["upstream", "cached"]).openapi({
  description:
    "How GET requests through /via for the status of a watched job are answered: by the upstream, or " +
    "from the latest poll, with its age. The header ringback-serve-status of a request overrides it.",
});

const newSettingsSchema = z
  .strictObject({
    limits: z.strictObject(limitFields).optional().openapi({ description: LIMITS_DESCRIPTION }),
    poll_interval_s: pollIntervalSchema,
  })
  .openapi("NewConnectionSettings");

const connectionLoadSchema = z
  .object({
    jobs: z.int().openapi({ description: "Jobs that the node polls through the connection." }),
    in_flight: z.int(),
    waiting: z.int().openapi({ description: "Polls that are due and wait for a limit." }),
    behind_s: z.number().openapi({ description: "How long the first of them has been due." }),
    limited_by: z
      .enum(["paused", "rate_limited", "concurrency", "rate", "origin", "breaker"])
      .nullable()
      .openapi({
        description:
          "The limit that polls wait for. rate_limited: the upstream refused polls because of " +
          "their rate; rate: the configured or learned rate; origin: other connections to the same " +
          "origin; breaker: the origin fails and is only probed.",
      }),
    effective_requests_per_second: z
      .number()
      .nullable()
      .openapi({
        description:
          "The node's share of the configured rate, or of the lower one that refusals have taught; " +
          "null for no limit.",
      }),
    paused_until: isoTimeSchema.nullable().openapi({
      description: "The upstream asked for no polls until then.",
    }),
    breaker: z.enum(["closed", "open", "half_open"]),
  })
  .openapi("ConnectionLoad");

export const connectionLoadsSchema = z
  .object({
    object: z.literal("connection_loads"),
    as_of: isoTimeSchema,
    missing_nodes: z.array(z.uuid()).openapi({
      description: "Nodes that did not answer in time, whose part is missing.",
      example: [],
    }),
    data: z.array(
      z
        .object({
          connection_id: idSchema("con"),
          total: connectionLoadSchema,
          nodes: z.array(
            connectionLoadSchema
              .extend({
                node_id: z.uuid().openapi({ example: "019b76da-9800-7034-a5b6-c7d8e9f00112" }),
              })
              .openapi("NodeLoad"),
          ),
        })
        .openapi("LoadOfConnection", {
          description: "Over all nodes together, and on each of them.",
        }),
    ),
  })
  .openapi("ConnectionLoads");

const CONNECTION_STATUSES = ["active", "paused"] as const;
const connectionStatusSchema = z.enum(CONNECTION_STATUSES).openapi("ConnectionStatus", {
  description: "A paused connection keeps its jobs and polls none.",
});

export const connectionSchema = z
  .object({
    id: idSchema("con"),
    object: z.literal("connection"),
    provider: z.string(),
    name: z.string(),
    base_url: z.string().nullable().openapi({ description: "Null for the provider's own." }),
    has_credential: z.boolean(),
    callback_url: viaCallbackUrlSchema,
    serve_status: serveStatusSchema,
    settings: connectionSettingsSchema,
    status: connectionStatusSchema,
    state: stateAlias(z.enum(CONNECTION_STATUSES)),
    paused_reason: z.string().nullable(),
    paused_at: isoTimeSchema.nullable(),
    next_probe_at: isoTimeSchema.nullable().openapi({
      description:
        "When one job will be polled to see whether the pause can be lifted; null when it was " +
        "paused by hand.",
    }),
    load: orNull(connectionLoadSchema).openapi({
      description:
        "The load on the node that responds; null when the connection is not known there yet.",
    }),
    created_at: isoTimeSchema,
    updated_at: isoTimeSchema,
  })
  .openapi("Connection");

export const connectionPageSchema = pageSchemaOf(connectionSchema, "ConnectionPage");

export const newConnectionSchema = z
  .strictObject({
    provider: nameSchema,
    name: connectionNameSchema.optional(),
    credential: credentialSchema.optional(),
    base_url: baseUrlSchema.optional(),
    callback_url: viaCallbackUrlSchema.optional(),
    serve_status: serveStatusSchema.optional().openapi({ default: "upstream" }),
    settings: newSettingsSchema.optional(),
  })
  .openapi("NewConnection");

export const connectionChangeSchema = z
  .strictObject({
    credential: credentialSchema.optional().openapi({
      description: "A new credential; resumes a paused connection.",
    }),
    base_url: baseUrlSchema.optional(),
    callback_url: viaCallbackUrlSchema.optional(),
    serve_status: serveStatusSchema.optional(),
    settings: newSettingsSchema.optional().openapi({
      description: "Replaces all settings.",
    }),
    status: connectionStatusSchema.optional(),
    state: stateAlias(z.enum(CONNECTION_STATUSES)).optional(),
  })
  .refine(({ status, state }) => status === undefined || state === undefined || status === state, {
    path: ["state"],
    error: "Give status alone; state is its earlier name.",
  })
  .openapi("ConnectionChange");

export type ConnectionChangeBody = z.output<typeof connectionChangeSchema>;
