import { and, desc, eq, getTableColumns, lt, lte, ne, not, or, type SQL, sql } from "drizzle-orm";
import { alias, type PgColumn } from "drizzle-orm/pg-core";
import {
  type OperationalEventEnd,
  PUBLISHED_EVERY_MS,
} from "../../core/delivery/operational-event.ts";
import type { Database } from "../db/database.ts";
import { operationalEvents } from "../schema/projects.ts";
import { rowsOf } from "../sql/row-source.ts";
import {
  beforeOrFirst,
  type Page,
  pageOf,
  selectMatching,
  scanOf,
  type PageQuery,
} from "../sql/page.ts";
import {
  bound,
  excluded,
  type Given,
  isAnyOf,
  isIfGiven,
  nameOf,
  type Parameter,
  statement,
  template,
} from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

const { shardId, projectId, subject, id, type, data, occurrences } = operationalEvents;
const { occurredAtMs, dueAtMs, attemptCount, lastAttemptAtMs } = operationalEvents;
const { settledAs, sentTo, httpStatus, lastError } = operationalEvents;

type Stored = Readonly<typeof operationalEvents.$inferSelect>;

/** Events of one subject, gathered by one node. */
type OperationalEventRow = Pick<
  Stored,
  "shardId" | "projectId" | "subject" | "id" | "type" | "data" | "occurrences" | "occurredAtMs"
>;

export interface NotedEvent extends OperationalEventRow {
  /** Whether the project has an address that it is sent to; one that is not wanted is only kept. */
  readonly isWanted: boolean;
}

const ROW = {
  shardId: "smallint",
  projectId: "uuid",
  subject: "text",
  id: "uuid",
  type: "text",
  data: "text",
  occurrences: "integer",
  occurredAtMs: "float8",
  isWanted: "boolean",
} as const;

const PUBLISHED_EVERY = sql.raw(`interval '${PUBLISHED_EVERY_MS} milliseconds'`);
const occurredAt = timeOf(sql.raw('"occurredAtMs"'));
const isWanted = sql.raw('"isWanted"');
const UNWANTED = sql.raw("'unwanted'");
const known = alias(operationalEvents, "known");
const NONE = sql`null`;
const set = (column: PgColumn, value: SQL) => sql`${nameOf(column)} = ${value}`;

// The newest replaces all that were not sent yet; it waits until the subject may be reported again.
const NOTE = template(
  (given: Given<{ rows: readonly NotedEvent[] }>) => sql`
insert into ${operationalEvents} as ${known} (
  ${nameOf(shardId)}, ${nameOf(projectId)}, ${nameOf(subject)}, ${nameOf(id)}, ${nameOf(type)},
  ${nameOf(data)}, ${nameOf(occurrences)}, ${nameOf(occurredAtMs)}, ${nameOf(dueAtMs)},
  ${nameOf(settledAs)}
)
select "shardId", "projectId", subject, id, type, data, occurrences, ${occurredAt},
  case when ${isWanted} then ${occurredAt} end, case when not ${isWanted} then ${UNWANTED} end
from ${rowsOf("row", ROW, given.rows)}
order by "shardId", "projectId", subject
on conflict (${nameOf(shardId)}, ${nameOf(projectId)}, ${nameOf(subject)}) do update set
  ${set(id, excluded(id))}, ${set(type, excluded(type))}, ${set(data, excluded(data))},
  ${nameOf(occurrences)} = ${excluded(occurrences)} + case
    when (${known.dueAtMs} is not null or ${known.settledAs} = ${UNWANTED})
      and ${known.type} = ${excluded(type)} then ${known.occurrences} else 0 end,
  ${set(occurredAtMs, excluded(occurredAtMs))}, ${nameOf(attemptCount)} = 0,
  ${set(settledAs, excluded(settledAs))}, ${set(sentTo, NONE)}, ${set(httpStatus, NONE)}, ${set(lastError, NONE)},
  ${nameOf(dueAtMs)} = case when ${excluded(dueAtMs)} is not null then greatest(
    ${excluded(dueAtMs)},
    -- In UTC an interval's length depends on no session's time zone, as Citus wants it here.
    (${known.lastAttemptAtMs} at time zone 'UTC' + ${PUBLISHED_EVERY}) at time zone 'UTC') end
where ${known.id} <> ${excluded(id)}
`,
);

