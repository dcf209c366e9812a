import { and, eq, lte, sql } from "drizzle-orm";
import { type EventContent, PROGRESS_EVENT_TYPES } from "../../core/delivery/event.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { CONTENT_COLUMNS, event, resultUpTo } from "../events/find-events.ts";
import { fanOuts } from "../schema/schema.ts";
import { type Given, isAnyOf, statement } from "../sql/statement.ts";
import { IS_PENDING, NEW_DELIVERY_STATE, newDeliveryState } from "../sql/delivery-state.ts";
import { owedDeliveryId } from "./owed-delivery-id.ts";
import { CALLBACK_FIELD_NAMES, CALLBACK_FIELDS, NO_CALLBACK_FIELDS } from "./callback-fields.ts";
import type { FanOutKey, OwedDelivery } from "./record-events.ts";
import { HIGHEST_ID, LOWEST_ID, subscriptionsInOrder } from "../sql/page.ts";
import { timeFrom } from "../sql/time.ts";

const PROGRESS_EVENTS = PROGRESS_EVENT_TYPES.map((type) => `'${type}'`).join(", ");
const IS_PROGRESS_EVENT = `fan_out.event_type in (${PROGRESS_EVENTS})`;

/**
 * In SQL, of a `fan_out` and the id of a subscription: whether it already has a newer event of the
 * job, so that a progress event is obsolete. An ending is the last event, whatever its id.
 */
const hasNewer = (subscriptionId: string): string => `
${IS_PROGRESS_EVENT} and exists (
  select from deliveries as delivery
  where delivery.shard_id = fan_out.shard_id and delivery.subscription_id = ${subscriptionId}
    and (delivery.event_id > fan_out.event_id or delivery.event_type not in (${PROGRESS_EVENTS}))
)`;

/**
 * In SQL, of a row source named `subscription`: whether a fan-out will still give it an event of
 * its job.
 */
export const IS_OWED_LATER = `
exists (
  select from fan_outs as fan_out
  where fan_out.shard_id = subscription.shard_id and fan_out.job_row_id = subscription.job_row_id
    and subscription.events & fan_out.event_bit <> 0
    and not (${hasNewer("subscription.id")})
    and not exists (
      select from deliveries as earlier
      where earlier.shard_id = fan_out.shard_id and earlier.subscription_id = subscription.id
        and earlier.event_id = fan_out.event_id
    )
)`;

// The lock that every writer takes before the rows of a job, so that subscribing, deleting and
// ending come either before this step or after it.
const LOCK_JOB = `
select from jobs where shard_id = $1 and id = $2 for update
`;

/**
 * Creates deliveries for the subscriptions behind the position and moves the position behind them.
 * A separate statement, whose snapshot is taken once the lock is held. It returns only new
 * deliveries: a subscription that came after the ending has its delivery from the statement that
 * accepted it.
 */
const STEP = `
with fan_out as materialized (
  select * from fan_outs where shard_id = $1 and job_row_id = $2::uuid and event_type = $3
),
page as materialized (
  select subscription.* from fan_out cross join lateral (
    ${subscriptionsInOrder({
      columns: "*",
      shardId: "fan_out.shard_id",
      jobRowId: "fan_out.job_row_id",
      afterId: "fan_out.position_id",
      upToId: `coalesce(fan_out.ends_at_id, '${HIGHEST_ID}')`,
    })} limit $4::int
  ) as subscription
),
reached as materialized (
  select count(*) = $4::int as has_more, max(id::text)::uuid as last_id from page
),
moved as (
  update fan_outs set
    position_id = case when has_more then last_id else '${LOWEST_ID}' end,
    ends_at_id = case when has_more then fan_outs.ends_at_id else fan_outs.began_at_id end
  from reached
  where shard_id = $1 and job_row_id = $2::uuid and event_type = $3
    and (has_more or (ends_at_id is null and began_at_id <> '${LOWEST_ID}'))
  returning fan_outs.event_id
),
ended as (
  delete from fan_outs using reached
  where shard_id = $1 and job_row_id = $2::uuid and event_type = $3
    and not has_more and (ends_at_id is not null or began_at_id = '${LOWEST_ID}')
),
addressed as materialized (
  select fan_out.shard_id, fan_out.project_id, fan_out.event_id, fan_out.event_type, fan_out.occurred_at,
    subscription.id as subscription_id, callback_origin, ${CALLBACK_FIELDS},
    ${owedDeliveryId("fan_out.event_id", "subscription.id")} as delivery_id
  from fan_out cross join page as subscription
  where subscription.closed_as is null and subscription.events & fan_out.event_bit <> 0
    and not (${hasNewer("subscription.id")})
),
out_of_date as materialized (
  select delivery.shard_id, delivery.id, occurred_at
  from addressed join deliveries as delivery
    on delivery.shard_id = addressed.shard_id
    and delivery.subscription_id = addressed.subscription_id
  where "wantsProgress" and ${IS_PENDING} and delivery.event_id <> addressed.event_id
    and delivery.event_type in (${PROGRESS_EVENTS})
  order by delivery.shard_id, delivery.id
),
superseded as (
  update deliveries as delivery set
    status = 'superseded', next_attempt_at = null, finished_at = occurred_at
  from out_of_date
  where delivery.shard_id = out_of_date.shard_id and delivery.id = out_of_date.id and ${IS_PENDING}
),
owed as (
  insert into deliveries (
    shard_id, id, project_id, subscription_id, event_id, event_type, callback_origin, created_at,
    ${NEW_DELIVERY_STATE}
  )
  select shard_id, delivery_id, project_id, subscription_id, event_id, event_type, callback_origin,
    occurred_at, ${newDeliveryState("callback_origin", timeFrom("$5"))}
  from addressed
  on conflict (shard_id, id) do nothing
  returning id
)
select addressed.event_id as "eventId", shard_id as "shardId", project_id as "projectId",
  $5::float8 as "nextAttemptAtMs", delivery_id as id, subscription_id as "subscriptionId",
  callback_origin as "callbackOrigin", ${CALLBACK_FIELD_NAMES}, 0 as "attemptCount",
  0 as "attemptsBefore", true as "goesOn"
from addressed
-- Not a join, which may be planned for a handful of rows: it would compare each with each.
where (delivery_id in (select id from owed)) is true
union all
select event_id, $1::smallint, null, null,
  null, null, null, ${NO_CALLBACK_FIELDS}, 0, 0,
  exists (select from moved)
from fan_out
`;

