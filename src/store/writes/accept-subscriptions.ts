import type { EventContent } from "../../core/delivery/event.ts";
import { isInboxTarget } from "../../core/delivery/inbox-target.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { errorCode } from "../db/errors.ts";
import {
  ACCEPT_NEW_JOB,
  INPUT,
  insertSubscriptions,
  JOB_COLUMNS,
  JOB_KEY,
} from "./accept-new-job.ts";
import { ACCEPT_ENDED_JOB, OWED, OWED_EVENT, PLACED_JOB, STORED } from "./accept-ended-job.ts";
import { type BatchStatement, batchStatement, rowSource } from "../sql/row-source.ts";
import type { jobs, JobStatus, subscriptions } from "../schema/schema.ts";
import { timeFrom } from "../sql/time.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription-record.ts";
import type { CallbackFields } from "./callback-fields.ts";

/** A client's request, validated and ready to be stored. */
export interface AcceptRequest
  extends
    Readonly<
      Pick<
        typeof jobs.$inferSelect,
        "projectId" | "connectionId" | "provider" | "providerVersionId" | "jobId"
      >
    >,
    Readonly<
      Pick<
        typeof subscriptions.$inferSelect,
        | "callbackUrl"
        | "callbackOrigin"
        | "events"
        | "payload"
        | "metadata"
        | "retrySchedule"
        | "trace"
        | "signatures"
        | "recognizedBy"
      >
    > {
  readonly params: Readonly<Record<string, string>>;
  /** Seals the secrets of the subscription with this UUID; null without secrets. */
  readonly sealFor: ((subscriptionId: string) => SealedParts) | null;
  /** How long the job may take, from now. */
  readonly deadlineMs: number;
  readonly idempotencyKey: string | null;
  /** Hash of the request that the key identifies; null without a key. */
  readonly requestHash: string | null;
  /** Hashes under which the same request may have been stored before. */
  readonly olderRequestHashes: readonly string[];
}

/** The sealed parts of a subscription. */
type SealedParts = Pick<CallbackFields, "headers" | "secret">;

export const NOTHING_SEALED: SealedParts = { headers: null, secret: null };

/** One row of an accept batch. Ids are made by the writer, so that a repeated batch is harmless. */
export interface AcceptRow extends Omit<AcceptRequest, "sealFor">, SealedParts {
  readonly shardId: number;
  readonly subscriptionId: string;
  /** Used when the job is new; otherwise the watched job keeps its own. */
  readonly jobRowId: string;
  readonly paramsText: string;
  readonly paramsDigest: string;
  /** Shard of the idempotency key; 0 without one. */
  readonly idempotencyShardId: number;
  readonly nowMs: number;
  /**
   * Id of a note to the owner of the shard, stored in the same transaction; null when this node
   * owns it.
   */
  readonly mailId: string | null;
}

/** A stored event with everything that its callbacks are made from. */
export interface OwedEvent extends EventContent {
  readonly id: string;
  readonly resultBytes: number;
}

export type AcceptedRow =
  | {
      readonly kind: "accepted";
      readonly subscription: SubscriptionRecord;
      readonly wantedEvents: number;
      /** Subscriptions made to the job, including this one and closed ones. */
      readonly subscriptionCount: number;
      /** The definition that the job is polled by, which may be an older one. */
      readonly providerVersionId: string | null;
      readonly processingAnnounced: boolean;
      /** For a job that had already ended: the delivery of its stored event. */
      readonly owedDeliveryId: string | null;
      /** The event of that delivery; null when its result is too large to include. */
      readonly owedEvent: OwedEvent | null;
    }
  /** The idempotency key was used before, perhaps by a row of the same batch. */
  | { readonly kind: "key_used" };

/** Only the rows with an idempotency key; few batches have any. */
const KEYS = rowSource(
  "key",
  {
    idempotencyShardId: "smallint",
    projectId: "uuid",
    idempotencyKey: "text",
    requestHash: "text",
    subscriptionId: "uuid",
    nowMs: "bigint",
  },
  INPUT.nextParameter,
);

/** The parts that few batches need. Postgres spends time on every part of a statement, used or not. */
interface Parts {
  readonly hasKeys: boolean;
  readonly hasMail: boolean;
}