/** Stores operational events of projects; one row a subject, even from several nodes. */
export async function noteOperationalEvents(
  database: Database,
  rows: readonly NotedEvent[],
): Promise<void> {
  await database.run("note-operational-events", (sql) => NOTE(sql, { rows }));
}

const COUNT = statement((orm) =>
  orm
    .select({ projectId, rows: sql<number>`count(*)::int`.as("rows") })
    .from(operationalEvents)
    .groupBy(projectId),
);

/** How many events of each project are stored, of those that have any. */
export function countOperationalEvents(
  database: Database,
): Promise<{ readonly projectId: string; readonly rows: number }[]> {
  return database.run("count-operational-events", (sql) => COUNT(sql, {}));
}

/** An event that is due to be sent. */
export interface DueOperationalEvent extends OperationalEventRow {
  readonly attemptCount: number;
}

const DUE_ROWS_MAX = 100;
const DUE_ROWS_PER_PROJECT_MAX = 8;

const FIND_DUE = statement(
  (
    orm,
    given: Given<{
      shardIds: readonly number[];
      dueByMs: number;
      except: readonly string[];
    }>,
  ) => {
    const due = orm.$with("due").as(
      orm
        .select({
          shardId,
          projectId,
          subject,
          id,
          type,
          data,
          occurrences,
          occurredAtMs,
          attemptCount,
          dueAtMs,
          place: sql`row_number() over (partition by ${projectId} order by ${dueAtMs})`.as("place"),
        })
        .from(operationalEvents)
        .where(
          and(
            isAnyOf(shardId, given.shardIds),
            lte(dueAtMs, timeOf(given.dueByMs)),
            not(isAnyOf(projectId, given.except)),
          ),
        ),
    );
    return orm
      .with(due)
      .select({
        shardId: due.shardId,
        projectId: due.projectId,
        subject: due.subject,
        id: due.id,
        type: due.type,
        data: due.data,
        occurrences: due.occurrences,
        occurredAtMs: due.occurredAtMs,
        attemptCount: due.attemptCount,
      })
      .from(due)
      .where(lte(due.place, sql.raw(String(DUE_ROWS_PER_PROJECT_MAX))))
      .orderBy(due.dueAtMs)
      .limit(DUE_ROWS_MAX);
  },
);

/**
 * The due events of the shards, a few of each project except the named ones, longest overdue first.
 */
export function findDueOperationalEvents(
  database: Database,
  query: {
    readonly shardIds: readonly number[];
    readonly dueByMs: number;
    readonly except: readonly string[];
  },
): Promise<DueOperationalEvent[]> {
  return database.run("find-due-operational-events", (sql) => FIND_DUE(sql, query));
}

interface Settlement {
  readonly isDelivered: boolean;
  /** Whether the receiver has seen it, or may have. */
  readonly isTried: boolean;
  readonly nowMs: number;
  /** Null when nothing is left to do. */
  readonly nextAttemptAtMs: number | null;
  /** Null when another attempt follows. */
  readonly settledAs: OperationalEventEnd | null;
  /** The URL of the attempt; null when none was made. */
  readonly sentTo: string | null;
  /** Null when there was no answer. */
  readonly httpStatus: number | null;
  /** Null when the event was taken. */
  readonly lastError: string | null;
}

