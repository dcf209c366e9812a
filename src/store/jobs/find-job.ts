import { and, eq, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { jobs, subscriptions } from "../schema/schema.ts";
import { IS_LIVE } from "../sql/is-live.ts";
import { ROW_KEY, type RowKey, rowsOf } from "../sql/row-source.ts";
import { type Given, statement, template } from "../sql/statement.ts";

/** Identifies a job at its upstream. */
export type JobReference = Readonly<
  Pick<typeof jobs.$inferSelect, "connectionId" | "providerVersionId" | "jobId" | "params">
>;

const FIND = statement((orm, given: Given<{ shardId: number; id: string }>) =>
  orm
    .select({
      connectionId: jobs.connectionId,
      providerVersionId: jobs.providerVersionId,
      jobId: jobs.jobId,
      params: jobs.params,
    })
    .from(jobs)
    .where(and(eq(jobs.shardId, given.shardId), eq(jobs.id, given.id))),
);

/** A job by its row, ended or not. */
export async function findJob(
  database: Database,
  shardId: number,
  id: string,
): Promise<JobReference | null> {
  const [row] = await database.run("find-job", (sql) => FIND(sql, { shardId, id }));
  return row ?? null;
}

export interface WatchedJob {
  readonly shardId: number;
  readonly id: string;
  /** True while it has not ended and a subscription waits for it. */
  readonly isLive: boolean;
}

// As in load-jobs.ts.
const OF_SUBSCRIPTIONS = template(
  (given: Given<{ keys: readonly RowKey[] }>) => sql<WatchedJob>`
with key as materialized (select distinct * from ${rowsOf("key", ROW_KEY, given.keys)})
select distinct ${jobs.shardId} as "shardId", ${jobs.id}, ${IS_LIVE} as "isLive"
from key
join ${subscriptions} on ${subscriptions.shardId} = key."shardId" and ${subscriptions.id} = key.id
join ${jobs} on ${jobs.shardId} = ${subscriptions.shardId} and ${jobs.id} = ${subscriptions.jobRowId}
`,
);

/** The jobs of subscriptions. */
export async function findJobsOfSubscriptions(
  database: Database,
  subscriptions: readonly { readonly shardId: number; readonly id: string }[],
): Promise<WatchedJob[]> {
  return database.run("find-jobs-of-subscriptions", (sql) =>
    OF_SUBSCRIPTIONS(sql, { keys: subscriptions }),
  );
}
