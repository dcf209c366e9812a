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

/** Each inbox once, however many messages wait in it: the index is entered again behind each. */
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
 * Who holds the lock of the inbox gives out its next positions; another node that comes meanwhile
 * leaves it alone. Only messages that are committed are seen here, and their positions are committed
 * before the lock is free: so a position is never visible before all lower ones are, and a message
 * that was committed late, whatever its id and its time, comes after all that could be read before.
 * Locked messages are being moved; they have their turn later. A row that was changed since the
 * statement began is looked at once more when it is locked, as it is then.
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
 * Gives the next messages of an inbox their positions; returns how many. 0 as well when another node
 * is doing it.
 * @param step.newId for the inbox, if it does not exist
 */
export async function placeMessages(
  database: Database,
  inbox: InboxName,
  step: {
    readonly newId: string;
    readonly nowMs: number;
    readonly limit: number;
    /** A larger result goes by reference, so it counts for nothing. */
    readonly inlineResultBytesMax: number;
  },
  options?: CallOptions,
): Promise<number> {
  const { projectId, name } = inbox;
  const { newId, nowMs, limit, inlineResultBytesMax } = step;
  const place = [projectId, name, inboxTarget(name), limit, nowMs, inlineResultBytesMax];
  // Sent without waiting in between.
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
