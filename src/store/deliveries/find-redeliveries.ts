import { and, desc, eq, lt } from "drizzle-orm";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { redeliveries } from "../schema/redeliveries.ts";
import { beforeOrFirst, cutPage, type Page } from "../sql/page.ts";
import { type Given, isAnyOf, statement } from "../sql/statement.ts";

/** One redelivery of many deliveries. */
export type RedeliveryRecord = Readonly<typeof redeliveries.$inferSelect>;

/** Selects the deliveries of a redelivery. */
export type RedeliveryFilter = Pick<
  RedeliveryRecord,
  "status" | "eventType" | "callbackOrigin" | "createdAfterMs" | "createdBeforeMs"
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
  query: { readonly projectId: string; readonly beforeId: string | null; readonly limit: number },
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
