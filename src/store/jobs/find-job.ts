import type { Database } from "../db/database.ts";
import { rowSource } from "../sql/row-source.ts";

/** How a job is named at its upstream. */
export interface JobReference {
  readonly connectionId: string;
  readonly providerVersionId: string | null;
  readonly jobId: string;
  /** Raw JSON object of strings. */
  readonly params: string;
}

const FIND = `
select connection_id as "connectionId", provider_version_id as "providerVersionId",
  job_id as "jobId", params
from jobs
where shard_id = $1 and id = $2
`;

/** A job by its row, ended or not. */
export async function findJob(
  database: Database,
  shardId: number,
  id: string,
): Promise<JobReference | null> {
  const [row] = await database.run("find-job", (sql) =>
    sql.unsafe<JobReference[]>(FIND, [shardId, id], { prepare: true }),
  );
  return row ?? null;
}

export interface WatchedJob {
  readonly shardId: number;
  readonly id: string;
  /** It has not ended, and somebody waits for it. */
  readonly isLive: boolean;
}

const KEYS = rowSource("key", { shardId: "smallint", id: "uuid" });

// As in load-jobs.ts.
const OF_SUBSCRIPTIONS = `
with key as materialized (select distinct * from ${KEYS.sql})
select distinct job.shard_id as "shardId", job.id, job.status in ('pending', 'processing') as "isLive"
from key
join subscriptions as subscription
  on subscription.shard_id = key."shardId" and subscription.id = key.id
join jobs as job on job.shard_id = subscription.shard_id and job.id = subscription.job_row_id
`;

/** The jobs of subscriptions. */
export async function findJobsOfSubscriptions(
  database: Database,
  subscriptions: readonly { readonly shardId: number; readonly id: string }[],
): Promise<WatchedJob[]> {
  return database.run("find-jobs-of-subscriptions", (sql) =>
    sql.unsafe<WatchedJob[]>(OF_SUBSCRIPTIONS, KEYS.parameters(subscriptions), { prepare: true }),
  );
}
