import { eventBit, PROGRESS_EVENT_TYPES } from "../../core/delivery/event.ts";
import { subscriptionsPerEvent } from "../../core/pace/steps.ts";
import { type RawResult, textOfResult } from "../../core/json/raw-result.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { IS_PENDING, NEW_DELIVERY_STATE, newDeliveryState } from "../sql/delivery-state.ts";
import {
  CALLBACK_FIELD_NAMES,
  CALLBACK_FIELDS,
  type CallbackFields,
  NO_CALLBACK_FIELDS,
} from "./callback-fields.ts";
import { owedDeliveryId } from "./owed-delivery-id.ts";
import { batchStatement, rowSource } from "../sql/row-source.ts";
import type { deliveries, events, fanOuts, JobStatus } from "../schema/schema.ts";
import type { LiveJob } from "../jobs/load-jobs.ts";
import { HIGHEST_ID, LOWEST_ID, subscriptionsInOrder } from "../sql/page.ts";
import { timeFrom } from "../sql/time.ts";

/** A fact about a job, to be recorded with all its deliveries. */
export interface EventRow
  extends
    Readonly<
      Pick<
        typeof events.$inferSelect,
        | "projectId"
        | "shardId"
        | "jobRowId"
        | "type"
        | "occurredAtMs"
        | "upstreamCreatedAt"
        | "upstreamUpdatedAt"
        | "error"
        | "resultBytes"
        | "resultFetch"
        | "progress"
      >
    >,
    Pick<LiveJob, "pollCount" | "lastPolledAtMs"> {
  readonly eventId: string;
  /** The job's status from now on. */
  readonly status: JobStatus;
  /** Null also when it was stored in parts. */
  readonly result: RawResult | null;
}

/** One delivery of an event, with everything that sending it needs besides the event itself. */
export interface OwedDelivery
  extends
    CallbackFields,
    Readonly<
      Pick<
        typeof deliveries.$inferSelect,
        | "id"
        | "shardId"
        | "projectId"
        | "subscriptionId"
        | "eventId"
        | "callbackOrigin"
        | "attemptCount"
        | "attemptsBefore"
      >
    > {
  readonly nextAttemptAtMs: number;
}

/** An event that not all subscriptions of its job have a delivery of yet. */
export type FanOutKey = Readonly<
  Pick<
    typeof fanOuts.$inferSelect,
    "shardId" | "jobRowId" | "eventType" | "projectId" | "occurredAtMs"
  >
>;

/**
 * `recorded` is false when the job had already ended, so that another ending holds, or when its
 * deadline has moved since it was thought to have timed out.
 */
export interface RecordedEvent {
  readonly recorded: boolean;
  readonly owed: readonly OwedDelivery[];
  /** Set when the job has more subscriptions, which get the event in steps. */
  readonly fanOut: FanOutKey | null;
}

const JOBS_INPUT = rowSource("input", {
  shardId: "smallint",
  jobRowId: "uuid",
  eventId: "uuid",
  type: "text",
  status: "text",
  isEnding: "boolean",
  occurredAtMs: "bigint",
  error: "text",
  progress: "text",
  pollCount: "integer",
  lastPolledAtMs: "bigint",
});

const EVENTS_INPUT = rowSource("row", {
  shardId: "smallint",
  jobRowId: "uuid",
  eventId: "uuid",
  type: "text",
  eventBit: "smallint",
  occurredAtMs: "bigint",
  upstreamCreatedAt: "text",
  upstreamUpdatedAt: "text",
  error: "text",
  result: "text",
  resultBytes: "integer",
  resultFetch: "text",
  progress: "text",
});

/**
 * First statement: the job's compare-and-set. It takes the row's lock, so it waits for an accept in
 * progress.
 */
