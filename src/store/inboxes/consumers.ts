import { and, desc, eq, isNull, lt, lte, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { Database } from "../db/database.ts";
import { inboxConsumers, inboxes } from "../schema/inboxes.ts";
import { deliveries, nodes } from "../schema/schema.ts";
import { beforeOrFirst, cutPage, type Page, type PageQuery } from "../sql/page.ts";
import { excluded, type Given, nameOf, statement, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import type { InboxName } from "./place-messages.ts";

/** A named consumer of an inbox. */
export interface ConsumerName extends InboxName {
  readonly consumer: string;
}

/** A consumer for display. Times are in epoch milliseconds. */
export interface ConsumerRecord extends Readonly<
  Pick<
    typeof inboxConsumers.$inferSelect,
    "id" | "name" | "position" | "createdAtMs" | "activeAtMs" | "ackedAtMs"
  >
> {
  readonly isReading: boolean;
  /** Approximate bytes of the messages behind its position. */
  readonly unreadBytes: number;
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

const KEY = [inboxConsumers.projectId, inboxConsumers.inbox, inboxConsumers.name];
const inbox = alias(inboxes, "inbox");
const consumer = alias(inboxConsumers, "consumer");
const delivery = alias(deliveries, "delivery");

type Name = { projectId: string; inbox: string; consumer: string };

const isConsumer = (of: Given<Name>) =>
  and(
    eq(inboxConsumers.projectId, of.projectId),
    eq(inboxConsumers.inbox, of.inbox),
    eq(inboxConsumers.name, of.consumer),
  );

/** In SQL: whether a reader of a live node holds the consumer. */
const isHeld = ({ readerId, readerNodeId }: Readers, now: SQL) => sql<boolean>`
(${readerId} is not null and exists (
  select from ${nodes} where ${nodes.id} = ${readerNodeId} and ${nodes.leaseExpiresAtMs} > ${now}
))`;

type Readers = Pick<typeof inboxConsumers | typeof consumer, "readerId" | "readerNodeId">;

const FIND = statement(
  (
    orm,
    given: Given<{
      projectId: string;
      name: string;
      consumer: string | null;
      nowMs: number;
      nodeId: string;
    }>,
  ) =>
    orm
      .select({
        inboxId: inbox.id,
        lastPosition: inbox.lastPosition,
        position: sql<number>`greatest(${inbox.deletedPosition}, ${consumer.position})::float8`,
        isKnown: sql<boolean>`${consumer.id} is not null`,
        isBusy: sql<boolean>`coalesce(
          ${consumer.readerNodeId} <> ${given.nodeId} and ${isHeld(consumer, timeOf(given.nowMs))}, false
        )`,
      })
      .from(inbox)
      .leftJoin(
        consumer,
        and(
          eq(consumer.projectId, inbox.projectId),
          eq(consumer.inbox, inbox.name),
          sql`${consumer.name} = ${given.consumer}`,
        ),
      )
      .where(
        and(
          eq(inbox.projectId, given.projectId),
          eq(inbox.name, given.name),
          isNull(inbox.deletedAtMs),
        ),
      ),
);

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
  const [row] = await database.run("find-reading-position", (run) => FIND(run, { ...of, ...at }));
  return row ?? null;
}

// A claim by this node is out of date: a node knows its own readers.
const CLAIM = statement(
  (
    orm,
    given: Given<Name & { newId: string; readerId: string; nodeId: string; nowMs: number }>,
  ) => {
    const { id, readerId, readerNodeId, activeAtMs } = inboxConsumers;
    return orm
      .insert(inboxConsumers)
      .values({
        projectId: given.projectId,
        inbox: given.inbox,
        name: given.consumer,
        id: given.newId,
        position: sql`0`,
        readerId: given.readerId,
        readerNodeId: given.nodeId,
        createdAtMs: given.nowMs,
        activeAtMs: given.nowMs,
      })
      .onConflictDoUpdate({
        target: KEY,
        set: {
          readerId: excluded(readerId),
          readerNodeId: excluded(readerNodeId),
          activeAtMs: excluded(activeAtMs),
        },
        setWhere: sql`${readerNodeId} is not distinct from ${excluded(readerNodeId)}
          or not ${isHeld(inboxConsumers, excluded(activeAtMs))}`,
      })
      .returning({ id });
  },
);

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
  const claimed = await database.run("claim-consumer", (run) =>
    CLAIM(run, { ...keyOf(of), ...by }),
  );
  return claimed.length > 0;
}

const RELEASE = statement((orm, given: Given<Name & { readerId: string; nodeId: string }>) =>
  orm
    .update(inboxConsumers)
    .set({ readerId: null, readerNodeId: null })
    .where(
      and(
        isConsumer(given),
        eq(inboxConsumers.readerNodeId, given.nodeId),
        lte(inboxConsumers.readerId, given.readerId),
      ),
    ),
);

/**
 * Gives back a reader's claim, and earlier ones of its node that could not be given back. Ids of
 * readers are in the order of time, so a later claim stays.
 */
export async function releaseConsumer(
  database: Database,
  of: ConsumerName,
  by: { readonly readerId: string; readonly nodeId: string },
): Promise<void> {
  await database.run("release-consumer", (run) => RELEASE(run, { ...keyOf(of), ...by }));
}

const { position, createdAtMs, activeAtMs, ackedAtMs } = inboxConsumers;

const MOVE = template(
  (given: Given<Name & { newId: string; position: number; nowMs: number; isAck: boolean }>) => sql<{
    position: number;
  }>`
with moved as (
  insert into ${inboxConsumers} as ${consumer} (
    ${sql.join(KEY.map(nameOf), sql`, `)}, ${nameOf(inboxConsumers.id)}, ${nameOf(position)},
    ${nameOf(createdAtMs)}, ${nameOf(activeAtMs)}, ${nameOf(ackedAtMs)}
  )
  values (
    ${given.projectId}, ${given.inbox}, ${given.consumer}, ${given.newId},
    ${given.position}::bigint, ${timeOf(given.nowMs)}, ${timeOf(given.nowMs)},
    case when ${given.isAck}::boolean then ${timeOf(given.nowMs)} end
  )
  on conflict (${sql.join(KEY.map(nameOf), sql`, `)}) do update set
    ${nameOf(position)} = case when ${given.isAck}::boolean
      then greatest(${consumer.position}, ${excluded(position)}) else ${excluded(position)} end,
    ${nameOf(activeAtMs)} = ${excluded(activeAtMs)},
    ${nameOf(ackedAtMs)} = coalesce(${excluded(ackedAtMs)}, ${consumer.ackedAtMs})
  returning ${nameOf(position)}
),
acked as (
  update ${inboxes} set ${nameOf(inboxes.ackedPosition)} = ${given.position}::bigint
  where ${given.isAck}::boolean and ${inboxes.projectId} = ${given.projectId}
    and ${inboxes.name} = ${given.inbox} and ${inboxes.ackedPosition} < ${given.position}::bigint
)
select moved.position::float8 as position from moved
`,
);

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
  const { kind, ...to } = move;
  const [row] = await database.run("move-consumer", (run) =>
    MOVE(run, { ...keyOf(of), ...to, isAck: kind === "ack" }),
  );
  return row?.position ?? move.position;
}

