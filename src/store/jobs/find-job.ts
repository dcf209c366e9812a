import { and, eq, inArray, ne, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { jobs, subscriptions } from "../schema/schema.ts";
import { ROW_KEY, type RowKey, rowsOf } from "../sql/row-source.ts";
import { type Given, statement, template } from "../sql/statement.ts";

/** True for watched jobs, in the words of the partial index on them. */
export const IS_LIVE = sql`${jobs.status} in ('pending', 'processing')`;

/** Identifies a job at its upstream. */
export type UpstreamJob = Readonly<
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
): Promise<UpstreamJob | null> {
  const [row] = await database.run("find-job", (sql) => FIND(sql, { shardId, id }));
  return row ?? null;
}

const FIND_LIVE = statement((orm, given: Given<{ shardId: number; id: string }>) =>
  orm
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.shardId, given.shardId), eq(jobs.id, given.id), IS_LIVE)),
);

/** Whether a job, by its row, has not ended. */
export async function isJobLive(database: Database, { shardId, id }: RowKey): Promise<boolean> {
  const rows = await database.run("find-live-job", (run) => FIND_LIVE(run, { shardId, id }));
  return rows.length > 0;
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

type JobKey = Readonly<
  Pick<typeof jobs.$inferSelect, "shardId" | "connectionId" | "jobId" | "paramsDigest">
>;

const KNOWN = statement((orm, given: Given<JobKey>) =>
  orm
    .select({ id: jobs.id })
    .from(jobs)
    .where(
      and(
        eq(jobs.shardId, given.shardId),
        eq(jobs.connectionId, given.connectionId),
        eq(jobs.jobId, given.jobId),
        eq(jobs.paramsDigest, given.paramsDigest),
        ne(jobs.status, "unwatched"),
      ),
    ),
);

/** True when the job is watched or has ended, so that another subscription adds no live job. */
export async function isJobKnown(database: Database, job: JobKey): Promise<boolean> {
  const rows = await database.run("is-job-known", (sql) => KNOWN(sql, job));
  return rows.length > 0;
}

/** One for each set of params; a name seldom has several. */
const SAME_NAME_MAX = 20;

export type LiveJobOfName = Readonly<
  Pick<typeof jobs.$inferSelect, "shardId" | "id" | "jobId" | "params" | "providerVersionId">
>;

type JobName = Readonly<Pick<typeof jobs.$inferSelect, "shardId" | "connectionId" | "jobId">>;

const LIVE = statement((orm, given: Given<JobName>) =>
  orm
    .select({
      shardId: jobs.shardId,
      id: jobs.id,
      jobId: jobs.jobId,
      params: jobs.params,
      providerVersionId: jobs.providerVersionId,
    })
    .from(jobs)
    .where(
      and(
        eq(jobs.shardId, given.shardId),
        eq(jobs.connectionId, given.connectionId),
        eq(jobs.jobId, given.jobId),
        inArray(jobs.status, ["pending", "processing"]),
      ),
    )
    .limit(SAME_NAME_MAX),
);

/** The live jobs of a connection that have this name. */
export async function findLiveJobs(database: Database, name: JobName): Promise<LiveJobOfName[]> {
  return database.run("find-live-jobs", (sql) => LIVE(sql, name));
}
