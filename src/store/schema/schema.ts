/**
 * The tables. Rows about a job carry `shard_id` first in every key, so that the schema also runs on
 * Citus, distributed by that column (`npm run migrate -- --distribute`); the others are small and
 * stay on its coordinator. One plain Postgres takes a fifth of the CPU for the same work. The
 * sharded tables have no foreign keys: each would lock its parent row on every insert. Raw JSON is
 * `text`, because `jsonb` would rewrite numbers.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { DeliveryStatus } from "../../core/delivery/delivery-outcome.ts";
import type { PollOutcome } from "../../core/waiting/job-wait.ts";
import type { EndingStatus, EventType } from "../../core/delivery/event.ts";
import type { Scope } from "../../core/scopes.ts";
import { time } from "../sql/time.ts";

export type ConnectionState = "active" | "paused";
/** `unwatched`: every subscription was deleted before the job ended. */
export type JobStatus = "pending" | "processing" | "unwatched" | EndingStatus;
/** Set once no further callbacks are sent for a subscription, whatever happens to its job. */
export type SubscriptionClosure = "canceled" | "gone";
export type PayloadMode = "full" | "thin";
/** Commands from a node to the owner of a shard. */
export type CommandKind =
  | "watch"
  | "poll_now"
  | "cancel"
  | "deliver"
  | "inspect"
  | "observe"
  | "try_origin";

export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    name: text("name").notNull(),
    /** SHA-256 of the key in hex; the key itself is shown once and never stored. */
    keyHash: text("key_hash").notNull().unique(),
    scopes: text("scopes").array().notNull().$type<readonly Scope[]>(),
    createdAtMs: time("created_at").notNull(),
    expiresAtMs: time("expires_at"),
    revokedAtMs: time("revoked_at"),
    /** Replaced by another key of the environment; it works again if the environment names it. */
    isReplaced: boolean("is_replaced").notNull().default(false),
    /** The database's time, by which nodes find changes. */
    updatedAtMs: time("updated_at")
      .notNull()
      .default(sql`now()`),
  },
  (table) => [
    index("api_keys_by_project").on(table.projectId, table.id),
    index("api_keys_by_update").on(table.updatedAtMs),
    // An older release that still runs records only the revocation.
    index("api_keys_by_revocation")
      .on(table.revokedAtMs)
      .where(sql`revoked_at is not null`),
  ],
);

/** An operator's overrides of a provider's limits and schedule, as the API received them. */
export interface ConnectionSettings {
  readonly limits?: {
    readonly concurrency?: number | undefined;
    readonly requests_per_second?: number | null | undefined;
    readonly burst?: number | undefined;
  };
  readonly poll_interval_s?: number;
  /** Settings of forwarded requests, which the API shows next to the other settings. */
  readonly via?: ConnectionViaSettings;
}

export interface ConnectionViaSettings {
  /** Callback URL for jobs whose submission names no other. */
  readonly callback_url?: string;
  /** Where requests for the status of a watched job are answered from: upstream unless set. */
  readonly serve_status?: ServedStatus;
}

/** The upstream itself, or the latest poll of the job. */
export type ServedStatus = "upstream" | "cached";

export const connections = pgTable(
  "connections",
  {
    id: uuid("id").primaryKey(),
    projectId: uuid("project_id").notNull(),
    provider: text("provider").notNull(),
    name: text("name").notNull(),
    baseUrl: text("base_url"),
    /** Encrypted; null for a provider that needs none. */
    credential: text("credential"),
    /**
     * The origin and hosts that the provider named when the credential was given: it is sent
     * nowhere else, whatever a later definition says. Null for the hosts of the built-in
     * definition.
     */
    agreedHosts: text("agreed_hosts").array().$type<readonly string[]>(),
    /** Grows with every new credential, so that a late 401 cannot pause its successor. */
    credentialVersion: integer("credential_version").notNull().default(1),
    settings: jsonb("settings").notNull().default({}).$type<ConnectionSettings>(),
    state: text("state").notNull().default("active").$type<ConnectionState>(),
    pausedReason: text("paused_reason"),
    pausedAtMs: time("paused_at"),
    /** When one job is polled to see whether the pause can be lifted; null for a pause by hand. */
    probeAtMs: time("probe_at"),
    /** Probes since the pause began. */
    probes: integer("probes").notNull().default(0),
    createdAtMs: time("created_at").notNull(),
    updatedAtMs: time("updated_at").notNull(),
    deletedAtMs: time("deleted_at"),
    /** Sealed: the environment's settings that were last applied; null for other connections. */
    environment: text("environment"),
  },
  (table) => [
    uniqueIndex("connections_by_name")
      .on(table.projectId, table.provider, table.name)
      .where(sql`deleted_at is null`),
    index("connections_by_project")
      .on(table.projectId, table.id)
      .where(sql`deleted_at is null`),
    index("connections_by_update").on(table.updatedAtMs),
  ],
);

