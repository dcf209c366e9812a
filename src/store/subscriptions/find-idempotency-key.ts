import { arrayLiteral } from "../sql/array-literal.ts";
import type { Database } from "../db/database.ts";

const FIND = `
select request_hash as "requestHash", subscription_id as "subscriptionId"
from idempotency_keys where shard_id = $1 and project_id = $2 and key = $3
`;

export interface UsedKey {
  readonly requestHash: string;
  readonly subscriptionId: string;
}

/** What an idempotency key was used for, or null. */
export async function findIdempotencyKey(
  database: Database,
  key: { readonly shardId: number; readonly projectId: string; readonly key: string },
): Promise<UsedKey | null> {
  const [row] = await database.run("find-idempotency-key", (sql) =>
    sql.unsafe<UsedKey[]>(FIND, [key.shardId, key.projectId, key.key], { prepare: true }),
  );
  return row ?? null;
}

const KEYS_PER_STATEMENT_MAX = 5000;

const FORGET = `
with old as (
  select shard_id, project_id, key from idempotency_keys
  where shard_id = any ($1::text::smallint[]) and created_at < now() - interval '24 hours'
  limit ${KEYS_PER_STATEMENT_MAX}
)
delete from idempotency_keys as used using old
where used.shard_id = old.shard_id and used.project_id = old.project_id and used.key = old.key
`;

/** Removes keys past their 24 h, a bounded number; returns how many. */
export async function forgetOldIdempotencyKeys(
  database: Database,
  shardIds: readonly number[],
): Promise<number> {
  const result = await database.run("forget-idempotency-keys", (sql) =>
    sql.unsafe(FORGET, [arrayLiteral(shardIds)], { prepare: true }),
  );
  return result.count;
}