/** One row for each delivery, and one without a delivery's id for the fan-out, if it exists. */
type StepRow = Omit<OwedDelivery, "id"> & { readonly id: string | null; readonly goesOn: boolean };

/**
 * Creates deliveries of an event for the next subscriptions of its job and moves the position
 * behind them, both or neither: none is left out or repeated, even if nodes are killed or do it at
 * the same time.
 * @param step.subscriptions how many to process
 */
export async function stepFanOut(
  database: Database,
  step: {
    readonly key: FanOutKey;
    readonly subscriptions: number;
    readonly nowMs: number;
  },
  options?: CallOptions,
): Promise<{
  /** The new deliveries. */
  readonly owed: readonly OwedDelivery[];
  /** Their event; null when nothing was left to do. */
  readonly eventId: string | null;
  /** True when subscriptions are left. */
  readonly goesOn: boolean;
}> {
  const { shardId, jobRowId, eventType } = step.key;
  // Pipelined: the second has a snapshot taken after the lock of the first.
  const [, rows] = await database.transaction(
    "fan-out",
    (sql) =>
      Promise.all([
        sql.unsafe(LOCK_JOB, [shardId, jobRowId], { prepare: true }),
        sql.unsafe<StepRow[]>(
          STEP,
          [shardId, jobRowId, eventType, step.subscriptions, step.nowMs],
          { prepare: true },
        ),
      ]),
    { ...options, isSentAtOnce: true },
  );
  const owed = rows.flatMap(({ id, ...row }) => (id === null ? [] : [{ ...row, id }]));
  const marker = rows.find(({ id }) => id === null);
  return { owed, eventId: marker?.eventId ?? null, goesOn: marker?.goesOn ?? false };
}

const FIND = statement(
  (orm, given: Given<{ shardIds: readonly number[]; perProjectMax: number; limit: number }>) => {
    const { shardId, jobRowId, eventType, projectId, eventId, occurredAtMs } = fanOuts;
    const numbered = orm
      .select({
        shardId,
        jobRowId,
        eventType,
        projectId,
        occurredAtMs,
        number: sql`row_number() over (partition by ${projectId} order by ${eventId})`.as("number"),
      })
      .from(fanOuts)
      .where(isAnyOf(shardId, given.shardIds))
      .as("fan_out");
    const { number, ...key } = numbered._.selectedFields;
    return orm
      .select(key)
      .from(numbered)
      .where(lte(number, given.perProjectMax))
      .orderBy(number)
      .limit(given.limit);
  },
);

/** Unfinished fan-outs of the shards: the oldest of each project, with projects in turn. */
export function findFanOuts(
  database: Database,
  query: {
    readonly shardIds: readonly number[];
    readonly perProjectMax: number;
    readonly limit: number;
  },
): Promise<FanOutKey[]> {
  return database.run("find-fan-outs", (sql) => FIND(sql, query));
}

const FIND_EVENT = statement(
  (orm, given: Given<{ shardId: number; eventId: string; inlineResultBytesMax: number }>) =>
    orm
      .select({
        ...CONTENT_COLUMNS,
        resultBytes: event.resultBytes,
        result: resultUpTo(given.inlineResultBytesMax),
      })
      .from(event)
      .where(and(eq(event.shardId, given.shardId), eq(event.id, given.eventId))),
);

export type FannedOutEvent = EventContent & { readonly resultBytes: number };

/** The content of an event without a large result; null once the event is removed. */
export async function findFannedOutEvent(
  database: Database,
  key: { readonly shardId: number; readonly eventId: string },
  inlineResultBytesMax: number,
): Promise<FannedOutEvent | null> {
  const [event] = await database.run("find-fanned-out-event", (sql) =>
    FIND_EVENT(sql, { ...key, inlineResultBytesMax }),
  );
  return event ?? null;
}
