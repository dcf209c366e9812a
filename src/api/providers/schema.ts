import { z } from "@hono/zod-openapi";
import { definitionJsonSchema } from "../../providers/compile/read-definition.ts";
import { isObject } from "../request/record-of-strings.ts";

/** Only that it is an object: what it must hold is judged when its name is known. */
export const definitionBodySchema = z
  .custom<object>(isObject, { error: "Must be a JSON object, the definition." })
  .openapi("ProviderDefinition", definitionDocumentation());

/** Its JSON Schema, which stands at /v1/providers/schema as well. */
function definitionDocumentation() {
  const { $schema: _, ...schema } = definitionJsonSchema() as Readonly<Record<string, unknown>>;
  return schema;
}

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
  version_created_at: z.iso.datetime().nullable(),
  documentation_url: z.string().nullable(),
  base_url: z
    .string()
    .nullable()
    .openapi({ description: "Null when each connection gives its own." }),
  params: z.array(z.string()),
  required_params: z.array(z.string()),
  supports_cancel: z.boolean(),
  default_deadline_s: z.number(),
  deadline_s_max: z.number(),
  limits: z.strictObject({
    concurrency: z.int(),
    requests_per_second: z.number().nullable(),
    burst: z.int(),
  }),
};

export const providerSchema = z.strictObject(providerFields).openapi("Provider");

export const providerWithDefinitionSchema = z
  .strictObject({ ...providerFields, definition: definitionBodySchema })
  .openapi("ProviderWithDefinition");

export const providerPageSchema = z
  .strictObject({ data: z.array(providerSchema), next_cursor: z.null() })
  .openapi("ProviderPage");