const { shardId, id, projectId, callbackOrigin, inboxPosition, readAtMs } = deliveries;

// Starts from the end, where nearly all of them are unmarked.
const MARK_READ = template(
  (
    given: Given<{
      projectId: string;
      target: string;
      afterPosition: number;
      upToPosition: number;
      nowMs: number;
      limit: number;
    }>,
  ) => sql`
update ${deliveries} as ${delivery} set ${nameOf(readAtMs)} = ${timeOf(given.nowMs)}
from (
  select ${shardId}, ${id} from ${deliveries}
  where ${projectId} = ${given.projectId} and ${callbackOrigin} = ${given.target}
    and ${inboxPosition} > ${given.afterPosition} and ${inboxPosition} <= ${given.upToPosition}
    and ${inboxPosition} > 0 and ${readAtMs} is null
  order by ${inboxPosition} desc limit ${given.limit}
) as acked
where ${delivery.shardId} = acked.shard_id and ${delivery.id} = acked.id
  and ${delivery.readAtMs} is null
`,
);

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
  const marked = await database.run("mark-messages-read", (run) =>
    MARK_READ(run, { projectId: inbox.projectId, target, ...range }),
  );
  return marked.count;
}

// Messages enter the inbox in the order of time, so the last one that is not after a time is found
// by bisection: each step looks at the first message behind a position.
const FIND_BEFORE = template(
  (given: Given<{ projectId: string; name: string; target: string; afterMs: number }>) => sql<{
    position: number | null;
  }>`
with recursive half (low, high) as (
  select 0::bigint, ${inboxes.lastPosition} from ${inboxes}
  where ${inboxes.projectId} = ${given.projectId} and ${inboxes.name} = ${given.name}
  union all
  select
    case when ${delivery.finishedAtMs} <= ${timeOf(given.afterMs)}
      then ${delivery.inboxPosition} else low end,
    case when ${delivery.finishedAtMs} <= ${timeOf(given.afterMs)}
      then high else (low + high) / 2 end
  from half left join lateral (
    select ${inboxPosition}, ${deliveries.finishedAtMs} from ${deliveries}
    where ${projectId} = ${given.projectId} and ${callbackOrigin} = ${given.target}
      and ${inboxPosition} > (low + high) / 2 and ${inboxPosition} > 0
    order by ${inboxPosition} limit 1
  ) as ${delivery} on true
  where low < high
)
select max(low)::float8 as position from half
`,
);