/** One row a running process; every start has a new `id`. */
export const nodes = pgTable("nodes", {
  id: uuid("id").primaryKey(),
  address: text("address").notNull(),
  /** Location of its process: `ProcessIdentity`. */
  host: text("host").notNull().default(""),
  machine: text("machine"),
  pid: integer("pid").notNull().default(0),
  pidStart: text("pid_start"),
  startedAtMs: time("started_at").notNull(),
  renewedAtMs: time("renewed_at")
    .notNull()
    .default(sql`now()`),
  /** How often it has renewed its lease; a node without any renewal is not counted yet. */
  renewals: integer("renewals").notNull().default(0),
  leaseExpiresAtMs: time("lease_expires_at").notNull(),
  /** By project: how many live jobs it watches, as of its last renewal. */
  liveJobs: jsonb("live_jobs").notNull().default({}).$type<Readonly<Record<string, number>>>(),
});

export const shards = pgTable("shards", {
  shardId: smallint("shard_id").primaryKey(),
  ownerId: uuid("owner_id"),
  /** When an owner last released it; applies only while it has none. */
  releasedAtMs: time("released_at"),
});

export const jobs = pgTable(
  "jobs",
  {
    shardId: smallint("shard_id").notNull(),
    id: uuid("id").notNull(),
    projectId: uuid("project_id").notNull(),
    connectionId: uuid("connection_id").notNull(),
    provider: text("provider").notNull(),
    /** The definition it is polled by; null for the built-in one. */
    providerVersionId: uuid("provider_version_id"),
    jobId: text("job_id").notNull(),
    /** Raw JSON object of strings. */
    params: text("params").notNull().default("{}"),
    /** Part of the key: the same job id with other params is another job. Empty without params. */
    paramsDigest: text("params_digest").notNull().default(""),
    /** Checkpointed while the job is live. `ended_at` marks a finished job. */
    status: text("status").notNull().$type<JobStatus>(),
    acceptedAtMs: time("accepted_at").notNull(),
    deadlineAtMs: time("deadline_at").notNull(),
    /** Subscriptions made to it until it ended, closed ones included. */
    subscriptionCount: integer("subscription_count").notNull().default(0),
    /** Union of its subscriptions' event masks. */
    wantedEvents: smallint("wanted_events").notNull(),
    endedAtMs: time("ended_at"),
    /** The newest event; the ending, once the job has ended. */
    lastEventId: uuid("last_event_id"),
    /**
     * Its `job.processing`, which is recorded once, when first seen while a subscription wants it.
     */
    processingEventId: uuid("processing_event_id"),
    // From here on: checkpointed periodically for display, never relied upon.
    seen: boolean("seen").notNull().default(false),
    pollCount: integer("poll_count").notNull().default(0),
    lastPolledAtMs: time("last_polled_at"),
    lastError: text("last_error"),
    lastOutcome: text("last_outcome").$type<PollOutcome>(),
    progress: text("progress"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.id] }),
    uniqueIndex("jobs_by_upstream_id").on(
      table.shardId,
      table.connectionId,
      table.jobId,
      table.paramsDigest,
    ),
    index("jobs_live")
      .on(table.shardId, table.id)
      .where(sql`status in ('pending', 'processing')`),
    // For lists: few among all jobs, and paid for by those alone.
    index("jobs_not_completed")
      .on(table.projectId, table.id)
      .where(sql`status in ('failed', 'canceled', 'expired', 'timed_out')`),
  ],
);