/** Takes the idempotency keys. */
const CLAIMED = `
claimed as (
  insert into idempotency_keys as used (shard_id, project_id, key, request_hash, subscription_id, created_at)
  select distinct on ("idempotencyShardId", "projectId", "idempotencyKey")
    "idempotencyShardId", "projectId", "idempotencyKey", "requestHash", "subscriptionId",
    ${timeFrom('"nowMs"')}
  from ${KEYS.sql}
  order by "idempotencyShardId", "projectId", "idempotencyKey", "subscriptionId"
  on conflict (shard_id, project_id, key) do update set
    request_hash = excluded.request_hash,
    subscription_id = excluded.subscription_id,
    created_at = excluded.created_at
  where excluded.created_at - used.created_at > interval '24 hours'
    -- The same row again: an earlier try of this batch was committed and its answer lost.
    or used.subscription_id = excluded.subscription_id
  returning subscription_id
),`;

const UNCLAIMED = `
  where "idempotencyKey" is null or "subscriptionId" in (select subscription_id from claimed)`;

/** Notes to the owners of other nodes' shards. */
const HANDED_OVER = `
handed_over as (
  insert into mailbox (shard_id, id, kind, subject_id)
  select "shardId", "mailId", case when is_owed then 'deliver' else 'watch' end,
    case when is_owed then owed_id else watched_id end
  from placed where "mailId" is not null and (is_owed or ended_at is null)
  on conflict (shard_id, id) do nothing
)`;

/**
 * Stores a batch of subscriptions in one statement.
 *
 * Late is never lost: upserting the job takes its row's lock and reads the newest version of the
 * row. A live job is returned from there, and the lock is held until these rows are committed: the
 * ending, which takes the lock first and reads the subscriptions in a later statement, sees them. A
 * job that has ended is final, so it is locked and not written; it is read from this statement's
 * snapshot and gives the subscription its delivery here. If the ending was committed after that
 * snapshot was taken, the job is found neither way: its rows are rejected for lack of a job
 * (`isJobMissing`), which rolls the whole statement back, and it is run again.
 */
const acceptText = (rows: string, { hasKeys, hasMail }: Parts): string => `
with ${hasKeys ? CLAIMED : ""} fresh as materialized (
  select * from ${rows} ${hasKeys ? UNCLAIMED : ""}
),
watched as (
  insert into jobs as job (${JOB_COLUMNS})
  select "shardId", min("jobRowId"::text)::uuid, "projectId", "connectionId", provider,
    max("providerVersionId"::text)::uuid, "jobId", min("paramsText"), "paramsDigest", 'pending',
    ${timeFrom('min("nowMs")')}, ${timeFrom('max("nowMs" + "deadlineMs")')},
    bit_or(events), count(*)::int
  from fresh
  group by "shardId", "projectId", "connectionId", provider, "jobId", "paramsDigest"
  order by "shardId", "connectionId", "jobId", "paramsDigest"
  on conflict (${JOB_KEY}) do update set
    -- A job that is watched keeps the definition it started with.
    provider_version_id = case when job.status = 'unwatched'
      then excluded.provider_version_id else job.provider_version_id end,
    wanted_events = job.wanted_events | excluded.wanted_events,
    subscription_count = job.subscription_count + excluded.subscription_count,
    deadline_at = greatest(job.deadline_at, excluded.deadline_at),
    status = case when job.status = 'unwatched' then 'pending' else job.status end
  where job.ended_at is null
  returning *
),
ended as materialized (
  select job.*
  from (
    select distinct "shardId", "connectionId", "jobId", "paramsDigest"
    from fresh left join watched
      on watched.shard_id = "shardId" and watched.connection_id = "connectionId"
      and watched.job_id = "jobId" and watched.params_digest = "paramsDigest"
    where watched.id is null
  ) as rest
  -- Looked up one by one, whatever the statistics say.
  cross join lateral (
    select * from jobs
    where jobs.shard_id = rest."shardId" and jobs.connection_id = rest."connectionId"
      and jobs.job_id = rest."jobId" and jobs.params_digest = rest."paramsDigest"
    limit 1
  ) as job
  where job.ended_at is not null
),
placed as materialized (
  select fresh.*, ${PLACED_JOB},
    -- Whether the job is what its writer made of it, as most are: then there is nothing to tell.
    job.id = "jobRowId" and job.status = 'pending' and wanted_events = events
      and job.provider_version_id is not distinct from "providerVersionId"
      and accepted_at = ${timeFrom('"nowMs"')}
      and deadline_at = ${timeFrom('("nowMs" + "deadlineMs")')}
      and processing_event_id is null and poll_count = 0 as is_as_requested
  from fresh left join (select * from watched union all select * from ended) as job
    on job.shard_id = "shardId" and job.connection_id = "connectionId" and job.job_id = "jobId"
    and job.params_digest = "paramsDigest"
),
subscribed as (
  ${insertSubscriptions("watched_id")} from placed
  on conflict (shard_id, id) do nothing
),${OWED}${hasMail ? `,${HANDED_OVER}` : ""}
select "subscriptionId" as subscription_id, stored.*, null as event
from placed
left join lateral (
  select ${STORED}
) as stored on not is_as_requested
union all
-- Each event once that is owed from here, so that nothing has to be read to send it.
select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
  id, row_to_json(content)::text
from (
  select distinct "shardId", last_event_id from placed where is_owed and "mailId" is null
) as owed
cross join lateral (${OWED_EVENT}
) as content
`;

