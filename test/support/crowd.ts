import type postgres from "postgres";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { acceptRow } from "./rows.ts";

export interface CrowdedJob {
  readonly shardId: number;
  readonly jobRowId: string;
  readonly projectId: string;
}

/** A job with that many subscriptions, all but the first copied from it in the database. */
export async function crowdedJob(
  { database, sql }: { readonly database: Database; readonly sql: postgres.Sql },
  jobId: string,
  subscriptions: number,
  overrides: Parameters<typeof acceptRow>[1] = {},
): Promise<CrowdedJob> {
  const [accepted] = await acceptSubscriptions(database, [acceptRow(jobId, overrides)]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  const { id, shardId, jobRowId, projectId } = accepted.subscription;
  // Ids as they are made: the time, the shard, and the rest at random, in no order.
  await sql`
    insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url, callback_origin,
      events, payload, metadata, created_at)
    select shard_id,
      (left(id::text, 19) || '9' || substr(digest, 1, 3) || '-' || substr(digest, 4, 12))::uuid,
      project_id, job_row_id, callback_url, callback_origin, events, payload, metadata, created_at
    from subscriptions
    cross join generate_series(2, ${subscriptions}) as number
    cross join lateral (select md5(id::text || number) as digest) as random
    where subscriptions.id = ${id}`;
  return { shardId, jobRowId, projectId };
}