export const subscriptions = pgTable(
  "subscriptions",
  {
    shardId: smallint("shard_id").notNull(),
    id: uuid("id").notNull(),
    projectId: uuid("project_id").notNull(),
    /** `jobs.id` in the same shard. */
    jobRowId: uuid("job_row_id").notNull(),
    callbackUrl: text("callback_url").notNull(),
    callbackOrigin: text("callback_origin").notNull(),
    /** Mask of the wanted events. */
    events: smallint("events").notNull(),
    payload: text("payload").notNull().$type<PayloadMode>(),
    /** Raw JSON text. */
    metadata: text("metadata").notNull(),
    /** Sealed JSON object of extra callback headers, which may hold a credential; or null. */
    headers: text("headers"),
    /** Encrypted `whsec_…`, or null to sign with the project's. */
    secret: text("secret"),
    /** JSON array of seconds: the waits after failed attempts; or null for the project's. */
    retrySchedule: text("retry_schedule"),
    /** The client's trace, as core/trace-context.ts reads it; null for a new one. */
    trace: text("trace"),
    /** Mask of its signature schemes, as in core/signing.ts; null for the project's. */
    signatures: smallint("signatures"),
    /** How submit-through recognized the submission; null for subscriptions made otherwise. */
    recognizedBy: text("recognized_by"),
    closedAs: text("closed_as").$type<SubscriptionClosure>(),
    createdAtMs: time("created_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.id] }),
    index("subscriptions_by_job").on(table.shardId, table.jobRowId, table.id),
    index("subscriptions_by_project").on(table.projectId, table.id),
  ],
);

export const events = pgTable(
  "events",
  {
    shardId: smallint("shard_id").notNull(),
    id: uuid("id").notNull(),
    projectId: uuid("project_id").notNull(),
    jobRowId: uuid("job_row_id").notNull(),
    provider: text("provider").notNull(),
    jobId: text("job_id").notNull(),
    type: text("type").notNull().$type<EventType>(),
    occurredAtMs: time("occurred_at").notNull(),
    /** The upstream's own times, as it spelled them. */
    upstreamCreatedAt: text("upstream_created_at"),
    upstreamUpdatedAt: text("upstream_updated_at"),
    error: text("error"),
    /** Null also when it is stored in parts, because it is large. */
    result: text("result"),
    resultBytes: integer("result_bytes").notNull().default(0),
    /**
     * Raw JSON: the outcome of fetching a result that is a link; null when no subscription wanted
     * it.
     */
    resultFetch: text("result_fetch"),
    progress: text("progress"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.id] }),
    index("events_by_project").on(table.projectId, table.id),
  ],
);

export const deliveries = pgTable(
  "deliveries",
  {
    shardId: smallint("shard_id").notNull(),
    /** Also the `webhook-id`. */
    id: uuid("id").notNull(),
    projectId: uuid("project_id").notNull(),
    subscriptionId: uuid("subscription_id").notNull(),
    eventId: uuid("event_id").notNull(),
    eventType: text("event_type").notNull().$type<EventType>(),
    callbackOrigin: text("callback_origin").notNull(),
    status: text("status").notNull().$type<DeliveryStatus>(),
    attemptCount: integer("attempt_count").notNull().default(0),
    /** Attempts made before the current retry schedule began; grows when redelivered by hand. */
    attemptsBefore: integer("attempts_before").notNull().default(0),
    nextAttemptAtMs: time("next_attempt_at"),
    createdAtMs: time("created_at").notNull(),
    /** Null while it is pending, and only then. */
    finishedAtMs: time("finished_at"),
    /** For a message of an inbox: 0 until a position is assigned. Null for a callback. */
    inboxPosition: bigint("inbox_position", { mode: "number" }),
    /** When a consumer first acknowledged it as a message of its inbox. */
    readAtMs: time("read_at"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.id] }),
    index("deliveries_by_subscription").on(table.shardId, table.subscriptionId),
    index("deliveries_due")
      // Ordered by time first, so that an owner of many shards reads the earliest of all of them
      // without sorting.
      .on(table.nextAttemptAtMs, table.id)
      .where(sql`status = 'pending'`),
    index("deliveries_due_by_origin")
      .on(table.projectId, table.callbackOrigin, table.nextAttemptAtMs, table.id)
      // Covers the same rows with a different condition, so that no statement can use one index for
      // the other.
      .where(sql`next_attempt_at is not null`),
    index("deliveries_by_project").on(table.projectId, table.id),
    // For lists: few among all deliveries, and paid for by those alone.
    index("deliveries_given_up")
      .on(table.projectId, table.id)
      .where(sql`status in ('exhausted', 'gone')`),
    index("deliveries_by_inbox_position")
      .on(table.projectId, table.callbackOrigin, table.inboxPosition)
      .where(sql`inbox_position > 0`),
    index("deliveries_without_inbox_position")
      .on(table.projectId, table.callbackOrigin, table.id)
      .where(sql`inbox_position = 0`),
  ],
);

