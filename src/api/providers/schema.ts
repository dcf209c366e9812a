import { z } from "@hono/zod-openapi";
import {
  headerValuesSchema,
  idSchema,
  isoTimeSchema,
  pageSchemaOf,
} from "../http/response-schemas.ts";
import { isJsonObject } from "../request/record-of-strings.ts";
import { sampleAnswerSchema } from "../../providers/trial/sample.ts";
import { jobIdSchema, nameSchema, paramsSchema } from "../subscriptions/schema.ts";

/** Checks only that it is an object: its content is validated when its name is known. */
export const definitionBodySchema = z
  .custom<object>(isJsonObject, { error: "Must be a JSON object, the definition." })
  .openapi("ProviderDefinition", {
    type: "object",
    additionalProperties: true,
    description:
      "A definition. Its JSON Schema is at /v1/providers/schema; editors can use it for " +
      "completion.",
    externalDocs: { description: "JSON Schema of a definition", url: "/v1/providers/schema" },
    example: { base_url: "https://api.example.com", status: { path: "/jobs/{job_id}" } },
  });

const providerFields = {
  object: z.literal("provider"),
  name: z.string(),
  title: z.string(),
  source: z.enum(["built_in", "file", "project"]).openapi({
    description:
      "built_in: comes with Ringback; file: from the operator's files; project: your own.",
  }),
  version: z
    .int()
    .nullable()
    .openapi({ description: "1 for the first definition of its name; null when built in." }),
  version_created_at: isoTimeSchema.nullable(),
  documentation_url: z.string().nullable(),
  base_url: z
    .string()
    .nullable()
    .openapi({ description: "Null when each connection must have its own." }),
  params: z.array(z.string()),
  required_params: z.array(z.string()),
  supports_cancel: z.boolean(),
  default_deadline_s: z.number(),
  deadline_s_max: z.number(),
  limits: z.object({
    concurrency: z.int(),
    requests_per_second: z.number().nullable(),
    burst: z.int(),
  }),
};

export const providerSchema = z.object(providerFields).openapi("Provider");

export const providerWithDefinitionSchema = z
  .object({ ...providerFields, definition: definitionBodySchema })
  .openapi("ProviderWithDefinition");

export const providerPageSchema = pageSchemaOf(providerSchema, "ProviderPage");

const versionFields = {
  object: z.literal("provider_version"),
  name: z.string(),
  version: z.int(),
  created_by: idSchema("key").nullable().openapi({
    description: "The API key that put it; null where that was not recorded.",
  }),
  created_at: isoTimeSchema,
  deleted_at: isoTimeSchema.nullable().openapi({
    description: "When the provider was deleted while this was its newest version.",
  }),
};

export const providerVersionSchema = z.object(versionFields).openapi("ProviderVersion");

export const providerVersionWithDefinitionSchema = z
  .object({ ...versionFields, definition: definitionBodySchema })
  .openapi("ProviderVersionWithDefinition");

export const providerVersionPageSchema = pageSchemaOf(providerVersionSchema, "ProviderVersionPage");

const AGE_S_MAX = 365 * 24 * 3600;

export const trialRequestSchema = z
  .strictObject({
    definition: definitionBodySchema.optional().openapi({
      description: "The definition to try; the provider's own by default. It is not stored.",
    }),
    answer: sampleAnswerSchema.optional().openapi({
      description: "A sample response of the upstream.",
    }),
    request: z.enum(["status", "result"]).default("status").openapi({
      description: "The request that the sample responds to; result is the second request.",
    }),
    job_id: jobIdSchema.optional().openapi({
      description: "Instead of a sample: a job that is polled once.",
    }),
    submission: z
      .strictObject({
        method: z.enum(["POST", "PUT", "PATCH", "DELETE"]).default("POST"),
        path: z.string().min(1).max(2048).startsWith("/").openapi({
          description: "Below the base URL, without a query.",
          example: "/v1/batches",
        }),
        headers: z.record(z.string().min(1).max(100), z.string().max(8192)).default({}),
      })
      .optional()
      .openapi({
        description:
          "The request that the sample answers, to see which job it would be read as having submitted " +
          "through /via.",
      }),
    params: paramsSchema.optional(),
    connection: nameSchema.optional(),
    age_s: z.number().min(0).max(AGE_S_MAX).default(0).openapi({
      description: "How long ago the job was accepted; decides what a 404 means.",
    }),
    seen_before: z.boolean().default(false).openapi({
      description: "Whether an earlier response proved that the upstream knows the job.",
    }),
  })
  .superRefine((body, context) => {
    for (const { path, message } of contradictions(body)) {
      context.addIssue({ code: "custom", path, message });
    }
  })
  .openapi("ProviderTrialRequest");

