import { z } from "@hono/zod-openapi";
import { isPrintable } from "../core/printable.ts";
import { connectionSettingsSchema } from "./response-schemas.ts";
import { DEFAULT_CONNECTION, nameSchema } from "./subscription-schema.ts";

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
  description: "Where the upstream is; null for the provider's own address.",
  example: "https://api.example.com",
});

export const newConnectionSchema = z
  .strictObject({
    provider: nameSchema,
    name: connectionNameSchema.optional(),
    credential: credentialSchema.optional(),
    base_url: baseUrlSchema.optional(),
    settings: connectionSettingsSchema.optional(),
  })
  .openapi("NewConnection");

export const connectionChangeSchema = z
  .strictObject({
    credential: credentialSchema.optional().openapi({
      description: "A new credential; makes a paused connection active again.",
    }),
    base_url: baseUrlSchema.optional(),
    settings: connectionSettingsSchema.optional().openapi({
      description: "Replaces all settings.",
    }),
    state: z.enum(["active", "paused"]).optional().openapi({
      description: "A paused connection keeps its jobs and polls none.",
    }),
  })
  .openapi("ConnectionChange");

export type ConnectionChangeBody = z.output<typeof connectionChangeSchema>;
