import type { Database } from "../db/database.ts";
import { rowSource } from "../sql/row-source.ts";

/** A subscription. */
export interface SubscriptionKey {
  readonly shardId: number;
  readonly id: string;
}

const KEYS = rowSource("key", { shardId: "smallint", id: "uuid" });

// As in load-jobs.ts.
const FIND = `
with key as materialized (select * from ${KEYS.sql})
select subscription.id from key
join subscriptions as subscription
  on subscription.shard_id = key."shardId" and subscription.id = key.id
join jobs as job on job.shard_id = subscription.shard_id and job.id = subscription.job_row_id
where job.ended_at is not null or subscription.closed_as is not null
`;

/** The ids of those whose job has ended, and of those that were closed. */
export async function findSettled(
  database: Database,
  keys: readonly SubscriptionKey[],
): Promise<string[]> {
  const rows = await database.run("find-settled-subscriptions", (sql) =>
    sql.unsafe<{ id: string }[]>(FIND, KEYS.parameters(keys), { prepare: true }),
  );
  return rows.map(({ id }) => id);
}
