import { and, eq, ne } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { jobs } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";

type JobKey = Readonly<
  Pick<typeof jobs.$inferSelect, "shardId" | "connectionId" | "jobId" | "paramsDigest">
>;

const FIND = statement((orm, given: Given<JobKey>) =>
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
  const rows = await database.run("is-job-known", (sql) => FIND(sql, job));
  return rows.length > 0;
}