const ADVANCE_JOBS = batchStatement(
  JOBS_INPUT,
  (rows) => `
update jobs as job set
  status = input.status,
  ended_at = case when input."isEnding" then ${timeFrom('input."occurredAtMs"')} end,
  last_event_id = input."eventId",
  processing_event_id = case when input.type = 'job.processing'
    then input."eventId" else job.processing_event_id end,
  progress = coalesce(input.progress, job.progress),
  seen = true,
  poll_count = greatest(job.poll_count, input."pollCount"),
  last_polled_at = coalesce(${timeFrom('input."lastPolledAtMs"')}, job.last_polled_at),
  last_error = input.error
from ${rows}
where job.shard_id = input."shardId" and job.id = input."jobRowId"
  and job.ended_at is null
  and (input."isEnding" or job.status <> 'unwatched')
  and (input.type <> 'job.processing' or job.processing_event_id is null)
  -- A subscription accepted since then, perhaps at another node, may have moved the deadline.
  and (input.type <> 'job.timed_out' or job.deadline_at <= ${timeFrom('input."occurredAtMs"')})
`,
  '"shardId", "jobRowId"',
);

/** How many subscriptions of each job are processed. */
const SUBSCRIPTIONS = `$${EVENTS_INPUT.nextParameter}::int`;

const pageOf = (columns: string): string =>
  subscriptionsInOrder({
    columns,
    shardId: '"shardId"',
    jobRowId: '"jobRowId"',
    afterId: `'${LOWEST_ID}'::uuid`,
    upToId: `'${HIGHEST_ID}'::uuid`,
  });

/**
 * Second statement, with a snapshot of its own: it sees every subscription that was committed
 * before the first one got the lock.
 */
const RECORD_WHAT_IS_OWED = batchStatement(
  EVENTS_INPUT,
  (rows) => `
with input as materialized (
  select * from ${rows}
),
recorded as materialized (
  select input.*, job.project_id, job.provider, job.job_id
  from input join jobs as job
    on job.shard_id = "shardId" and job.id = "jobRowId" and job.last_event_id = "eventId"
),
stored as (
  insert into events (
    shard_id, id, project_id, job_row_id, provider, job_id, type, occurred_at,
    upstream_created_at, upstream_updated_at, error, result, result_bytes, result_fetch, progress
  )
  select "shardId", "eventId", project_id, "jobRowId", provider, job_id, type,
    ${timeFrom('"occurredAtMs"')}, "upstreamCreatedAt", "upstreamUpdatedAt", error,
    result, "resultBytes", "resultFetch", progress
  from recorded
  on conflict (shard_id, id) do nothing
),
addressed as materialized (
  select "shardId", "eventId", type, "occurredAtMs", recorded.project_id,
    subscription.id as subscription_id, callback_origin, ${CALLBACK_FIELDS},
    ${owedDeliveryId('"eventId"', "subscription.id")} as delivery_id
  from recorded cross join lateral (
    ${pageOf("*")} limit ${SUBSCRIPTIONS}
  ) as subscription
  where subscription.closed_as is null and subscription.events & "eventBit" <> 0
),
-- Jobs with more subscriptions: from this position on, they are owed the event in steps. One that
-- is not through yet with an older event of the type goes on with this one.
crowded as materialized (
  select recorded.*, last.id as last_id
  from recorded cross join lateral (
    ${pageOf("id")} offset ${SUBSCRIPTIONS} - 1 limit 1
  ) as last
),
fanned_out as (
  insert into fan_outs as fan_out (
    shard_id, job_row_id, event_type, project_id, event_id, event_bit, occurred_at, position_id,
    began_at_id
  )
  select "shardId", "jobRowId", type, project_id, "eventId", "eventBit",
    ${timeFrom('"occurredAtMs"')}, last_id, '${LOWEST_ID}'
  from crowded
  on conflict (shard_id, job_row_id, event_type) do update set
    event_id = excluded.event_id, occurred_at = excluded.occurred_at,
    began_at_id = fan_out.position_id, ends_at_id = null
  where fan_out.event_id <> excluded.event_id
),
-- Only the newest progress of a job is worth sending. An older event that is being sent right now
-- and is accepted all the same will count as delivered.
out_of_date as materialized (
  select delivery.shard_id, delivery.id, "occurredAtMs"
  from addressed join deliveries as delivery
    on delivery.shard_id = "shardId" and delivery.subscription_id = addressed.subscription_id
  where "wantsProgress" and ${IS_PENDING} and delivery.event_id <> "eventId"
    and delivery.event_type in (${PROGRESS_EVENT_TYPES.map((type) => `'${type}'`).join(", ")})
  order by delivery.shard_id, delivery.id
),
superseded as (
  update deliveries as delivery set
    status = 'superseded', next_attempt_at = null,
    finished_at = ${timeFrom('"occurredAtMs"')}
  from out_of_date
  where delivery.shard_id = out_of_date.shard_id and delivery.id = out_of_date.id
    and ${IS_PENDING}
),
owed as (
  insert into deliveries (
    shard_id, id, project_id, subscription_id, event_id, event_type, callback_origin, created_at,
    ${NEW_DELIVERY_STATE}
  )
  select "shardId", delivery_id, project_id, subscription_id, "eventId", type, callback_origin,
    ${timeFrom('"occurredAtMs"')}, ${newDeliveryState("callback_origin", timeFrom('"occurredAtMs"'))}
  from addressed
  on conflict (shard_id, id) do nothing
)
select "eventId", "shardId", project_id as "projectId", "occurredAtMs"::float8 as "nextAttemptAtMs",
  delivery_id as id, subscription_id as "subscriptionId", callback_origin as "callbackOrigin",
  ${CALLBACK_FIELD_NAMES}, 0 as "attemptCount", 0 as "attemptsBefore", false as "isCrowded"
from addressed
union all
select "eventId", "shardId", project_id, "occurredAtMs"::float8,
  null, null, null, ${NO_CALLBACK_FIELDS}, 0, 0,
  "eventId" in (select "eventId" from crowded)
from recorded
`,
);

