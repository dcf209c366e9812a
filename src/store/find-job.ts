import { arrayLiteral } from "./array-literal.ts";
import type { Database } from "./database.ts";

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

const OF_SUBSCRIPTIONS = `
select distinct job.shard_id as "shardId", job.id, job.status in ('pending', 'processing') as "isLive"
from subscriptions as subscription
join jobs as job on job.shard_id = subscription.shard_id and job.id = subscription.job_row_id
where subscription.shard_id = any ($1::text::smallint[])
  and subscription.id = any ($2::text::uuid[])
`;

/** The jobs of subscriptions. */
export async function findJobsOfSubscriptions(
  database: Database,
  subscriptions: readonly { readonly shardId: number; readonly id: string }[],
): Promise<WatchedJob[]> {
  const shardIds = arrayLiteral(subscriptions.map((key) => key.shardId));
  const ids = arrayLiteral(subscriptions.map((key) => key.id));
  return database.run("find-jobs-of-subscriptions", (sql) =>
    sql.unsafe<WatchedJob[]>(OF_SUBSCRIPTIONS, [shardIds, ids], { prepare: true }),
  );
}
