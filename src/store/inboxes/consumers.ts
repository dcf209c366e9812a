import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { Database } from "../db/database.ts";
import { epochMs, timeFrom } from "../sql/time.ts";
import type { Page } from "../sql/page.ts";
import type { InboxName } from "./place-messages.ts";

/** A named consumer of an inbox. */
export interface ConsumerName extends InboxName {
  readonly consumer: string;
}

/** A consumer for display. Times are in epoch milliseconds. */
export interface ConsumerRecord {
  readonly id: string;
  readonly name: string;
  readonly position: number;
  readonly isReading: boolean;
  /** Approximate bytes of the messages behind its position. */
  readonly unreadBytes: number;
  readonly createdAtMs: number;
  readonly activeAtMs: number;
  readonly ackedAtMs: number | null;
}

/** Where reading begins. */
export interface ReadingPosition {
  /** Id of this inbox, not of an earlier one of the same name. */
  readonly inboxId: string;
  readonly lastPosition: number;
  /** The consumer's position, or the first one that exists. */
  readonly position: number;
  /** True when the consumer has read before. */
  readonly isKnown: boolean;
  /** True when another node reads for the consumer. */
  readonly isBusy: boolean;
}

/** In SQL, of an `inbox_consumers` row: whether a reader of a live node holds it. */
const isHeld = (consumer: string, now: string): string => `
(${consumer}.reader_id is not null and exists (
  select from nodes where nodes.id = ${consumer}.reader_node_id
    and nodes.lease_expires_at > ${timeFrom(now)}
))`;

const FIND = `
select inbox.id as "inboxId", inbox.last_position::float8 as "lastPosition",
  greatest(inbox.deleted_position, consumer.position)::float8 as position,
  consumer.id is not null as "isKnown",
  coalesce(consumer.reader_node_id <> $5 and ${isHeld("consumer", "$4")}, false) as "isBusy"
from inboxes as inbox
left join inbox_consumers as consumer
  on consumer.project_id = inbox.project_id and consumer.inbox = inbox.name and consumer.name = $3
where inbox.project_id = $1 and inbox.name = $2 and inbox.deleted_at is null
`;

/**
 * The start position of a consumer, or of a reader without a name; null when there is no such
 * inbox.
 * @param at.nodeId this node, which knows its own readers
 */
export async function findPosition(
  database: Database,
  of: InboxName & { readonly consumer: string | null },
  at: { readonly nowMs: number; readonly nodeId: string },
): Promise<ReadingPosition | null> {
  const parameters = [of.projectId, of.name, of.consumer, at.nowMs, at.nodeId];
  const [row] = await database.run("find-reading-position", (sql) =>
    sql.unsafe<ReadingPosition[]>(FIND, parameters, { prepare: true }),
  );
  return row ?? null;
}

// A claim by this node is out of date: a node knows its own readers.
const CLAIM = `
insert into inbox_consumers as consumer (
  project_id, inbox, name, id, position, reader_id, reader_node_id, created_at, active_at
)
values (
  $1, $2, $3, $4, 0, $5::uuid, $6::uuid, ${timeFrom("$7")},
  ${timeFrom("$7")}
)
on conflict (project_id, inbox, name) do update set
  reader_id = excluded.reader_id, reader_node_id = excluded.reader_node_id,
  active_at = excluded.active_at
where consumer.reader_node_id is not distinct from excluded.reader_node_id
  or not ${isHeld("consumer", "$7")}
returning id
`;

/**
 * Makes a request the only one that reads for the consumer, until it is released or its node is
 * dead; false when another one is.
 */
