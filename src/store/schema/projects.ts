import { sql } from "drizzle-orm";
import type { ProjectLimitValues } from "../../core/project-limits.ts";
import type { SignatureScheme } from "../../core/signing/signature-scheme.ts";
import { bigint, boolean, index, integer, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";
import type { AuditAction, AuditDetails } from "../../core/audit-action.ts";
import type { StatusCounts } from "../../core/status-counts.ts";

/** The use of limits by projects, counted periodically by one node for all; see `intake/project-usage.ts`. */
export const projectUsage = pgTable("project_usage", {
  projectId: uuid("project_id").primaryKey(),
  liveSubscriptions: bigint("live_subscriptions", { mode: "number" }).notNull(),
  owedDeliveries: bigint("owed_deliveries", { mode: "number" }).notNull(),
  storedBytes: bigint("stored_bytes", { mode: "number" }).notNull(),
  inboxUnreadBytes: bigint("inbox_unread_bytes", { mode: "number" }).notNull().default(0),
  countedAtMs: time("counted_at").notNull(),
});

/** How many rows of each status a project has, counted periodically by one node for all. */
export const projectStats = pgTable("project_stats", {
  projectId: uuid("project_id").primaryKey(),
  counts: jsonb("counts").notNull().$type<StatusCounts>(),
  countedAtMs: time("counted_at").notNull(),
});

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

/** A project's settings as the API received them; the gateway's apply where absent. */
export interface ProjectSettings {
  readonly live_jobs_max?: number;
  readonly retry_schedule_s?: readonly number[];
  readonly signatures?: readonly SignatureScheme[];
  readonly callback_concurrency?: number;
  readonly callback_requests_per_second?: number;
  readonly operations_url?: string;
}

export const projects = pgTable(
  "projects",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull().unique(),
    settings: jsonb("settings").notNull().default({}).$type<ProjectSettings>(),
    /** The operator's limits for this project; the gateway's apply where absent. */
    limits: jsonb("limits").notNull().default({}).$type<Partial<ProjectLimitValues>>(),
    /** A copy of the limit `live_jobs`, for nodes of the previous release. */
    liveJobsAllowed: integer("live_jobs_allowed"),
    createdAtMs: time("created_at").notNull(),
    updatedAtMs: time("updated_at")
      .notNull()
      .default(sql`now()`),
  },
  (table) => [index("projects_by_update").on(table.updatedAtMs)],
);
