import type { Database } from "../db/database.ts";
import type { PollOutcome } from "../../core/waiting/job-wait.ts";
import type { LiveJob } from "../jobs/load-jobs.ts";
import { rowSource } from "../sql/row-source.ts";
import { WITHOUT_WAITING_FOR_THE_DISK } from "../sql/statement.ts";
import { timeFrom } from "../sql/time.ts";

/** State that polling has learned of a running job, for display. */
export type JobCheckpoint = Pick<
  LiveJob,
  "shardId" | "id" | "status" | "seen" | "pollCount" | "lastPolledAtMs" | "lastError" | "progress"
> & {
  /** Outcome of the latest poll; null when this node has not polled the job. */
  readonly lastOutcome: PollOutcome | null;
};

const INPUT = rowSource("row", {
  shardId: "smallint",
  id: "uuid",
  status: "text",
  seen: "boolean",
  pollCount: "integer",
  lastPolledAtMs: "float8",
  lastOutcome: "text",
  lastError: "text",
  progress: "text",
});

const CHECKPOINT = `
update jobs as job set
  status = case when job.status = 'processing' then job.status else input.status end, seen = input.seen, poll_count = input."pollCount",
  last_polled_at = ${timeFrom('input."lastPolledAtMs"')},
  last_outcome = input."lastOutcome", last_error = input."lastError", progress = coalesce(input.progress, job.progress)
from (select * from ${INPUT.sql} order by "shardId", id) as input
where job.shard_id = input."shardId" and job.id = input.id
  -- Live, but not in the words of the partial index: see load-jobs.ts.
  and job.ended_at is null and job.status <> 'unwatched'
`;

/**
 * Writes a batch of checkpoints without waiting for the disk: losing one loses nothing. A status
 * only moves forward, from `pending` to `processing`.
 */
export async function checkpointJobs(
  database: Database,
  checkpoints: readonly JobCheckpoint[],
): Promise<void> {
  await database.transaction(
    "checkpoint-jobs",
    (sql) =>
      Promise.all([
        WITHOUT_WAITING_FOR_THE_DISK(sql, {}),
        sql.unsafe(CHECKPOINT, INPUT.parameters(checkpoints), { prepare: true }),
      ]),
    { isSentAtOnce: true },
  );
}