export async function claimConsumer(
  database: Database,
  of: ConsumerName,
  by: {
    readonly newId: string;
    readonly readerId: string;
    readonly nodeId: string;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const parameters = [
    of.projectId,
    of.name,
    of.consumer,
    by.newId,
    by.readerId,
    by.nodeId,
    by.nowMs,
  ];
  const claimed = await database.run("claim-consumer", (sql) =>
    sql.unsafe(CLAIM, parameters, { prepare: true }),
  );
  return claimed.length > 0;
}

const RELEASE = `
update inbox_consumers set reader_id = null, reader_node_id = null
where project_id = $1 and inbox = $2 and name = $3 and reader_id = $4
`;

export async function releaseConsumer(
  database: Database,
  of: ConsumerName,
  readerId: string,
): Promise<void> {
  await database.run("release-consumer", (sql) =>
    sql.unsafe(RELEASE, [of.projectId, of.name, of.consumer, readerId], { prepare: true }),
  );
}

const MOVE = `
with moved as (
  insert into inbox_consumers as consumer (
    project_id, inbox, name, id, position, created_at, active_at, acked_at
  )
  values (
    $1, $2, $3, $4, $5::bigint, ${timeFrom("$6")}, ${timeFrom("$6")},
    case when $7::boolean then ${timeFrom("$6")} end
  )
  on conflict (project_id, inbox, name) do update set
    position = case when $7::boolean
      then greatest(consumer.position, excluded.position) else excluded.position end,
    active_at = excluded.active_at,
    acked_at = coalesce(excluded.acked_at, consumer.acked_at)
  returning position
),
acked as (
  update inboxes set acked_position = $5::bigint
  where $7::boolean and project_id = $1 and name = $2 and acked_position < $5::bigint
)
select position::float8 from moved
`;

/**
 * Moves a consumer to a position: `ack` only forward, `seek` anywhere. Returns its new position.
 */
export async function moveConsumer(
  database: Database,
  of: ConsumerName,
  move: {
    readonly kind: "ack" | "seek";
    readonly newId: string;
    readonly position: number;
    readonly nowMs: number;
  },
): Promise<number> {
  const parameters = [of.projectId, of.name, of.consumer, move.newId, move.position, move.nowMs];
  const [row] = await database.run("move-consumer", (sql) =>
    sql.unsafe<{ position: number }[]>(MOVE, [...parameters, move.kind === "ack"], {
      prepare: true,
    }),
  );
  return row?.position ?? move.position;
}

// Starts from the end, where nearly all of them are unmarked.
const MARK_READ = `
update deliveries as delivery set read_at = ${timeFrom("$5")}
from (
  select shard_id, id from deliveries
  where project_id = $1 and callback_origin = $2 and inbox_position > $3 and inbox_position <= $4
    and inbox_position > 0 and read_at is null
  order by inbox_position desc limit $6
) as acked
where delivery.shard_id = acked.shard_id and delivery.id = acked.id and delivery.read_at is null
`;

/** Stores when messages were first acknowledged, at most `limit` of them; returns how many. */
export async function markRead(
  database: Database,
  inbox: InboxName,
  range: {
    readonly afterPosition: number;
    readonly upToPosition: number;
    readonly nowMs: number;
    readonly limit: number;
  },
): Promise<number> {
  const target = inboxTarget(inbox.name);
  const { afterPosition, upToPosition, nowMs, limit } = range;
  const parameters = [inbox.projectId, target, afterPosition, upToPosition, nowMs, limit];
  const marked = await database.run("mark-messages-read", (sql) =>
    sql.unsafe(MARK_READ, parameters, { prepare: true }),
  );
  return marked.count;
}

// Messages enter the inbox in the order of time, so the last one that is not after a time is found
// by bisection: each step looks at the first message behind a position.
const FIND_BEFORE = `
with recursive half (low, high) as (
  select 0::bigint, last_position from inboxes where project_id = $1 and name = $2
  union all
  select
    case when found.finished_at <= ${timeFrom("$4")} then found.inbox_position else low end,
    case when found.finished_at <= ${timeFrom("$4")} then high else (low + high) / 2 end
  from half left join lateral (
    select inbox_position, finished_at from deliveries
    where project_id = $1 and callback_origin = $3 and inbox_position > (low + high) / 2
      and inbox_position > 0
    order by inbox_position limit 1
  ) as found on true
  where low < high
)
select max(low)::float8 as position from half
`;

/** The position behind which all messages lie that entered the inbox after a time. */
export async function findPositionAfter(
  database: Database,
  inbox: InboxName,
  afterMs: number,
): Promise<number> {
  const { projectId, name } = inbox;
  const [row] = await database.run("find-position-after", (sql) =>
    sql.unsafe<{ position: number | null }[]>(
      FIND_BEFORE,
      [projectId, name, inboxTarget(name), afterMs],
      { prepare: true },
    ),
  );
  return row?.position ?? 0;
}

const LIST = `
select consumer.id, consumer.name, consumer.position::float8 as position,
  ${isHeld("consumer", "$5")} as "isReading",
  greatest(0, inbox.last_position - greatest(consumer.position, inbox.deleted_position))::float8
    as "unreadBytes",
  ${epochMs("consumer.created_at")} as "createdAtMs", ${epochMs("consumer.active_at")} as "activeAtMs",
  ${epochMs("consumer.acked_at")} as "ackedAtMs"
from inbox_consumers as consumer
join inboxes as inbox on inbox.project_id = consumer.project_id and inbox.name = consumer.inbox
where consumer.project_id = $1 and consumer.inbox = $2 and ($3::uuid is null or consumer.id < $3)
order by consumer.id desc limit $4
`;

/** The consumers of an inbox, newest first. */
export async function findConsumers(
  database: Database,
  query: InboxName & {
    readonly beforeId: string | null;
    readonly limit: number;
    readonly nowMs: number;
  },
): Promise<Page<ConsumerRecord>> {
  const { projectId, name, beforeId, limit, nowMs } = query;
  const rows = await database.run("find-consumers", (sql) =>
    sql.unsafe<ConsumerRecord[]>(LIST, [projectId, name, beforeId, limit + 1, nowMs], {
      prepare: true,
    }),
  );
  const page = rows.slice(0, limit);
  return { rows: page, lastId: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

const DELETE = `
delete from inbox_consumers where project_id = $1 and inbox = $2 and name = $3
`;

/** False when there is no consumer of that name. */
export async function deleteConsumer(database: Database, of: ConsumerName): Promise<boolean> {
  const deleted = await database.run("delete-consumer", (sql) =>
    sql.unsafe(DELETE, [of.projectId, of.name, of.consumer], { prepare: true }),
  );
  return deleted.count > 0;
}
