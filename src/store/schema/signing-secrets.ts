import { boolean, index, pgTable, text, uuid } from "drizzle-orm/pg-core";
import type { SignatureScheme } from "../../core/signing/signature-scheme.ts";
import { time } from "../sql/time.ts";

/** Secrets and keys that sign a project's callbacks. */
export const signingSecrets = pgTable(
  "signing_secrets",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    /** Which kind of signature it makes. */
    scheme: text("scheme").notNull().default("v1").$type<SignatureScheme>(),
    /** Encrypted: `whsec_…` of `v1`, `whsk_…` of `v1a`. */
    secret: text("secret").notNull(),
    /** `whpk_…` of `v1a`. */
    publicKey: text("public_key"),
    /** It came from the environment, which may still name it after it was replaced here. */
    fromEnvironment: boolean("from_environment").notNull().default(false),
    createdAtMs: time("created_at").notNull(),
    /** Null for the current secret; a rotated one continues to sign until then. */
    expiresAtMs: time("expires_at"),
  },
  (table) => [index("signing_secrets_by_project").on(table.projectId)],
);
