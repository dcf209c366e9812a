import type { OperationalEventType } from "../../core/delivery/operational-event.ts";
import { TOLD_EVERY_MS } from "../../core/delivery/operational-event.ts";
import { arrayLiteral } from "../sql/array-literal.ts";
import type { Database } from "../db/database.ts";
import { rowSource } from "../sql/row-source.ts";
import { epochMs, timeFrom } from "../sql/time.ts";

/** News of one subject, gathered by one node. */
export interface OperationalEventRow {
  readonly shardId: number;
  readonly projectId: string;
  readonly subject: string;
  readonly id: string;
  readonly type: OperationalEventType;
  /** Raw JSON object. */
  readonly data: string;
  readonly occurrences: number;
  readonly occurredAtMs: number;
}

const INPUT = rowSource("row", {
  shardId: "smallint",
  projectId: "uuid",
  subject: "text",
  id: "uuid",
  type: "text",
  data: "text",
  occurrences: "integer",
  occurredAtMs: "float8",
});

// The newest stands for all that was not told yet; it waits until the subject may be told of again.
const NOTE = `
insert into operational_events as known (
  shard_id, project_id, subject, id, type, data, occurrences, occurred_at, due_at
)
select "shardId", "projectId", subject, id, type, data, occurrences,
  ${timeFrom('"occurredAtMs"')}, ${timeFrom('"occurredAtMs"')}
from ${INPUT.sql}
order by "shardId", "projectId", subject
on conflict (shard_id, project_id, subject) do update set
  id = excluded.id, type = excluded.type, data = excluded.data,
  occurrences = excluded.occurrences + case
    when known.due_at is not null and known.type = excluded.type then known.occurrences else 0 end,
  occurred_at = excluded.occurred_at, attempt_count = 0,
  due_at = greatest(
    excluded.due_at,
    -- In UTC an interval's length depends on no session's time zone, as Citus wants it here.
    (known.told_at at time zone 'UTC' + interval '${TOLD_EVERY_MS} milliseconds') at time zone 'UTC')
where known.id <> excluded.id
`;

/** Notes down what projects are to be told; of one subject and several nodes, once. */
export async function noteOperationalEvents(
  database: Database,
  rows: readonly OperationalEventRow[],
): Promise<void> {
  await database.run("note-operational-events", (sql) =>
    sql.unsafe(NOTE, INPUT.parameters(rows), { prepare: true }),
  );
}

/** One to be told now. */
export interface DueOperationalEvent extends OperationalEventRow {
  readonly attemptCount: number;
}

const DUE_ROWS_MAX = 100;
const DUE_ROWS_PER_PROJECT_MAX = 8;

const FIND_DUE = `
with due as materialized (
  select *, row_number() over (partition by project_id order by due_at) as place
  from operational_events
  where shard_id = any ($1::text::smallint[]) and due_at <= ${timeFrom("$2")}
    and project_id <> all ($3::text::uuid[])
)
select shard_id as "shardId", project_id as "projectId", subject, id, type, data, occurrences,
  ${epochMs("occurred_at")} as "occurredAtMs", attempt_count as "attemptCount"
from due where place <= ${DUE_ROWS_PER_PROJECT_MAX}
order by due_at limit ${DUE_ROWS_MAX}
`;

/** Those of the shards that are due, a few of each project but those named, the longest due first. */
export function findDueOperationalEvents(
  database: Database,
  query: {
    readonly shardIds: readonly number[];
    readonly dueByMs: number;
    readonly except: readonly string[];
  },
): Promise<DueOperationalEvent[]> {
  const values = [arrayLiteral(query.shardIds), query.dueByMs, arrayLiteral(query.except)];
  return database.run("find-due-operational-events", (sql) =>
    sql.unsafe<DueOperationalEvent[]>(FIND_DUE, values, { prepare: true }),
  );
}

// What came while this one was being sent waits its minute too, and does not count what was told.
const SETTLE = `
update operational_events set
  told_at = case when $9::boolean then ${timeFrom("$6")} else told_at end,
  attempt_count = case when id = $4 then attempt_count + 1 else attempt_count end,
  occurrences = case
    when id <> $4 and $5::boolean and type = $10 then greatest(occurrences - $11::int, 1)
    else occurrences end,
  due_at = case
    when id = $4 then ${timeFrom("$7")}
    when $9::boolean then greatest(
      due_at, ${timeFrom("($6::float8 + " + TOLD_EVERY_MS + ")")})
    else due_at end
where shard_id = $1 and project_id = $2 and subject = $3
  and (id <> $4 or attempt_count = $8)
`;

/** Records what became of an attempt, from the attempt count that the sender knew. */
export async function settleOperationalEvent(
  database: Database,
  event: DueOperationalEvent,
  outcome: {
    readonly isTold: boolean;
    /** Whether the receiver has seen it, or may have. */
    readonly isTried: boolean;
    readonly nowMs: number;
    /** Null when nothing is left to do. */
    readonly nextAttemptAtMs: number | null;
  },
): Promise<void> {
  await database.run("settle-operational-event", (sql) =>
    sql.unsafe(
      SETTLE,
      [
        event.shardId,
        event.projectId,
        event.subject,
        event.id,
        outcome.isTold,
        outcome.nowMs,
        outcome.nextAttemptAtMs,
        event.attemptCount,
        outcome.isTried,
        event.type,
        event.occurrences,
      ],
      { prepare: true },
    ),
  );
}

const FORGOTTEN_AT_ONCE_MAX = 1000;

const FORGET = `
with old as (
  select shard_id, project_id, subject from operational_events
  where shard_id = any ($1::text::smallint[]) and due_at is null
    and occurred_at < now() - interval '1 day'
  limit ${FORGOTTEN_AT_ONCE_MAX}
)
delete from operational_events as known using old
where known.shard_id = old.shard_id and known.project_id = old.project_id
  and known.subject = old.subject
`;

/** Removes what was told long ago, a bounded number; returns how many. */
export async function forgetOperationalEvents(
  database: Database,
  shardIds: readonly number[],
): Promise<number> {
  const result = await database.run("forget-operational-events", (sql) =>
    sql.unsafe(FORGET, [arrayLiteral(shardIds)], { prepare: true }),
  );
  return result.count;
}
