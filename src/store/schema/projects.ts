import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { ProjectLimitValues } from "../../core/limits/project-limits.ts";
import type { SignatureScheme } from "../../core/signing.ts";
import { time } from "../sql/time.ts";
import type { AuditAction, AuditDetails } from "../../core/audit-action.ts";
import type { StatusCounts } from "../../core/project-counts.ts";
import type {
  OperationalEventEnd,
  OperationalEventType,
} from "../../core/delivery/operational-event.ts";

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
  (table) => [
    index("signing_secrets_by_project").on(table.projectId),
    // Those that have ended are kept, so a project may have many.
    index("signing_secrets_by_end").on(table.projectId, table.expiresAtMs),
  ],
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

/**
 * Links to the console, for the list of them and to end one. A link itself holds all that it needs, sealed, and
 * is not here; a row is removed some time after its link has ended.
 */
export const consoleLinks = pgTable(
  "console_links",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    /** The only subscription that the link shows; null for a link that shows more. */
    subscriptionId: uuid("subscription_id"),
    /** `key=value`, of the subscriptions that it shows; null for other links. */
    metadata: text("metadata"),
    mayRedeliver: boolean("may_redeliver").notNull(),
    /** The API key that made it. */
    keyId: uuid("key_id").notNull(),
    createdAtMs: time("created_at").notNull(),
    expiresAtMs: time("expires_at").notNull(),
    revokedAtMs: time("revoked_at"),
  },
  (table) => [
    index("console_links_by_project").on(table.projectId, table.id),
    index("console_links_by_end").on(table.expiresAtMs),
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
  /** Origins of pages that may show the project's console links in a frame. */
  readonly frame_ancestors?: readonly string[];
  /** Links to the console that were made earlier are revoked. Epoch milliseconds. */
  readonly console_links_from_ms?: number;
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

/**
 * Definitions of job APIs beyond the built-in ones. A row is never changed except to be deleted:
 * jobs name the version they were accepted under. The newest version of a name applies to new jobs,
 * unless it is deleted.
 */
export const providerVersions = pgTable(
  "provider_versions",
  {
    id: uuid("id").primaryKey(),
    /** Null for one from the operator's files, which all projects may use. */
    projectId: uuid("project_id"),
    name: text("name").notNull(),
    /** 1 for the first of its name. */
    version: integer("version").notNull(),
    /** JSON as its author wrote it, defaults left out. */
    definition: text("definition").notNull(),
    /** The API key that put it; null for the operator's files and where that was not recorded. */
    createdByKeyId: uuid("created_by_key_id"),
    createdAtMs: time("created_at").notNull(),
    updatedAtMs: time("updated_at").notNull(),
    deletedAtMs: time("deleted_at"),
  },
  (table) => [
    unique("provider_versions_by_name")
      .on(table.projectId, table.name, table.version)
      .nullsNotDistinct(),
    index("provider_versions_by_update").on(table.updatedAtMs),
  ],
);

/**
 * Answers to requests with an `Idempotency-Key` that created something. Subscriptions, which come
 * in thousands, have `idempotency_keys` instead.
 */
export const idempotentAnswers = pgTable(
  "idempotent_answers",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    /** An `operationId`: the same key may be used for requests of two kinds. */
    operation: text("operation").notNull(),
    key: text("key").notNull(),
    /** Keyed by the ring: of the request that the key was first used with. */
    requestHash: text("request_hash").notNull(),
    /** Sealed, since it may hold a secret. Null only within the transaction that creates. */
    answer: text("answer"),
    createdAtMs: time("created_at")
      .notNull()
      .default(sql`now()`),
  },
  (table) => [
    uniqueIndex("idempotent_answers_by_key").on(table.projectId, table.operation, table.key),
    index("idempotent_answers_by_time").on(table.createdAtMs),
  ],
);

/**
 * Events about a project's own operation: one row a subject, with the newest event that was not
 * sent.
 */
export const operationalEvents = pgTable(
  "operational_events",
  {
    /** Derived from project and subject. */
    shardId: smallint("shard_id").notNull(),
    projectId: uuid("project_id").notNull(),
    /** An origin, a connection or a provider. */
    subject: text("subject").notNull(),
    /** Also the `webhook-id`; every event that is sent has its own. */
    id: uuid("id").notNull(),
    type: text("type").notNull().$type<OperationalEventType>(),
    /** Raw JSON object. */
    data: text("data").notNull(),
    /** How often it happened since the last one was sent. */
    occurrences: integer("occurrences").notNull(),
    occurredAtMs: time("occurred_at").notNull(),
    /** Null once it is sent or given up. */
    dueAtMs: time("due_at"),
    attemptCount: integer("attempt_count").notNull().default(0),
    /** When its receiver was last sent an event, or refused one. */
    lastAttemptAtMs: time("told_at"),
    /** The end of this event; null while it is due, and for one that an earlier release settled. */
    settledAs: text("settled_as").$type<OperationalEventEnd>(),
    /** The latest attempt of this event: its URL, and the answer or the error. */
    sentTo: text("sent_to"),
    httpStatus: smallint("http_status"),
    lastError: text("last_error"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.projectId, table.subject] }),
    index("operational_events_by_project").on(table.projectId, table.id),
    index("operational_events_due")
      .on(table.shardId, table.dueAtMs)
      .where(sql`due_at is not null`),
  ],
);

/**
 * Counts of a project by the minute, as each node kept them in memory. Kept for a day, for
 * display; see `runtime/minute-counts.ts`.
 */
export const projectMinutes = pgTable(
  "project_minutes",
  {
    projectId: uuid("project_id").notNull(),
    minuteMs: time("minute").notNull(),
    nodeId: uuid("node_id").notNull(),
    endings: integer("endings").notNull(),
    completed: integer("completed").notNull(),
    delivered: integer("delivered").notNull(),
    failedAttempts: integer("failed_attempts").notNull(),
    exhausted: integer("exhausted").notNull(),
    gone: integer("gone").notNull(),
    /** Callbacks by the time from ending to 2xx; see `core/project-counts.ts`. */
    took: integer("took").array().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.minuteMs, table.nodeId] }),
    index("project_minutes_by_minute").on(table.minuteMs),
  ],
);
