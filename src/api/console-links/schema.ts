import { z } from "@hono/zod-openapi";
import { idSchema, isoTimeSchema } from "../http/response-schemas.ts";
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

export const consoleLinkSchema = z
  .object({
    object: z.literal("console_link"),
    url: z.string().openapi({
      format: "uri",
      example: "https://ringback.example.com/console/links/v2.5f1c9a04.k3Jd0a8fXw/",
      description: "Opens the console, without an API key. Whoever has it sees what it shows.",
    }),
    subscription_id: idSchema("sub").nullable(),
    metadata: z.string().nullable(),
    may_redeliver: z.boolean(),
    expires_at: isoTimeSchema,
  })
  .openapi("ConsoleLink");