// An event that arrived while this one was being sent waits its minute too, and does not count the
// ones that were sent.
const SETTLE = statement(
  (
    orm,
    given: Given<
      Pick<
        DueOperationalEvent,
        "shardId" | "projectId" | "subject" | "id" | "type" | "occurrences" | "attemptCount"
      > &
        Settlement
    >,
  ) => {
    const isSame = sql`${id} = ${given.id}`;
    const ofSame = <Of extends PgColumn>(column: Of, value: Parameter<Of["_"]["data"] | null>) =>
      sql`case when ${isSame} then ${bound(column, value)} else ${column} end`;
    const attemptedAt = timeOf(given.nowMs);
    return orm
      .update(operationalEvents)
      .set({
        lastAttemptAtMs: sql`case when ${given.isTried}::boolean then ${attemptedAt} else ${lastAttemptAtMs} end`,
        attemptCount: sql`case when ${isSame} then ${attemptCount} + 1 else ${attemptCount} end`,
        occurrences: sql`case
          when ${id} <> ${given.id} and ${given.isDelivered}::boolean and ${type} = ${given.type}
            then greatest(${occurrences} - ${given.occurrences}::int, 1)
          else ${occurrences} end`,
        dueAtMs: sql`case
          when ${isSame} then ${timeOf(given.nextAttemptAtMs)}
          when ${given.isTried}::boolean
            then greatest(${dueAtMs}, ${timeOf(sql`(${given.nowMs}::float8 + ${PUBLISHED_EVERY_MS})`)})
          else ${dueAtMs} end`,
        settledAs: ofSame(settledAs, given.settledAs),
        sentTo: ofSame(sentTo, given.sentTo),
        httpStatus: ofSame(httpStatus, given.httpStatus),
        lastError: ofSame(lastError, given.lastError),
      })
      .where(
        and(
          eq(shardId, given.shardId),
          eq(projectId, given.projectId),
          eq(subject, given.subject),
          or(ne(id, given.id), eq(attemptCount, given.attemptCount)),
        ),
      );
  },
);

/** Records the result of an attempt, guarded by the attempt count that the sender knew. */
export async function settleOperationalEvent(
  database: Database,
  event: DueOperationalEvent,
  outcome: Settlement,
): Promise<void> {
  await database.run("settle-operational-event", (sql) => SETTLE(sql, { ...event, ...outcome }));
}

/** The latest operational event of a subject, with its end. */
export type OperationalEventRecord = Omit<Stored, "shardId" | "projectId" | "subject">;

const LIST = statement(
  (
    orm,
    given: Given<{
      projectId: string;
      beforeId: string;
      scan: number;
      type: Stored["type"] | null;
    }>,
  ) => {
    const columns = getTableColumns(operationalEvents);
    const candidate = orm.$with("candidate").as(
      orm
        .select(columns)
        .from(operationalEvents)
        .where(and(eq(projectId, given.projectId), lt(id, given.beforeId)))
        .orderBy(desc(id))
        .limit(given.scan),
    );
    const matching = orm
      .select()
      .from(candidate)
      .where(isIfGiven(candidate.type, given.type))
      .as("matching");
    return selectMatching(orm, candidate, sql<string | null>`min(${candidate.id}::text)`, matching);
  },
);

/** The project's operational events below an id, newest first; null for all types. */
export async function listOperationalEvents(
  database: Database,
  query: PageQuery & { readonly type: Stored["type"] | null },
): Promise<Page<OperationalEventRecord>> {
  const { limit, type } = query;
  const scan = scanOf(limit, type !== null);
  const beforeId = beforeOrFirst(query.beforeId);
  const rows = await database.run("list-operational-events", (sql) =>
    LIST(sql, { ...query, beforeId, scan }),
  );
  return pageOf<OperationalEventRecord>(rows, { limit, scan });
}

const FORGOTTEN_AT_ONCE_MAX = 1000;

const FORGET = template(
  (given: Given<{ shardIds: readonly number[] }>) => sql`
with old as (
  select ${shardId}, ${projectId}, ${subject} from ${operationalEvents}
  where ${isAnyOf(shardId, given.shardIds)} and ${dueAtMs} is null
    and ${occurredAtMs} < now() - interval '1 day'
  limit ${FORGOTTEN_AT_ONCE_MAX}
)
delete from ${operationalEvents} using old
where ${shardId} = old.shard_id and ${projectId} = old.project_id and ${subject} = old.subject
`,
);

/** Removes a bounded number of events that were sent long ago; returns how many. */
export async function forgetOperationalEvents(
  database: Database,
  shardIds: readonly number[],
): Promise<number> {
  const result = await database.run("forget-operational-events", (sql) =>
    FORGET(sql, { shardIds }),
  );
  return result.count;
}
