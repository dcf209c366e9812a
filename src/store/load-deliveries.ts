import type { EventContent } from "../core/event.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Database } from "./database.ts";
import type { OwedDelivery } from "./record-events.ts";

/** A delivery that waits, with everything that sending it takes. */
export interface LoadedDelivery {
  readonly delivery: OwedDelivery;
  readonly event: EventContent;
  /** Bytes of the stored result, which may be too large to have been loaded. */
  readonly resultBytes: number;
}

type Row = OwedDelivery & EventContent & { readonly resultBytes: number };

// A result is read only where it will be sent inline.
const SELECT = `
select delivery.id, delivery.shard_id as "shardId", delivery.project_id as "projectId",
  subscription_id as "subscriptionId", event_id as "eventId", attempt_count as "attemptCount",
  attempts_before as "attemptsBefore",
  (extract(epoch from next_attempt_at) * 1000)::float8 as "nextAttemptAtMs",
  callback_url as "callbackUrl", delivery.callback_origin as "callbackOrigin", payload, metadata,
  headers, secret, retry_schedule as "retrySchedule", signatures, event.type, (extract(epoch from occurred_at) * 1000)::float8 as "occurredAtMs",
  event.job_id as "jobId", event.provider, upstream_created_at as "createdAt",
  upstream_updated_at as "updatedAt", error, result_bytes as "resultBytes",
  case when payload = 'full' and result_bytes <= $1 then result end as result, event.progress
from due as delivery
join subscriptions as subscription
  on subscription.shard_id = delivery.shard_id and subscription.id = delivery.subscription_id
join events as event on event.shard_id = delivery.shard_id and event.id = delivery.event_id
order by next_attempt_at, delivery.id
`;

/** Rows of one reading; written into the statement, so that the plan is made for so few. */
export const DUE_ROWS_MAX = 2000;

const LOAD_DUE = `
with due as materialized (
  select * from deliveries
  where shard_id = any ($2::text::smallint[]) and status = 'pending'
    and next_attempt_at <= to_timestamp($3::float8 / 1000.0)
    and (next_attempt_at, id) > (to_timestamp($4::float8 / 1000.0), $5::uuid)
    and callback_origin <> all ($6::text[])
    -- An anti-join is hashed whatever the plan; <> all would compare every row with every id.
    and not exists (select from unnest($7::text::uuid[]) as held (id) where held.id = deliveries.id)
  order by next_attempt_at, id
  limit ${DUE_ROWS_MAX}
)
${SELECT}`;

const LOAD_BY_ID = `
with due as materialized (
  select * from deliveries
  where shard_id = any ($2::text::smallint[]) and id = any ($3::text::uuid[]) and status = 'pending'
)
${SELECT}`;

/** How far a reader has come in the order of due times. */
export interface DuePosition {
  readonly nextAttemptAtMs: number;
  readonly id: string;
}

export const BEFORE_ALL_DUE: DuePosition = {
  nextAttemptAtMs: 0,
  id: "00000000-0000-0000-0000-000000000000",
};

/** Pending deliveries of the shards that fall due by `dueByMs`, earliest first, after `after`. */
export async function loadDueDeliveries(
  database: Database,
  query: {
    readonly shardIds: readonly number[];
    readonly dueByMs: number;
    readonly after: DuePosition;
    /** Origins whose lanes are full. */
    readonly exceptOrigins: readonly string[];
    /** Deliveries already in memory. */
    readonly exceptIds: readonly string[];
    readonly inlineResultBytesMax: number;
  },
): Promise<LoadedDelivery[]> {
  const rows = await database.run("load-due-deliveries", (sql) =>
    sql.unsafe<Row[]>(
      LOAD_DUE,
      [
        query.inlineResultBytesMax,
        arrayLiteral(query.shardIds),
        query.dueByMs,
        query.after.nextAttemptAtMs,
        query.after.id,
        sql.array([...query.exceptOrigins], TEXT_OID),
        arrayLiteral(query.exceptIds),
      ],
      { prepare: true },
    ),
  );
  return rows.map(loaded);
}

const TEXT_OID = 25;

/** Those of the given deliveries that are pending. */
export async function loadDeliveries(
  database: Database,
  keys: readonly { readonly shardId: number; readonly id: string }[],
  inlineResultBytesMax: number,
): Promise<LoadedDelivery[]> {
  const shardIds = arrayLiteral(keys.map((key) => key.shardId));
  const ids = arrayLiteral(keys.map((key) => key.id));
  const rows = await database.run("load-deliveries", (sql) =>
    sql.unsafe<Row[]>(LOAD_BY_ID, [inlineResultBytesMax, shardIds, ids], { prepare: true }),
  );
  return rows.map(loaded);
}

/** One row is all three: the delivery, its event, and how large the result is. */
function loaded(row: Row): LoadedDelivery {
  return { delivery: row, event: row, resultBytes: row.resultBytes };
}
