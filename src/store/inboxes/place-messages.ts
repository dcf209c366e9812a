import { inboxOfTarget, inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { CallOptions } from "../db/bounded-calls.ts";
import type { Database } from "../db/database.ts";
import { timeFrom } from "../sql/time.ts";
import { messageBytes } from "./message-bytes.ts";

/** An inbox of a project. */
export interface InboxName {
  readonly projectId: string;
  readonly name: string;
}

/**
 * Finds each inbox once, however many messages wait in it: the index is entered again behind each.
 */
const FIND = `
with recursive inbox as (
  (
    select project_id, callback_origin from deliveries where inbox_position = 0
    order by project_id, callback_origin limit 1
  )
  union all
  select next.* from inbox cross join lateral (
    select project_id, callback_origin from deliveries
    where inbox_position = 0
      and (project_id, callback_origin) > (inbox.project_id, inbox.callback_origin)
    order by project_id, callback_origin limit 1
  ) as next
)
select project_id as "projectId", callback_origin as target from inbox limit $1
`;

/** Inboxes with messages that have no position yet. */
export async function findUnplaced(database: Database, limit: number): Promise<InboxName[]> {
  const rows = await database.run("find-unplaced-messages", (sql) =>
    sql.unsafe<{ projectId: string; target: string }[]>(FIND, [limit], { prepare: true }),
  );
  return rows.map(({ projectId, target }) => ({ projectId, name: inboxOfTarget(target) ?? "" }));
}

const CREATE = `
insert into inboxes (project_id, name, id, created_at)
values ($1, $2, $3, ${timeFrom("$4")})
on conflict (project_id, name) do nothing
`;

/**
 * The holder of the inbox's lock assigns its next positions; another node that arrives at the same
 * time skips it. Only committed messages are seen here, and their positions are committed before
 * the lock is released. So a position is never visible before all lower ones are, and a message
 * that was committed late, whatever its id and time, comes after everything that could be read
 * before. Locked messages are being moved and follow later. A row that changed since the statement
 * began is evaluated again once it is locked.
 */
const PLACE = `
with inbox as materialized (
  select * from inboxes where project_id = $1 and name = $2 for update skip locked
),
fresh as materialized (
  select delivery.* from inbox cross join lateral (
    select shard_id, id, subscription_id, event_id from deliveries
    where project_id = $1 and callback_origin = $3 and inbox_position = 0
    order by id limit $4 for update skip locked
  ) as delivery
),
sized as materialized (
  select fresh.shard_id, fresh.id, sum(${messageBytes("$6::int")}) over (order by fresh.id, fresh.shard_id) as up_to
  from fresh
  left join subscriptions as subscription
    on subscription.shard_id = fresh.shard_id and subscription.id = fresh.subscription_id
  left join events as event on event.shard_id = fresh.shard_id and event.id = fresh.event_id
),
placed as (
  update deliveries as delivery set
    inbox_position = inbox.last_position + sized.up_to,
    finished_at = greatest(inbox.last_message_at, ${timeFrom("$5")})
  from sized cross join inbox
  where delivery.shard_id = sized.shard_id and delivery.id = sized.id
),
moved as (
  update inboxes set
    last_position = inbox.last_position + newest.up_to,
    last_message_at = greatest(inbox.last_message_at, ${timeFrom("$5")}),
    deleted_at = null
  from inbox cross join (select max(up_to) as up_to from sized) as newest
  where inboxes.project_id = $1 and inboxes.name = $2 and newest.up_to is not null
)
select count(*)::int as count from sized
`;

/**
 * Assigns positions to the next messages of an inbox; returns how many. Also 0 when another node is
 * doing so.
 * @param step.newId for the inbox, if it does not exist
 */
export async function placeMessages(
  database: Database,
  inbox: InboxName,
  step: {
    readonly newId: string;
    readonly nowMs: number;
    readonly limit: number;
    /** A larger result is sent by reference, so it counts for nothing. */
    readonly inlineResultBytesMax: number;
  },
  options?: CallOptions,
): Promise<number> {
  const { projectId, name } = inbox;
  const { newId, nowMs, limit, inlineResultBytesMax } = step;
  const place = [projectId, name, inboxTarget(name), limit, nowMs, inlineResultBytesMax];
  // Pipelined.
  const [, [placed]] = await database.transaction(
    "place-messages",
    (sql) =>
      Promise.all([
        sql.unsafe(CREATE, [projectId, name, newId, nowMs], { prepare: true }),
        sql.unsafe<{ count: number }[]>(PLACE, place, { prepare: true }),
      ]),
    options,
  );
  return placed?.count ?? 0;
}
