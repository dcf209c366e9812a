import { z } from "@hono/zod-openapi";
import { AUDIT_ACTIONS } from "../../core/audit-action.ts";
import { idSchema, isoTimeSchema, pageOf } from "../http/response-schemas.ts";

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

export const auditPageSchema = pageOf(auditEntrySchema, "AuditPage");
