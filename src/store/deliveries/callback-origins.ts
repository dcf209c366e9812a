import { sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { deliveries } from "../schema/schema.ts";
import { type Given, nameOf, template } from "../sql/statement.ts";
import { epochMs, timeOf } from "../sql/time.ts";

/** A callback origin with pending deliveries of a project, or one that fails. */
export interface CallbackOriginRecord {
  readonly origin: string;
  /** Pending deliveries, at most {@link PENDING_COUNTED_MAX}. */
  readonly pending: number;
  /** When the first of them was or is due, in epoch milliseconds; null without any. */
  readonly firstDueAtMs: number | null;
  /**
   * From the latest attempt of the {@link FAILURES_LOOKED_AT} that are due first; null without one.
   */
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly httpStatus: number | null;
  readonly erredAtMs: number | null;
}

/** Counting stops here, so that a page of a hundred origins costs the same however many wait. */
export const PENDING_COUNTED_MAX = 1_000;
const FAILURES_LOOKED_AT = 20;

/*
 * Finds the distinct origins of pending deliveries by going from one to the next in the index by
 * origin, however many deliveries each has, and likewise those that nodes report as failing.
 */
const NAMES = `
with recursive pending as (
  (
    select callback_origin as origin from deliveries
    where project_id = $1 and next_attempt_at is not null and not $4::boolean
      and ($2::text is null or callback_origin > $2)
    order by callback_origin limit 1
  )
  union all
  select (
    select callback_origin from deliveries
    where project_id = $1 and next_attempt_at is not null and callback_origin > pending.origin
    order by callback_origin limit 1
  )
  from pending where pending.origin is not null
),
name as (
  (select origin from pending where origin is not null limit $3)
  union
  (
    select name from lane_states
    where project_id = $1 and kind = 'origin' and ($2::text is null or name > $2)
    group by name order by name limit $3
  )
  order by origin limit $3
)`;

const DETAILS = `
select name.origin, waiting.pending, waiting."firstDueAtMs", failed."errorCode",
  failed."errorMessage", failed."httpStatus", failed."erredAtMs"
from name
cross join lateral (
  select count(*)::int as pending, ${epochMs("min(due.next_attempt_at)")} as "firstDueAtMs"
  from (
    select next_attempt_at from deliveries
    where project_id = $1 and callback_origin = name.origin and next_attempt_at is not null
    order by next_attempt_at, id limit ${PENDING_COUNTED_MAX}
  ) as due
) as waiting
left join lateral (
  select attempt.error_code as "errorCode", attempt.error_message as "errorMessage",
    attempt.http_status as "httpStatus", ${epochMs("attempt.started_at")} as "erredAtMs"
  from (
    select shard_id, id, attempt_count from deliveries
    where project_id = $1 and callback_origin = name.origin and next_attempt_at is not null
    order by next_attempt_at, id limit ${FAILURES_LOOKED_AT}
  ) as first
  join attempts as attempt on attempt.shard_id = first.shard_id
    and attempt.delivery_id = first.id and attempt.number = first.attempt_count
  order by attempt.started_at desc limit 1
) as failed on true
order by name.origin
`;

const LIST = `${NAMES}${DETAILS}`;

/**
 * Origins of a project in the order of their names, behind `after`.
 * @param query `isTroubled` leaves out those that only have pending deliveries
 */
export function findCallbackOrigins(
  database: Database,
  query: {
    readonly projectId: string;
    readonly after: string | null;
    readonly limit: number;
    readonly isTroubled: boolean;
  },
): Promise<CallbackOriginRecord[]> {
  const { projectId, after, limit, isTroubled } = query;
  return database.run("find-callback-origins", (sql) =>
    sql.unsafe<CallbackOriginRecord[]>(LIST, [projectId, after, limit, isTroubled], {
      prepare: true,
    }),
  );
}

const ONE = `
with name as (
  select $2::text as origin
  where exists (
    select from deliveries
    where project_id = $1 and callback_origin = $2 and next_attempt_at is not null
  )
  or exists (
    select from lane_states where project_id = $1 and kind = 'origin' and name = $2
  )
)
${DETAILS}`;

/** One origin; null when nothing is pending for it and no node reports trouble with it. */
export async function findCallbackOrigin(
  database: Database,
  key: { readonly projectId: string; readonly origin: string },
): Promise<CallbackOriginRecord | null> {
  const [row] = await database.run("find-callback-origin", (sql) =>
    sql.unsafe<CallbackOriginRecord[]>(ONE, [key.projectId, key.origin], { prepare: true }),
  );
  return row ?? null;
}

const { shardId, id, projectId, callbackOrigin, nextAttemptAtMs } = deliveries;

const FIRST = template(
  (given: Given<{ projectId: string; origin: string; nowMs: number }>) => sql<{
    shardId: number;
    id: string;
  }>`
with first as materialized (
  select ${shardId}, ${id} from ${deliveries}
  where ${projectId} = ${given.projectId} and ${callbackOrigin} = ${given.origin}
    and ${nextAttemptAtMs} is not null
  order by ${nextAttemptAtMs}, ${id} limit 1
)
update ${deliveries} set
  ${nameOf(nextAttemptAtMs)} = least(${nextAttemptAtMs}, ${timeOf(given.nowMs)})
from first
where ${shardId} = first.shard_id and ${id} = first.id and ${nextAttemptAtMs} is not null
returning ${shardId} as "shardId", ${id}
`,
);

/** Makes the first pending delivery to an origin due now; null when none is pending. */
export async function bringForward(
  database: Database,
  key: { readonly projectId: string; readonly origin: string; readonly nowMs: number },
): Promise<{ readonly shardId: number; readonly id: string } | null> {
  const [row] = await database.run("bring-forward", (run) => FIRST(run, key));
  return row ?? null;
}
