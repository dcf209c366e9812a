import { z } from "@hono/zod-openapi";
import { isoTimeSchema, pageOf } from "../http/response-schemas.ts";
import { isObject } from "../request/record-of-strings.ts";

/** Checks only that it is an object: its content is validated when its name is known. */
export const definitionBodySchema = z
  .custom<object>(isObject, { error: "Must be a JSON object, the definition." })
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

export const providerPageSchema = pageOf(providerSchema, "ProviderPage");
