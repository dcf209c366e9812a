import { and, eq, inArray } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { jobs } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";

/** One for each set of params; a name seldom has several. */
const SAME_NAME_MAX = 20;

export type NamedJob = Readonly<
  Pick<typeof jobs.$inferSelect, "shardId" | "id" | "jobId" | "params" | "providerVersionId">
>;

type JobName = Readonly<Pick<typeof jobs.$inferSelect, "shardId" | "connectionId" | "jobId">>;

const FIND = statement((orm, given: Given<JobName>) =>
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
export async function findLiveJobs(database: Database, name: JobName): Promise<NamedJob[]> {
  return database.run("find-live-jobs", (sql) => FIND(sql, name));
}
