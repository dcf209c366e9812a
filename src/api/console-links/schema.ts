import { z } from "@hono/zod-openapi";
import { idSchema, isoTimeSchema, pageSchemaOf } from "../http/response-schemas.ts";
import { metadataFilterText } from "../subscriptions/schema.ts";

const EXPIRES_IN_S_DEFAULT = 3600;
const EXPIRES_IN_S_MIN = 60;
/** A link can be taken back only with its key or with all others, so it has to end soon by itself. */
const EXPIRES_IN_S_MAX = 86_400;

export const consoleLinkRequestSchema = z
  .strictObject({
    subscription_id: idSchema("sub").optional().openapi({
      description: "Shows this subscription and its job, and nothing else.",
    }),
    metadata: metadataFilterText.optional().openapi({
      description:
        "`key=value`: shows the subscriptions with this field in their metadata and their jobs, " +
        "and nothing else.",
      example: "customer=acme",
    }),
    may_redeliver: z.boolean().default(false).openapi({
      description:
        "Whether callbacks can be sent again through the link; needs the scope subscriptions:write.",
    }),
    expires_in_s: z
      .int()
      .min(EXPIRES_IN_S_MIN)
      .max(EXPIRES_IN_S_MAX)
      .default(EXPIRES_IN_S_DEFAULT)
      .openapi({ description: "When the link ends, in seconds from now." }),
  })
  .refine((link) => link.subscription_id === undefined || link.metadata === undefined, {
    path: ["metadata"],
    error: "Give either subscription_id or metadata, or neither for the whole project.",
  })
  .openapi("ConsoleLinkRequest");

const linkFields = {
  id: idSchema("lnk"),
  object: z.literal("console_link"),
  subscription_id: idSchema("sub").nullable(),
  metadata: z.string().nullable(),
  may_redeliver: z.boolean(),
  expires_at: isoTimeSchema,
};

export const newConsoleLinkSchema = z
  .object({
    ...linkFields,
    url: z.string().openapi({
      format: "uri",
      example: "https://ringback.example.com/console/links/v2.5f1c9a04.k3Jd0a8fXw/",
      description:
        "Opens the console, without an API key. Anyone who has it sees what it shows. Only in this response.",
    }),
  })
  .openapi("NewConsoleLink");

export const consoleLinkSchema = z
  .object({
    ...linkFields,
    created_by: idSchema("key").openapi({ description: "Revoking this API key ends the link." }),
    created_at: isoTimeSchema,
    revoked_at: isoTimeSchema.nullable(),
  })
  .openapi("ConsoleLink");

export const consoleLinkPageSchema = pageSchemaOf(consoleLinkSchema, "ConsoleLinkPage");
