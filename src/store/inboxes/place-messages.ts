import { sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { inboxOfTarget, inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { inboxes } from "../schema/inboxes.ts";
import { deliveries, events, subscriptions } from "../schema/schema.ts";
import { type Given, nameOf, statement, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { delivery, event, inbox, messageBytes, subscription } from "./message-bytes.ts";

/** An inbox of a project. */
export type InboxName = Readonly<Pick<typeof inboxes.$inferSelect, "projectId" | "name">>;

const { shardId, id, projectId, callbackOrigin, inboxPosition, finishedAtMs } = deliveries;

/**
 * Finds each inbox once, however many messages wait in it: the index is entered again behind each.
 */
const FIND = template(
  (given: Given<{ limit: number }>) => sql<{ projectId: string; target: string }>`
with recursive inbox as (
  (
    select ${projectId}, ${callbackOrigin} from ${deliveries} where ${inboxPosition} = 0
    order by ${projectId}, ${callbackOrigin} limit 1
  )
  union all
  select next.* from inbox cross join lateral (
    select ${projectId}, ${callbackOrigin} from ${deliveries}
    where ${inboxPosition} = 0
      and (${projectId}, ${callbackOrigin}) > (inbox.project_id, inbox.callback_origin)
    order by ${projectId}, ${callbackOrigin} limit 1
  ) as next
)
select project_id as "projectId", callback_origin as target from inbox limit ${given.limit}
`,
);

/** Inboxes with messages that have no position yet. */
export async function findUnplaced(database: Database, limit: number): Promise<InboxName[]> {
  const rows = await database.run("find-unplaced-messages", (run) => FIND(run, { limit }));
  return rows.map((row) => ({
    projectId: row.projectId,
    name: inboxOfTarget(row.target) ?? "",
  }));
}

const CREATE = statement((orm, given: Given<InboxName & { newId: string; nowMs: number }>) =>
  orm
    .insert(inboxes)
    .values({
      projectId: given.projectId,
      name: given.name,
      id: given.newId,
      createdAtMs: given.nowMs,
    })
    .onConflictDoNothing({ target: [inboxes.projectId, inboxes.name] }),
);

/** The rows of a subquery that selects these columns. */
const fresh = alias(deliveries, "fresh");

/**
 * The holder of the inbox's lock assigns its next positions; another node that arrives at the same
 * time skips it. Only committed messages are seen here, and their positions are committed before
 * the lock is released. So a position is never visible before all lower ones are, and a message
 * that was committed late, whatever its id and time, comes after everything that could be read
 * before. Locked messages are being moved and follow later. A row that changed since the statement
 * began is evaluated again once it is locked.
 */
const PLACE = template(
  (
    given: Given<
      InboxName & { target: string; nowMs: number; limit: number; inlineResultBytesMax: number }
    >,
  ) => sql<{ count: number }>`
with inbox as materialized (
  select * from ${inboxes}
  where ${inboxes.projectId} = ${given.projectId} and ${inboxes.name} = ${given.name}
  for update skip locked
),
fresh as materialized (
  select delivery.* from inbox cross join lateral (
    select ${shardId}, ${id}, ${deliveries.subscriptionId}, ${deliveries.eventId}
    from ${deliveries}
    where ${projectId} = ${given.projectId} and ${callbackOrigin} = ${given.target}
      and ${inboxPosition} = 0
    order by ${id} limit ${given.limit} for update skip locked
  ) as delivery
),
sized as materialized (
  select ${fresh.shardId}, ${fresh.id},
    sum(${messageBytes(given.inlineResultBytesMax)})
      over (order by ${fresh.id}, ${fresh.shardId}) as up_to
  from fresh
  left join ${subscriptions} as ${subscription}
    on ${subscription.shardId} = ${fresh.shardId} and ${subscription.id} = ${fresh.subscriptionId}
  left join ${events} as ${event}
    on ${event.shardId} = ${fresh.shardId} and ${event.id} = ${fresh.eventId}
),
placed as (
  update ${deliveries} as ${delivery} set
    ${nameOf(inboxPosition)} = ${inbox.lastPosition} + sized.up_to,
    ${nameOf(finishedAtMs)} = greatest(${inbox.lastMessageAtMs}, ${timeOf(given.nowMs)})
  from sized cross join inbox
  where ${delivery.shardId} = sized.shard_id and ${delivery.id} = sized.id
),
moved as (
  update ${inboxes} set
    ${nameOf(inboxes.lastPosition)} = ${inbox.lastPosition} + newest.up_to,
    ${nameOf(inboxes.lastMessageAtMs)} =
      greatest(${inbox.lastMessageAtMs}, ${timeOf(given.nowMs)}),
    ${nameOf(inboxes.deletedAtMs)} = null
  from inbox cross join (select max(up_to) as up_to from sized) as newest
  where ${inboxes.projectId} = ${given.projectId} and ${inboxes.name} = ${given.name}
    and newest.up_to is not null
)
select count(*)::int as count from sized
`,
);

/**
 * Assigns positions to the next messages of an inbox; returns how many. Also 0 when another node is
 * doing so.
 * @param step.newId for the inbox, if it does not exist
 */
export async function placeMessages(
  database: Database,
  of: InboxName,
  step: {
    readonly newId: string;
    readonly nowMs: number;
    readonly limit: number;
    /** A larger result is sent by reference, so it counts for nothing. */
    readonly inlineResultBytesMax: number;
  },
  options?: CallOptions,
): Promise<number> {
  const place = { ...of, target: inboxTarget(of.name), ...step };
  // Pipelined.
  const [, [placed]] = await database.transaction(
    "place-messages",
    (run) => Promise.all([CREATE(run, { ...of, ...step }), PLACE(run, place)]),
    { ...options, isSentAtOnce: true },
  );
  return placed?.count ?? 0;
}