const accepting = (parts: Parts) => batchStatement(INPUT, (rows) => acceptText(rows, parts));

const ACCEPT = accepting({ hasKeys: false, hasMail: false });
const ACCEPT_WITH_KEYS = accepting({ hasKeys: true, hasMail: false });
const ACCEPT_WITH_MAIL = accepting({ hasKeys: false, hasMail: true });
const ACCEPT_WITH_BOTH = accepting({ hasKeys: true, hasMail: true });

/** One of few constants, since a connection prepares each text that it meets. */
function statementFor(rows: readonly AcceptRow[], { hasKeys, hasMail }: Parts): BatchStatement {
  if (hasKeys) return hasMail ? ACCEPT_WITH_BOTH(rows) : ACCEPT_WITH_KEYS(rows);
  return hasMail ? ACCEPT_WITH_MAIL(rows) : ACCEPT(rows);
}

/** The job of a subscription, and its delivery if it has ended, as they are stored. */
interface PlacedJob {
  readonly job_row_id: string;
  readonly job_status: JobStatus;
  readonly wanted_events: number;
  readonly subscription_count: number;
  readonly provider_version_id: string | null;
  readonly processing_announced: boolean;
  readonly accepted_at_ms: number;
  readonly deadline_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly poll_count: number;
  readonly last_polled_at_ms: number | null;
  readonly last_error: string | null;
  readonly progress: string | null;
  readonly owed_delivery_id: string | null;
  readonly owed_event_id: string | null;
}

type PlacedRow = { readonly event: null; readonly subscription_id: string } & (
  | PlacedJob
  | Readonly<Record<keyof PlacedJob, null>>
);

/** Its `event` is the JSON of an `OwedEvent`. */
type EventOfRow = Readonly<Record<"event" | "owed_event_id", string>>;

/** A job can end only once while its subscription is accepted. */
const RUNS_MAX = 5;

/** The job of the latest subscription that came alone. Likely, the next one's is of its kind. */
export interface LatestLoneJob {
  kind: "new" | "live" | "ended";
}

/**
 * Stores the batch and returns one outcome a row, in the order given.
 * @param latest kept from call to call; it decides only how, and never whether, rows are stored
 */
export async function acceptSubscriptions(
  database: Database,
  rows: readonly AcceptRow[],
  options?: CallOptions,
  latest: LatestLoneJob = { kind: "new" },
): Promise<AcceptedRow[]> {
  const keys = rows.filter(({ idempotencyKey }) => idempotencyKey !== null);
  const hasKeys = keys.length > 0;
  const hasMail = rows.some(({ mailId }) => mailId !== null);
  const run: Run = (text, parameters) =>
    database.run(
      "accept-subscriptions",
      (sql) => sql.unsafe(text, parameters, { prepare: true }),
      options,
    );
  const lone = rows.length === 1 ? rows[0] : undefined;
  if (lone !== undefined && !hasKeys && !hasMail) {
    const outcome = await acceptLone(run, lone, latest.kind);
    if (outcome !== null) return [outcome];
  }
  const statement = statementFor(rows, { hasKeys, hasMail });
  const parameters = [...statement.parameters, ...(hasKeys ? KEYS.parameters(keys) : [])];
  const stored = await runAgainIfJobMissing(() =>
    run<PlacedRow | EventOfRow>(statement.text, parameters),
  );
  const placed = new Map<string, PlacedRow>();
  const events = new Map<string, OwedEvent>();
  for (const row of stored) {
    if (row.event === null) placed.set(row.subscription_id, row);
    else events.set(row.owed_event_id, JSON.parse(row.event) as OwedEvent);
  }
  if (lone !== undefined) latest.kind = kindOfJob(placed.get(lone.subscriptionId));
  return rows.map((row) => {
    const found = placed.get(row.subscriptionId);
    if (found === undefined) return { kind: "key_used" };
    if (found.job_row_id === null) return accepted(row, jobAsRequested(row), null);
    return accepted(row, found, events.get(found.owed_event_id ?? "") ?? null);
  });
}

