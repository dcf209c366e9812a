import type { EventContent } from "../../core/delivery/event.ts";
import { arrayLiteral } from "../sql/statement.ts";
import type { Database } from "../db/database.ts";
import { DUE_ROWS_MAX, type DuePosition } from "./find-due-deliveries.ts";
import { IS_PENDING } from "../sql/delivery-state.ts";
import { CALLBACK_FIELDS } from "../writes/callback-fields.ts";
import type { OwedDelivery } from "../writes/record-events.ts";
import { WHOLE_RESULT } from "../writes/result-parts.ts";
import { rowSource } from "../sql/row-source.ts";
import { epochMs, timeFrom } from "../sql/time.ts";

/** A pending delivery, with everything needed to send it. */
export interface LoadedDelivery {
  readonly delivery: OwedDelivery;
  readonly event: EventContent;
  /** Bytes of the stored result, which may have been too large to load. */
  readonly resultBytes: number;
  /** True when the receiver has answered an attempt of the current schedule with 413. */
  readonly wasTooLarge: boolean;
}

/** A delivery that was read for sending. */
export interface ReadDelivery extends LoadedDelivery {
  /** Its result was not read, since those before it in the same read are large. */
  readonly isLeftOut: boolean;
}

type Row = OwedDelivery &
  EventContent &
  Pick<ReadDelivery, "resultBytes" | "wasTooLarge" | "isLeftOut">;

// Looked up for retries only. A redelivery by hand starts with the whole result again.
const WAS_TOO_LARGE = `
  delivery.attempt_count > delivery.attempts_before and exists (
    select from attempts as attempt
    where attempt.shard_id = delivery.shard_id and attempt.delivery_id = delivery.id
      and attempt.number > delivery.attempts_before and attempt.http_status = 413
  )`;

/**
 * Results of one read, in bytes, and one result more. So the memory that a read takes does not depend on
 * how large the results of a project are.
 */
export const LOADED_BYTES_MAX = 8 * 1024 * 1024;

// A result is read only where it will be sent inline.
const SELECT = `
select delivery.id, delivery.shard_id as "shardId", delivery.project_id as "projectId",
  subscription_id as "subscriptionId", event_id as "eventId", attempt_count as "attemptCount",
  attempts_before as "attemptsBefore",
  ${epochMs("next_attempt_at")} as "nextAttemptAtMs",
  delivery.callback_origin as "callbackOrigin", ${CALLBACK_FIELDS}, event.type,
  ${epochMs("occurred_at")} as "occurredAtMs",
  event.job_id as "jobId", event.provider, upstream_created_at as "createdAt",
  upstream_updated_at as "updatedAt", error, result_bytes as "resultBytes",
  "wasTooLarge",
  case when inline.bytes > 0 and coalesce(sum(inline.bytes) over before, 0) < ${LOADED_BYTES_MAX}
    then ${WHOLE_RESULT} end as result,
  inline.bytes > 0 and coalesce(sum(inline.bytes) over before, 0) >= ${LOADED_BYTES_MAX} as "isLeftOut",
  event.progress, event.result_fetch as "resultFetch"
from due as delivery
cross join lateral (select ${WAS_TOO_LARGE} as "wasTooLarge") as refused
join subscriptions as subscription
  on subscription.shard_id = delivery.shard_id and subscription.id = delivery.subscription_id
join events as event on event.shard_id = delivery.shard_id and event.id = delivery.event_id
cross join lateral (
  select case when payload = 'full' and not "wasTooLarge" and result_bytes between 1 and $1
    then result_bytes else 0 end as bytes
) as inline
window before as (
  order by next_attempt_at, delivery.id rows between unbounded preceding and 1 preceding
)
order by next_attempt_at, delivery.id
`;

const KEYS = rowSource("key", { shardId: "smallint", id: "uuid" }, 2);

// As in load-jobs.ts.
const LOAD_BY_ID = `
with key as materialized (select distinct * from ${KEYS.sql}),
due as materialized (
  select delivery.* from key
  join deliveries as delivery on delivery.shard_id = key."shardId" and delivery.id = key.id
  where ${IS_PENDING}
)
${SELECT}`;

/** Those of the given deliveries that are pending, the earliest due first. */
export async function loadDeliveries(
  database: Database,
  keys: readonly { readonly shardId: number; readonly id: string }[],
  inlineResultBytesMax: number,
): Promise<ReadDelivery[]> {
  const parameters = [inlineResultBytesMax, ...KEYS.parameters(keys)];
  const rows = await database.run("load-deliveries", (sql) =>
    sql.unsafe<Row[]>(LOAD_BY_ID, parameters, { prepare: true }),
  );
  return rows.map(loaded);
}

/** Rows read for an origin that accepts only a few. */
export const FEW_DUE_ROWS_MAX = 32;

/**
 * `next_attempt_at` identifies pending deliveries, since only those have it. A condition on the
 * status would let the planner use the index by time and read what waits for all other origins.
 */
const loadOfOrigin = (rowsMax: number): string => `
with due as materialized (
  select * from deliveries
  where project_id = $2 and callback_origin = $3 and shard_id = any ($4::text::smallint[])
    and next_attempt_at <= ${timeFrom("$5")}
    and (next_attempt_at, id) > (${timeFrom("$6")}, $7::uuid)
  order by next_attempt_at, id
  limit ${rowsMax}
)
${SELECT}`;

const LOAD_OF_ORIGIN = loadOfOrigin(DUE_ROWS_MAX);
const LOAD_FEW_OF_ORIGIN = loadOfOrigin(FEW_DUE_ROWS_MAX);

interface OriginQuery {
  readonly projectId: string;
  readonly callbackOrigin: string;
  readonly shardIds: readonly number[];
  readonly dueByMs: number;
  readonly after: DuePosition;
  /** Reads at most `FEW_DUE_ROWS_MAX` instead of `DUE_ROWS_MAX`. */
  readonly isFew: boolean;
  readonly inlineResultBytesMax: number;
}

/**
 * Deliveries of one project to one origin that fall due by `dueByMs`, earliest first, after
 * `after`.
 */
export async function loadDeliveriesOfOrigin(
  database: Database,
  query: OriginQuery,
): Promise<ReadDelivery[]> {
  const { after } = query;
  const rows = await database.run("load-deliveries-of-origin", (sql) =>
    sql.unsafe<Row[]>(
      query.isFew ? LOAD_FEW_OF_ORIGIN : LOAD_OF_ORIGIN,
      [
        query.inlineResultBytesMax,
        query.projectId,
        query.callbackOrigin,
        arrayLiteral(query.shardIds),
        query.dueByMs,
        after.nextAttemptAtMs,
        after.id,
      ],
      { prepare: true },
    ),
  );
  return rows.map(loaded);
}

/** One row has all three: the delivery, its event, and the size of the result. */
function loaded(row: Row): ReadDelivery {
  const { resultBytes, wasTooLarge, isLeftOut } = row;
  return { delivery: row, event: row, resultBytes, wasTooLarge, isLeftOut };
}
