import type { PollOutcome } from "../../core/waiting/poll-outcome.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { IS_OWED_LATER } from "../writes/fan-out.ts";
import type { JobStatus, PayloadMode } from "../schema/schema.ts";
import { epochMs } from "../sql/time.ts";

/**
 * Derived, but for `canceled` and `gone`: `active` while the job runs; after its ending what
 * became of the ending's delivery; `delivered` when none was owed.
 */
export type SubscriptionStatus =
  | "active"
  | "delivering"
  | "delivered"
  | "exhausted"
  | "canceled"
  | "gone";

/** One subscription as read or accepted. Ids are UUIDs, times epoch milliseconds. */
export interface SubscriptionRecord {
  readonly id: string;
  readonly shardId: number;
  readonly projectId: string;
  readonly jobRowId: string;
  readonly jobId: string;
  readonly provider: string;
  readonly connectionId: string;
  readonly callbackUrl: string;
  /** Mask of the wanted events. */
  readonly events: number;
  readonly payload: PayloadMode;
  /** Raw JSON text. */
  readonly metadata: string;
  /** JSON array of seconds, or null for the project's. */
  readonly retrySchedule: string | null;
  /** The trace that the client gave, or null. */
  readonly trace: string | null;
  /** Mask of the signature schemes, or null for the project's. */
  readonly signatures: number | null;
  readonly createdAtMs: number;
  readonly status: SubscriptionStatus;
  readonly job: {
    readonly status: JobStatus;
    readonly acceptedAtMs: number;
    readonly deadlineAtMs: number;
    readonly endedAtMs: number | null;
    readonly pollCount: number;
    readonly lastPolledAtMs: number | null;
    /** What the latest poll came to, as of the last checkpoint. */
    readonly lastOutcome: PollOutcome | null;
    readonly lastError: string | null;
    /** Raw JSON text, or null. */
    readonly progress: string | null;
  };
}

/** Of `subscription` with its `job` and, by left join, the `delivery` of the job's last event. */
export const SUBSCRIPTION_STATUS = `
  case
    when subscription.closed_as is not null then subscription.closed_as
    when job.ended_at is null then 'active'
    when delivery.status is null and ${IS_OWED_LATER} then 'delivering'
    when delivery.status is null then 'delivered'
    when delivery.status = 'pending' then 'delivering'
    else delivery.status
  end`;

export const SUBSCRIPTION_COLUMNS = `
  subscription.id, subscription.shard_id, subscription.project_id, subscription.job_row_id,
  job.job_id, job.provider, job.connection_id, callback_url, events, payload, metadata, retry_schedule, signatures, trace,
  ${epochMs("subscription.created_at")} as created_at_ms,
  ${SUBSCRIPTION_STATUS} as status, job.status as job_status,
  ${epochMs("accepted_at")} as accepted_at_ms,
  ${epochMs("deadline_at")} as deadline_at_ms,
  ${epochMs("ended_at")} as ended_at_ms, poll_count,
  ${epochMs("last_polled_at")} as last_polled_at_ms, last_outcome, last_error, progress`;

/** What {@link SUBSCRIPTION_COLUMNS} need beside a row source named `subscription`. */
export const SUBSCRIPTION_JOINS = `
join jobs as job on job.shard_id = subscription.shard_id and job.id = subscription.job_row_id
left join deliveries as delivery
  on delivery.shard_id = job.shard_id and delivery.subscription_id = subscription.id
  and job.ended_at is not null and delivery.event_id = job.last_event_id`;

export interface SubscriptionRow {
  readonly id: string;
  readonly shard_id: number;
  readonly project_id: string;
  readonly job_row_id: string;
  readonly job_id: string;
  readonly provider: string;
  readonly connection_id: string;
  readonly callback_url: string;
  readonly events: number;
  readonly payload: PayloadMode;
  readonly metadata: string;
  readonly retry_schedule: string | null;
  readonly trace: string | null;
  readonly signatures: number | null;
  readonly created_at_ms: number;
  readonly status: SubscriptionStatus;
  readonly job_status: JobStatus;
  readonly accepted_at_ms: number;
  readonly deadline_at_ms: number;
  readonly ended_at_ms: number | null;
  readonly poll_count: number;
  readonly last_polled_at_ms: number | null;
  readonly last_outcome: PollOutcome | null;
  readonly last_error: string | null;
  readonly progress: string | null;
}

export function subscriptionRecord(row: SubscriptionRow): SubscriptionRecord {
  return {
    id: row.id,
    shardId: row.shard_id,
    projectId: row.project_id,
    jobRowId: row.job_row_id,
    jobId: row.job_id,
    provider: row.provider,
    connectionId: row.connection_id,
    callbackUrl: row.callback_url,
    events: row.events,
    payload: row.payload,
    metadata: row.metadata,
    retrySchedule: row.retry_schedule,
    trace: row.trace,
    signatures: row.signatures,
    createdAtMs: row.created_at_ms,
    status: row.status,
    job: {
      status: row.job_status,
      acceptedAtMs: row.accepted_at_ms,
      deadlineAtMs: row.deadline_at_ms,
      endedAtMs: row.ended_at_ms,
      pollCount: row.poll_count,
      lastPolledAtMs: row.last_polled_at_ms,
      lastOutcome: row.last_outcome,
      lastError: row.last_error,
      progress: row.progress,
    },
  };
}

const FIND = `
select ${SUBSCRIPTION_COLUMNS}
from subscriptions as subscription ${SUBSCRIPTION_JOINS}
where subscription.shard_id = $1 and subscription.id = $2 and subscription.project_id = $3
`;

/** The project's subscription of this id, or null. */
export async function findSubscription(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<SubscriptionRecord | null> {
  const [row] = await database.run("find-subscription", (sql) =>
    sql.unsafe<SubscriptionRow[]>(FIND, [shardOfUuid(key.id), key.id, key.projectId], {
      prepare: true,
    }),
  );
  return row === undefined ? null : subscriptionRecord(row);
}
