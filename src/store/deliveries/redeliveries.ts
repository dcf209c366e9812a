import { and, desc, eq, lt, sql } from "drizzle-orm";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { redeliveries } from "../schema/redeliveries.ts";
import { beforeOrFirst, cutPage, firstIdAt, type Page, type PageQuery } from "../sql/page.ts";
import { type Given, isAnyOf, nameOf, statement, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

export interface NewRedelivery extends RedeliveryFilter {
  readonly id: string;
  readonly projectId: string;
  readonly isDryRun: boolean;
  readonly perSecond: number;
  readonly nowMs: number;
}

const { shardId, id, projectId, state, isDryRun, status, eventType, callbackOrigin } = redeliveries;
const { errorCode, createdAfterMs, createdBeforeMs, perSecond, positionId, createdAtMs } =
  redeliveries;

const CREATE = template(
  (
    given: Given<NewRedelivery & { shardId: number; positionId: string; runningMax: number }>,
  ) => sql`
insert into ${redeliveries} (
  ${nameOf(shardId)}, ${nameOf(id)}, ${nameOf(projectId)}, ${nameOf(state)}, ${nameOf(isDryRun)},
  ${nameOf(status)}, ${nameOf(eventType)}, ${nameOf(callbackOrigin)}, ${nameOf(errorCode)}, ${nameOf(createdAfterMs)},
  ${nameOf(createdBeforeMs)}, ${nameOf(perSecond)}, ${nameOf(positionId)}, ${nameOf(createdAtMs)}
)
select ${given.shardId}, ${given.id}, ${given.projectId}, 'running', ${given.isDryRun},
  ${given.status}, ${given.eventType}, ${given.callbackOrigin}, ${given.errorCode}, ${timeOf(given.createdAfterMs)},
  ${timeOf(given.createdBeforeMs)}, ${given.perSecond}, ${given.positionId}, ${timeOf(given.nowMs)}
where ${given.runningMax} > (
  select count(*) from ${redeliveries}
  where ${projectId} = ${given.projectId} and ${state} = 'running'
)
returning ${id}
`,
);

/**
 * Stores what is to be redelivered; the owner of the shard of its id carries it out. False when the
 * project already has `runningMax` running.
 */
export async function createRedelivery(
  database: Database,
  redelivery: NewRedelivery,
  runningMax: number,
): Promise<boolean> {
  const rows = await database.run("create-redelivery", (sql) =>
    CREATE(sql, {
      ...redelivery,
      shardId: shardOfUuid(redelivery.id),
      positionId: firstIdAt(redelivery.createdAfterMs ?? 0),
      runningMax,
    }),
  );
  return rows.length > 0;
}

const CANCEL = statement(
  (orm, given: Given<{ shardId: number; id: string; projectId: string; nowMs: number }>) =>
    orm
      .update(redeliveries)
      .set({ state: "canceled", finishedAtMs: timeOf(given.nowMs) })
      .where(
        and(
          eq(redeliveries.shardId, given.shardId),
          eq(redeliveries.id, given.id),
          eq(redeliveries.projectId, given.projectId),
          eq(redeliveries.state, "running"),
        ),
      )
      .returning({ id: redeliveries.id }),
);

/** Ends a running redelivery; finished ones keep their state. False when there is none. */
export async function cancelRedelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  const canceled = await database.run("cancel-redelivery", (sql) =>
    CANCEL(sql, { ...key, shardId: shardOfUuid(key.id) }),
  );
  return canceled.length > 0 || (await findRedelivery(database, key)) !== null;
}

/** One redelivery of many deliveries. */
export type RedeliveryRecord = Readonly<typeof redeliveries.$inferSelect>;

/** Selects the deliveries of a redelivery. */
export type RedeliveryFilter = Pick<
  RedeliveryRecord,
  "status" | "eventType" | "errorCode" | "callbackOrigin" | "createdAfterMs" | "createdBeforeMs"
>;

const FIND = statement((orm, given: Given<{ shardId: number; id: string; projectId: string }>) =>
  orm
    .select()
    .from(redeliveries)
    .where(
      and(
        eq(redeliveries.shardId, given.shardId),
        eq(redeliveries.id, given.id),
        eq(redeliveries.projectId, given.projectId),
      ),
    ),
);

/** The project's redelivery of this id, or null. */
export async function findRedelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<RedeliveryRecord | null> {
  const [row] = await database.run("find-redelivery", (sql) =>
    FIND(sql, { ...key, shardId: shardOfUuid(key.id) }),
  );
  return row ?? null;
}

const LIST = statement(
  (orm, given: Given<{ projectId: string; beforeId: string; limit: number }>) =>
    orm
      .select()
      .from(redeliveries)
      .where(and(eq(redeliveries.projectId, given.projectId), lt(redeliveries.id, given.beforeId)))
      .orderBy(desc(redeliveries.id))
      .limit(given.limit),
);

/** The project's redeliveries, newest first. */
export async function findRedeliveries(
  database: Database,
  query: PageQuery,
): Promise<Page<RedeliveryRecord>> {
  const { projectId, limit } = query;
  const beforeId = beforeOrFirst(query.beforeId);
  const rows = await database.run("find-redeliveries", (sql) =>
    LIST(sql, { projectId, beforeId, limit: limit + 1 }),
  );
  return cutPage(rows, limit);
}

const RUNNING_READ_MAX = 1000;

const RUNNING = statement((orm, given: Given<{ shardIds: readonly number[] }>) =>
  orm
    .select()
    .from(redeliveries)
    .where(and(isAnyOf(redeliveries.shardId, given.shardIds), eq(redeliveries.state, "running")))
    .limit(RUNNING_READ_MAX),
);

/** Unfinished redeliveries of the shards. */
export async function findRunningRedeliveries(
  database: Database,
  shardIds: readonly number[],
): Promise<RedeliveryRecord[]> {
  return database.run("find-running-redeliveries", (sql) => RUNNING(sql, { shardIds }));
}