export const attempts = pgTable(
  "attempts",
  {
    shardId: smallint("shard_id").notNull(),
    deliveryId: uuid("delivery_id").notNull(),
    /** 1 for the first attempt of the delivery. */
    number: integer("number").notNull(),
    startedAtMs: time("started_at").notNull(),
    durationMs: integer("duration_ms").notNull(),
    httpStatus: smallint("http_status"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    responseExcerpt: text("response_excerpt"),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.deliveryId, table.number] })],
);

export const mailbox = pgTable(
  "mailbox",
  {
    shardId: smallint("shard_id").notNull(),
    id: uuid("id").notNull(),
    kind: text("kind").notNull().$type<CommandKind>(),
    /**
     * A `jobs.id`; for `cancel` a `subscriptions.id`, for `deliver` a `deliveries.id`, for `try_origin`
     * a `lane_states.id`, for `inspect` and `observe` an `inspections.id`.
     */
    subjectId: uuid("subject_id").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.id] })],
);

export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    /** Shard of the key itself, which may differ from its subscription's. */
    shardId: smallint("shard_id").notNull(),
    projectId: uuid("project_id").notNull(),
    key: text("key").notNull(),
    /** SHA-256 of the request it was first used with. */
    requestHash: text("request_hash").notNull(),
    subscriptionId: uuid("subscription_id").notNull(),
    createdAtMs: time("created_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.projectId, table.key] }),
    index("idempotency_keys_by_age").on(table.shardId, table.createdAtMs),
  ],
);

/**
 * An event whose job has many subscriptions that have no delivery of it yet: the position up to
 * which deliveries exist, in the order of the subscriptions' ids. Only the newest of a job's
 * `job.progress` events has a row. It replaces an unfinished one and continues from its position: to the
 * last subscription, and then from the first one to where it began.
 */
export const fanOuts = pgTable(
  "fan_outs",
  {
    shardId: smallint("shard_id").notNull(),
    jobRowId: uuid("job_row_id").notNull(),
    eventType: text("event_type").notNull().$type<EventType>(),
    projectId: uuid("project_id").notNull(),
    eventId: uuid("event_id").notNull(),
    /** Bit of the event type in a subscription's mask. */
    eventBit: smallint("event_bit").notNull(),
    occurredAtMs: time("occurred_at").notNull(),
    /** The last subscription that was processed. */
    positionId: uuid("position_id").notNull(),
    /** The position that it began at; the lowest id if it began at the first subscription. */
    beganAtId: uuid("began_at_id").notNull(),
    /** The last subscription to process, once it has restarted from the first one. */
    endsAtId: uuid("ends_at_id"),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.jobRowId, table.eventType] })],
);

const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/**
 * Results too large for their event's row, in parts that are written and read one at a time:
 * reading a slice of one large value costs Postgres the whole value.
 */
export const resultParts = pgTable(
  "result_parts",
  {
    shardId: smallint("shard_id").notNull(),
    eventId: uuid("event_id").notNull(),
    /** 1 for the first. */
    number: integer("number").notNull(),
    bytes: bytes("bytes").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.eventId, table.number] })],
);

/** Results that were fetched and whose jobs' endings are about to be recorded. */
export const fetchedResults = pgTable(
  "fetched_results",
  {
    shardId: smallint("shard_id").notNull(),
    jobRowId: uuid("job_row_id").notNull(),
    /** Key of its parts, and of the ending later. */
    eventId: uuid("event_id").notNull(),
    /** Raw JSON, which the ending includes. */
    note: text("note").notNull(),
    fetchedAtMs: time("fetched_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.jobRowId] })],
);
