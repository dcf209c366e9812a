import { and, desc, eq, getTableColumns, gt, isNull, lt, or, sql } from "drizzle-orm";
import type { EventType } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { deliveries, events, jobs } from "../schema/schema.ts";
import {
  HIGHEST_ID,
  isInWindow,
  LOWEST_ID,
  type Page,
  pageOf,
  type PageWindow,
  selectMatching,
  scanOf,
  windowOf,
  subscriptionsInOrder,
  type PageQuery,
} from "../sql/page.ts";
import { type Builder, type Given, isIfGiven, statement, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { event, EVENT_COLUMNS, type EventRecord } from "./find-events.ts";
import { rowsOf } from "../sql/row-source.ts";

type PageParameters = PageWindow &
  Given<{
    createdBeforeMs: number | null;
    type: EventType | null;
  }>;

const COLUMNS = getTableColumns(events);

const ofProject = (orm: Builder, given: PageParameters) =>
  orm
    .select(COLUMNS)
    .from(events)
    .where(isInWindow(COLUMNS, given))
    .orderBy(desc(COLUMNS.id))
    .limit(given.scan);

/** Later subscriptions of a job receive the same events. */
const SUBSCRIPTIONS_MAX = 1_000;

/*
 * A job names its ending and its `job.processing`; every other recorded event has a delivery. So
 * its events are found without an index by job, which every event would pay for.
 */
const ofJob = (
  orm: Builder,
  given: PageParameters & Given<{ shardId: number; jobRowId: string }>,
) => {
  const job = sql`(select ${given.shardId}::smallint as shard_id, ${given.jobRowId}::uuid as id) as job`;
  const ofItsSubscriptions = subscriptionsInOrder({
    columns: "candidate.shard_id, candidate.id",
    shardId: "job.shard_id",
    jobRowId: "job.id",
    afterId: `'${LOWEST_ID}'`,
    upToId: `'${HIGHEST_ID}'`,
  });
  const known = orm.$with("known", { id: COLUMNS.id }).as(sql`
    select unnest(array[${jobs.lastEventId}, ${jobs.processingEventId}]) as id from ${jobs}
    where ${jobs.shardId} = ${given.shardId} and ${jobs.id} = ${given.jobRowId}
    union
    select ${deliveries.eventId}
    from ${job}
    cross join lateral (${sql.raw(ofItsSubscriptions)} limit ${SUBSCRIPTIONS_MAX}) as subscription
    join ${deliveries} on ${deliveries.shardId} = subscription.shard_id
      and ${deliveries.subscriptionId} = subscription.id`);
  return orm
    .with(known)
    .select(COLUMNS)
    .from(events)
    .innerJoin(known, and(eq(COLUMNS.shardId, given.shardId), eq(COLUMNS.id, sql`known.id`)))
    .where(isInWindow(COLUMNS, given))
    .orderBy(desc(COLUMNS.id))
    .limit(given.scan);
};

/** The matching candidates, with the number of candidates and the last of them. */
function matching(orm: Builder, given: PageParameters, candidates: ReturnType<typeof ofProject>) {
  // Named so that the columns of an event refer to it.
  const candidate = orm.$with("event").as(candidates);
  const matching = orm
    .select({ ...EVENT_COLUMNS, result: sql<null>`null::text`.as("result") })
    .from(candidate)
    .where(
      and(
        gt(event.occurredAtMs, timeOf(given.createdAfterMs)),
        or(
          isNull(sql`${given.createdBeforeMs}::float8`),
          lt(event.occurredAtMs, timeOf(given.createdBeforeMs)),
        ),
        isIfGiven(event.type, given.type),
      ),
    )
    .as("matching");
  return selectMatching(orm, candidate, sql<string | null>`min(${candidate.id}::text)`, matching);
}

const LIST_OF_PROJECT = statement((orm, given: PageParameters) =>
  matching(orm, given, ofProject(orm, given)),
);

const LIST_OF_JOB = statement(
  (orm, given: PageParameters & Given<{ shardId: number; jobRowId: string }>) =>
    matching(orm, given, ofJob(orm, given)),
);

/** The project's matching events, newest first, without their results. Times in epoch milliseconds. */
export async function findEvents(
  database: Database,
  query: PageQuery & {
    readonly type: EventType | null;
    /** The UUID of a job, or null for those of all jobs. */
    readonly jobRowId: string | null;
    readonly createdAfterMs: number | null;
    readonly createdBeforeMs: number | null;
  },
): Promise<Page<EventRecord>> {
  const { limit, jobRowId, createdBeforeMs } = query;
  const scan = scanOf(limit, query.type !== null || createdBeforeMs !== null);
  const parameters = {
    ...query,
    scan,
    ...windowOf(query),
  };
  const rows = await database.run("find-events", (sql) =>
    jobRowId === null
      ? LIST_OF_PROJECT(sql, parameters)
      : LIST_OF_JOB(sql, { ...parameters, jobRowId, shardId: shardOfUuid(jobRowId) }),
  );
  return pageOf<EventRecord>(rows, { limit, scan });
}

interface NewestEvent {
  readonly projectId: string;
  /** The UUID of the newest event. */
  readonly id: string;
}

type ProjectKey = Pick<NewestEvent, "projectId">;

const FIND = template(
  (given: Given<{ projects: readonly ProjectKey[] }>) => sql<NewestEvent>`
with key as materialized (select * from ${rowsOf("key", { projectId: "uuid" }, given.projects)})
select key."projectId", newest.id from key cross join lateral (
  select ${events.id} from ${events} where ${events.projectId} = key."projectId"
  order by ${events.id} desc limit 1
) as newest
`,
);

/** The newest event of each of these projects that has any: one look into an index for each. */
export async function findNewestEvents(
  database: Database,
  projectIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const projects = projectIds.map((projectId) => ({ projectId }));
  const rows = await database.run("find-newest-events", (run) => FIND(run, { projects }));
  return new Map(rows.map(({ projectId, id }) => [projectId, id]));
}
