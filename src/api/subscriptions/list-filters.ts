import { z } from "@hono/zod-openapi";
import { SUBSCRIPTION_STATUSES } from "../http/response-schemas.ts";
import { originSchema, pagingParameters, timeParameter } from "../request/list-query.ts";
import { jobIdSchema, nameSchema } from "./schema.ts";

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
const metadataParameter = z
  .string()
  .max(METADATA_FILTER_CHARACTERS_MAX)
  .refine((text) => text.indexOf("=") > 0 && !text.includes("\0"), {
    error: "Must be key=value: the name of a field of the metadata, and its value.",
  })
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
