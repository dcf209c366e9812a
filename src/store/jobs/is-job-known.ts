import type { Database } from "../db/database.ts";

const FIND = `
select 1 from jobs
where shard_id = $1 and connection_id = $2 and job_id = $3 and params_digest = $4
  and status <> 'unwatched'
`;

/** Whether the job is watched or has ended, so that one more subscription makes none live. */
export async function isJobKnown(
  database: Database,
  job: {
    readonly shardId: number;
    readonly connectionId: string;
    readonly jobId: string;
    readonly paramsDigest: string;
  },
): Promise<boolean> {
  const rows = await database.run("is-job-known", (sql) =>
    sql.unsafe(FIND, [job.shardId, job.connectionId, job.jobId, job.paramsDigest], {
      prepare: true,
    }),
  );
  return rows.length > 0;
}
