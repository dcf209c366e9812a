import type { DeliveryStatus } from "../../core/delivery/delivery-outcome.ts";
import type { Sql } from "../connection/connection.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import type { attempts } from "../schema/schema.ts";
import { IS_PENDING } from "../sql/delivery-state.ts";
import { type BatchStatement, batchStatement, rowSource } from "../sql/row-source.ts";
import { timeFrom } from "../sql/time.ts";

/** One HTTP attempt and the resulting state of its delivery. */
export interface AttemptRow extends Readonly<Omit<typeof attempts.$inferSelect, "number">> {
  /** Projects take turns to be recorded. */
  readonly projectId: string;
  readonly subscriptionId: string;
  /** Attempts made before this one; compared by the compare-and-set. */
  readonly attemptCount: number;
  readonly status: DeliveryStatus;
  /** Only while `pending`. */
  readonly nextAttemptAtMs: number | null;
}

const INPUT = rowSource("row", {
  shardId: "smallint",
  deliveryId: "uuid",
  attemptCount: "integer",
  startedAtMs: "bigint",
  durationMs: "integer",
  httpStatus: "smallint",
  errorCode: "text",
  errorMessage: "text",
  responseExcerpt: "text",
  status: "text",
  nextAttemptAtMs: "bigint",
});

const GONE = rowSource("gone", {
  shardId: "smallint",
  subscriptionId: "uuid",
  closedAtMs: "bigint",
});

/**
 * A delivery advances only from the attempt count that the sender knew, so of two nodes that sent
 * the same attempt one is recorded. A delivery that was canceled during the attempt keeps its state
 * and its attempt, and so does a superseded one, unless the receiver accepted it or wants no more
 * of any.
 */
const RECORD = batchStatement(
  INPUT,
  (rows) => `
with input as materialized (
  select * from ${rows}
),
advanced as (
  update deliveries as delivery set
    attempt_count = delivery.attempt_count + 1,
    status = case
      when delivery.status = 'pending' then input.status
      when delivery.status = 'superseded' and input.status in ('delivered', 'gone')
        then input.status
      else delivery.status
    end,
    next_attempt_at = case when delivery.status = 'pending'
      then ${timeFrom('"nextAttemptAtMs"')} end,
    finished_at = case when delivery.status = 'pending' and input.status <> 'pending'
      then ${timeFrom('("startedAtMs" + "durationMs")')} else delivery.finished_at end
  from input
  where delivery.shard_id = "shardId" and delivery.id = "deliveryId"
    and delivery.attempt_count = "attemptCount"
  returning delivery.shard_id, delivery.id
),
logged as (
  insert into attempts (
    shard_id, delivery_id, number, started_at, duration_ms, http_status, error_code,
    error_message, response_excerpt
  )
  select "shardId", "deliveryId", "attemptCount" + 1, ${timeFrom('"startedAtMs"')},
    "durationMs", "httpStatus", "errorCode", "errorMessage", "responseExcerpt"
  from input join advanced on advanced.shard_id = "shardId" and advanced.id = "deliveryId"
  on conflict (shard_id, delivery_id, number) do nothing
)
-- Only what was overtaken: nearly every attempt advances its delivery.
select "deliveryId" as id from input
where not exists (
  select from advanced where advanced.shard_id = "shardId" and advanced.id = "deliveryId"
)
`,
  '"shardId", "deliveryId"',
);

/** A 410 ends the subscription: it gets no more deliveries. */
const CLOSE_GONE = `
with input as materialized (
  select * from ${GONE.sql}
),
closed as (
  update subscriptions set closed_as = 'gone'
  from input
  where subscriptions.shard_id = "shardId" and subscriptions.id = "subscriptionId"
    and subscriptions.closed_as is null
)
update deliveries as delivery set
  status = 'gone', next_attempt_at = null, finished_at = ${timeFrom('"closedAtMs"')}
from input
where delivery.shard_id = "shardId" and delivery.subscription_id = "subscriptionId"
  and ${IS_PENDING}
`;

/** Changes nothing; takes the lock of the job, as every writer does before the rows of a job. */
const LOCK_JOB = `
update jobs set status = status
from subscriptions as subscription
where subscription.shard_id = $1 and subscription.id = $2
  and jobs.shard_id = subscription.shard_id and jobs.id = subscription.job_row_id
`;

/** A job without waiting subscriptions is no longer polled. */
const UNWATCH_JOBS_OF_GONE = `
update jobs set status = 'unwatched'
from ${GONE.sql}
join subscriptions as subscription
  on subscription.shard_id = gone."shardId" and subscription.id = gone."subscriptionId"
where jobs.shard_id = subscription.shard_id and jobs.id = subscription.job_row_id
  and jobs.ended_at is null
  and not exists (
    select from subscriptions as other
    where other.shard_id = jobs.shard_id and other.job_row_id = jobs.id
      and other.closed_as is null
  )
`;

/** Records a batch; true for each row whose delivery advanced, in the order given. */
export async function recordAttempts(
  database: Database,
  rows: readonly AttemptRow[],
  options?: CallOptions,
): Promise<boolean[]> {
  const record = RECORD(rows);
  const gone = rows.filter((row) => row.status === "gone");
  const recordAll = (sql: Sql) => recordStatement(sql, record);
  const recordAndClose = async (sql: Sql) => {
    for (const { shardId, subscriptionId } of gone) {
      await sql.unsafe(LOCK_JOB, [shardId, subscriptionId], { prepare: true });
    }
    const result = await recordStatement(sql, record);
    const closed = GONE.parameters(gone.map(closedSubscription));
    await sql.unsafe(CLOSE_GONE, closed);
    await sql.unsafe(UNWATCH_JOBS_OF_GONE, closed);
    return result;
  };
  const overtaken =
    gone.length === 0
      ? await database.run("record-attempts", recordAll, options)
      : await database.transaction("record-attempts", recordAndClose, options);
  const ids = new Set(overtaken.map((row) => row.id));
  return rows.map((row) => !ids.has(row.deliveryId));
}

function recordStatement(
  sql: Sql,
  { text, parameters }: BatchStatement,
): Promise<{ id: string }[]> {
  return sql.unsafe<{ id: string }[]>(text, parameters, { prepare: true });
}

function closedSubscription(row: AttemptRow) {
  return {
    shardId: row.shardId,
    subscriptionId: row.subscriptionId,
    closedAtMs: row.startedAtMs + row.durationMs,
  };
}