/** The position behind which all messages lie that entered the inbox after a time. */
export async function findPositionAfter(
  database: Database,
  inbox: InboxName,
  afterMs: number,
): Promise<number> {
  const { projectId, name } = inbox;
  const [row] = await database.run("find-position-after", (run) =>
    FIND_BEFORE(run, { projectId, name, target: inboxTarget(name), afterMs }),
  );
  return row?.position ?? 0;
}

const LIST = statement(
  (
    orm,
    given: Given<{
      projectId: string;
      name: string;
      beforeId: string;
      nowMs: number;
      limit: number;
    }>,
  ) =>
    orm
      .select({
        id: consumer.id,
        name: consumer.name,
        position: consumer.position,
        isReading: isHeld(consumer, timeOf(given.nowMs)),
        unreadBytes: sql<number>`greatest(0, ${inbox.lastPosition}
          - greatest(${consumer.position}, ${inbox.deletedPosition}))::float8`,
        createdAtMs: consumer.createdAtMs,
        activeAtMs: consumer.activeAtMs,
        ackedAtMs: consumer.ackedAtMs,
      })
      .from(consumer)
      .innerJoin(
        inbox,
        and(eq(inbox.projectId, consumer.projectId), eq(inbox.name, consumer.inbox)),
      )
      .where(
        and(
          eq(consumer.projectId, given.projectId),
          eq(consumer.inbox, given.name),
          lt(consumer.id, given.beforeId),
        ),
      )
      .orderBy(desc(consumer.id))
      .limit(given.limit),
);

/** The consumers of an inbox, newest first. */
export async function findConsumers(
  database: Database,
  query: InboxName & PageQuery & { readonly nowMs: number },
): Promise<Page<ConsumerRecord>> {
  const rows = await database.run("find-consumers", (run) =>
    LIST(run, {
      ...query,
      beforeId: beforeOrFirst(query.beforeId),
      limit: query.limit + 1,
    }),
  );
  return cutPage(rows, query.limit);
}

const DELETE = statement((orm, given: Given<Name>) =>
  orm.delete(inboxConsumers).where(isConsumer(given)),
);

/** False when there is no consumer of that name. */
export async function deleteConsumer(database: Database, of: ConsumerName): Promise<boolean> {
  const deleted = await database.run("delete-consumer", (run) => DELETE(run, keyOf(of)));
  return deleted.count > 0;
}

function keyOf({ projectId, name, consumer }: ConsumerName) {
  return { projectId, inbox: name, consumer };
}
