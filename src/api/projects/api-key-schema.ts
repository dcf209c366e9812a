import { z } from "@hono/zod-openapi";
import { isPrintable } from "../../core/printable.ts";
import { SCOPES } from "../../core/scopes.ts";
import { scopeSchema } from "../http/response-schemas.ts";

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
