import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import type { AuditAction, AuditDetails } from "../../core/audit-action.ts";
import { time } from "../sql/time.ts";

/**
 * Who changed what in a project, and from where. Rows are only added, and removed when they are
 * old.
 */
export const auditLog = pgTable(
  "audit_log",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    action: text("action").notNull().$type<AuditAction>(),
    /** The id of what was changed, or its name. */
    subject: text("subject").notNull(),
    details: jsonb("details").notNull().default({}).$type<AuditDetails>(),
    /** The API key that made the change; null for a command of the operator. */
    keyId: uuid("key_id"),
    /** The command, as `project key`; null for a change through the API. */
    command: text("command"),
    /** The client's address; null for a command. */
    address: text("address"),
    createdAtMs: time("created_at")
      .notNull()
      .default(sql`now()`),
  },
  (table) => [
    index("audit_log_by_project").on(table.projectId, table.id),
    index("audit_log_by_time").on(table.createdAtMs),
  ],
);