export type TrialRequest = z.output<typeof trialRequestSchema>;

function contradictions(body: {
  readonly answer?: unknown;
  readonly job_id?: unknown;
  readonly params?: unknown;
  readonly connection?: unknown;
  readonly submission?: unknown;
  readonly request: string;
}): { readonly path: string[]; readonly message: string }[] {
  if (body.answer === undefined && body.job_id === undefined) {
    const message = "Send an answer to read, or a job_id to poll.";
    return [{ path: ["answer"], message }];
  }
  if (body.answer === undefined) {
    const message = "Only a sample can be a response to the second request; remove this.";
    return body.request === "status" ? [] : [{ path: ["request"], message }];
  }
  if (body.submission !== undefined && body.request !== "status") {
    return [{ path: ["request"], message: "Remove this, or the submission." }];
  }
  return (["job_id", "params", "connection"] as const)
    .filter((field) => body[field] !== undefined)
    .map((field) => ({ path: [field], message: "Remove this, or the answer." }));
}

const shownText = z.string().nullable();

export const providerTrialSchema = z
  .object({
    object: z.literal("provider_trial"),
    provider: z.string(),
    version: z.int().nullable().openapi({ description: "Null when built in or not stored." }),
    asked: z
      .object({ method: z.string(), url: z.string() })
      .nullable()
      .openapi({ description: "The request about the live job, without the credential." }),
    answer: z
      .object({
        status: z.int(),
        headers: headerValuesSchema,
        body: z.string(),
      })
      .nullable()
      .openapi({ description: "The upstream's response about a live job; the body's beginning." }),
    failure: shownText.openapi({ description: "Why there is no response about a live job." }),
    steps: z
      .object({
        request: z.enum(["status", "result"]),
        http_status: z.int(),
        body: z.object({ bytes: z.int(), is_json: z.boolean(), why: shownText }),
        rules: z.array(
          z.object({
            rule: z.string().openapi({ description: "A JSON Pointer into the definition." }),
            note: z.string().optional(),
            observe: z.string(),
            outcome: z.enum(["matched", "did_not_match", "not_tried"]),
            why: shownText.openapi({ description: "The first condition that failed." }),
          }),
        ),
        decided_by: shownText.openapi({
          description: "The rule that matched; null when HTTP's own meaning applies.",
        }),
        extracted: z.array(
          z.object({
            field: z.string().openapi({ description: "A JSON Pointer into the definition." }),
            found_at: shownText.openapi({ description: "A JSON Pointer into the response." }),
            value: shownText.openapi({ description: "The JSON there, cut to 1000 characters." }),
          }),
        ),
        steps: z.object({ used: z.int(), max: z.int() }).openapi({
          description:
            "How many steps a poll takes to read the response, and how many it may take; a response " +
            "that takes more can't be read.",
        }),
        observation: z.looseObject({ kind: z.string() }),
      })
      .nullable()
      .openapi({ description: "How the response is read; null without one." }),
    submission: z
      .object({
        job_id: z.string(),
        params: z.record(z.string(), z.string()),
        recognized_by: z.string().openapi({
          description:
            "The entry of submit, as a JSON Pointer, or what the answer was recognized by.",
        }),
      })
      .nullable()
      .openapi({
        description:
          "The job that the sample says was submitted; null without one, or a submission.",
      }),
    consequence: z.string().openapi({ description: "Ringback's reaction to such a response." }),
  })
  .openapi("ProviderTrial");