/** One row for each delivery, and one without a delivery's id for each event. */
type OwedRow = Omit<OwedDelivery, "id"> & {
  readonly id: string | null;
  readonly isCrowded: boolean;
};

/**
 * Records a batch of events, at most one a job, each with its deliveries, in one transaction: there
 * is no moment at which a job has ended and a delivery neither exists nor is covered by the
 * position of a fan-out. Only the first subscriptions of jobs with many are processed here.
 */
export async function recordEvents(
  database: Database,
  rows: readonly EventRow[],
  options?: CallOptions,
): Promise<RecordedEvent[]> {
  const inputs = rows.map((row) => ({
    ...row,
    result: row.result === null ? null : textOfResult(row.result),
    isEnding: row.status !== "processing",
    eventBit: eventBit(row.type),
  }));
  const advance = ADVANCE_JOBS(inputs);
  const record = RECORD_WHAT_IS_OWED(inputs);
  const owing = [...record.parameters, subscriptionsPerEvent(rows.length)];
  // Pipelined: one round trip, two snapshots.
  const [, owedRows] = await database.transaction(
    "record-events",
    (sql) =>
      Promise.all([
        sql.unsafe(advance.text, advance.parameters, { prepare: true }),
        sql.unsafe<OwedRow[]>(record.text, owing, { prepare: true }),
      ]),
    { ...options, isSentAtOnce: true },
  );
  const recorded = new Map<string, { owed: OwedDelivery[]; marker: OwedRow | null }>();
  for (const row of owedRows) {
    const event = recorded.get(row.eventId) ?? { owed: [], marker: null };
    recorded.set(row.eventId, event);
    if (row.id === null) event.marker = row;
    else event.owed.push({ ...row, id: row.id });
  }
  return rows.map((row) => {
    const { owed = [], marker = null } = recorded.get(row.eventId) ?? {};
    return { recorded: marker !== null, owed, fanOut: fanOutOf(row, marker) };
  });
}

function fanOutOf(row: EventRow, marker: OwedRow | null): FanOutKey | null {
  if (marker?.isCrowded !== true) return null;
  const { shardId, jobRowId, type: eventType, occurredAtMs } = row;
  return { shardId, jobRowId, eventType, projectId: marker.projectId, occurredAtMs };
}
