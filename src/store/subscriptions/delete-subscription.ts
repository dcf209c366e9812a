import { shardOfUuid } from "../../core/ids/ids.ts";
import type { TransactionSql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import { IS_OWED_LATER } from "../writes/fan-out.ts";
import { IS_PENDING } from "../sql/is-pending.ts";
import { timeFrom } from "../sql/time.ts";

export interface DeletedSubscription {
  readonly shardId: number;
  readonly jobRowId: string;
  /** The job has not ended, and no subscription waits for it any more. */
  readonly jobUnwatched: boolean;
  readonly jobEnded: boolean;
}

const FIND_JOB = `
select job_row_id from subscriptions where shard_id = $1 and id = $2 and project_id = $3
`;

// Changes nothing; takes the row's lock, as the ending and every accept do first.
const LOCK_JOB = `
update jobs set status = status where shard_id = $1 and id = $2
returning ended_at is not null as ended
`;

// What was delivered stays so: deleting it afterwards takes nothing back.
const CLOSE = `
update subscriptions as subscription set closed_as = 'canceled'
where shard_id = $1 and id = $2 and closed_as is null
  and not ($3::boolean and not exists (
    select 1 from deliveries as delivery
    where shard_id = $1 and subscription_id = $2 and ${IS_PENDING}
  ) and not ${IS_OWED_LATER})
`;

const CANCEL_DELIVERIES = `
update deliveries as delivery set
  status = 'canceled', next_attempt_at = null, finished_at = ${timeFrom("$3")}
where shard_id = $1 and subscription_id = $2 and ${IS_PENDING}
`;

const UNWATCH = `
update jobs set status = 'unwatched'
where shard_id = $1 and id = $2 and ended_at is null and not exists (
  select 1 from subscriptions
  where shard_id = $1 and job_row_id = $2 and closed_as is null
)
returning id
`;

/**
 * Ends a subscription: it hears nothing more, and a job that nobody else waits for is no longer
 * watched. Null when the project has no such subscription; repeating it changes nothing.
 *
 * The job row is locked first and everything is read in later statements. So an ending is either
 * recorded before, and its delivery is canceled here, or after, and finds the subscription closed;
 * and a subscription accepted meanwhile is seen here, or takes the job back from `unwatched`.
 */
export function deleteSubscription(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<DeletedSubscription | null> {
  const { projectId, id, nowMs } = key;
  const shardId = shardOfUuid(id);
  return database.transaction("delete-subscription", async (sql: TransactionSql) => {
    const [subscription] = await sql.unsafe<{ job_row_id: string }[]>(
      FIND_JOB,
      [shardId, id, projectId],
      { prepare: true },
    );
    if (subscription === undefined) return null;
    const jobRowId = subscription.job_row_id;
    const [job] = await sql.unsafe<{ ended: boolean }[]>(LOCK_JOB, [shardId, jobRowId], {
      prepare: true,
    });
    const jobEnded = job?.ended ?? true;
    // Sent without waiting in between; each sees what those before it did.
    const [, , unwatched] = await Promise.all([
      sql.unsafe(CLOSE, [shardId, id, jobEnded], { prepare: true }),
      sql.unsafe(CANCEL_DELIVERIES, [shardId, id, nowMs], { prepare: true }),
      sql.unsafe(UNWATCH, [shardId, jobRowId], { prepare: true }),
    ]);
    return { shardId, jobRowId, jobEnded, jobUnwatched: unwatched.length > 0 };
  });
}