type Run = <Row extends object>(
  text: string,
  parameters: (string | null)[],
) => Promise<readonly Row[]>;

/** By a statement for jobs of this kind alone; null when nothing was stored, since it is of another. */
async function acceptLone(
  run: Run,
  row: AcceptRow,
  kind: LatestLoneJob["kind"],
): Promise<AcceptedRow | null> {
  const parameters = INPUT.one.parameters(row);
  switch (kind) {
    case "new": {
      const made = await run(ACCEPT_NEW_JOB, parameters);
      return made.length === 0 ? null : accepted(row, jobAsRequested(row), null);
    }
    case "ended": {
      const [job] = await run<PlacedJob & { readonly event: string | null }>(
        ACCEPT_ENDED_JOB,
        parameters,
      );
      if (job === undefined) return null;
      return accepted(row, job, job.event === null ? null : (JSON.parse(job.event) as OwedEvent));
    }
    case "live":
      return null;
  }
}

function kindOfJob(placed: PlacedRow | undefined): LatestLoneJob["kind"] {
  if (placed === undefined) return "live";
  if (placed.job_row_id === null) return "new";
  return placed.ended_at_ms === null ? "live" : "ended";
}

async function runAgainIfJobMissing<T>(run: () => Promise<T>): Promise<T> {
  for (let runs = 1; ; runs += 1) {
    try {
      return await run();
    } catch (error) {
      if (runs === RUNS_MAX || !isJobMissing(error)) throw error;
    }
  }
}

const NOT_NULL_VIOLATION = "23502";

/** True when the statement was rolled back because a job had ended after its snapshot was taken. */
function isJobMissing(error: unknown): boolean {
  return (
    errorCode(error) === NOT_NULL_VIOLATION &&
    error instanceof Error &&
    "column_name" in error &&
    error.column_name === "job_row_id"
  );
}

/** The job of a row that created it without others. */
function jobAsRequested(row: AcceptRow): PlacedJob {
  return {
    job_row_id: row.jobRowId,
    job_status: "pending",
    wanted_events: row.events,
    subscription_count: 1,
    provider_version_id: row.providerVersionId,
    processing_announced: false,
    accepted_at_ms: row.nowMs,
    deadline_at_ms: row.nowMs + row.deadlineMs,
    ended_at_ms: null,
    poll_count: 0,
    last_polled_at_ms: null,
    last_error: null,
    progress: null,
    owed_delivery_id: null,
    owed_event_id: null,
  };
}

function accepted(row: AcceptRow, stored: PlacedJob, owedEvent: OwedEvent | null): AcceptedRow {
  return {
    kind: "accepted",
    wantedEvents: stored.wanted_events,
    subscriptionCount: stored.subscription_count,
    providerVersionId: stored.provider_version_id,
    processingAnnounced: stored.processing_announced,
    owedDeliveryId: stored.owed_delivery_id,
    owedEvent,
    subscription: {
      id: row.subscriptionId,
      shardId: row.shardId,
      projectId: row.projectId,
      jobRowId: stored.job_row_id,
      jobId: row.jobId,
      provider: row.provider,
      connectionId: row.connectionId,
      callbackUrl: row.callbackUrl,
      events: row.events,
      payload: row.payload,
      metadata: row.metadata,
      retrySchedule: row.retrySchedule,
      trace: row.trace,
      signatures: row.signatures,
      recognizedBy: row.recognizedBy,
      createdAtMs: row.nowMs,
      status:
        stored.ended_at_ms === null
          ? "active"
          : stored.owed_delivery_id !== null && !isInboxTarget(row.callbackUrl)
            ? "delivering"
            : "delivered",
      job: {
        status: stored.job_status,
        acceptedAtMs: stored.accepted_at_ms,
        deadlineAtMs: stored.deadline_at_ms,
        endedAtMs: stored.ended_at_ms,
        pollCount: stored.poll_count,
        lastPolledAtMs: stored.last_polled_at_ms,
        lastOutcome: null,
        lastError: stored.last_error,
        progress: stored.progress,
      },
    },
  };
}
