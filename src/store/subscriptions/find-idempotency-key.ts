import { and, eq, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { idempotencyKeys } from "../schema/schema.ts";
import { type Given, isAnyOf, statement, template } from "../sql/statement.ts";

const { shardId, projectId, key, requestHash, subscriptionId, createdAtMs } = idempotencyKeys;

type IdempotencyKey = Readonly<typeof idempotencyKeys.$inferSelect>;
export type UsedKey = Pick<IdempotencyKey, "requestHash" | "subscriptionId">;
type Key = Pick<IdempotencyKey, "shardId" | "projectId" | "key">;

const FIND = statement((orm, given: Given<Key>) =>
  orm
    .select({ requestHash, subscriptionId })
    .from(idempotencyKeys)
    .where(and(eq(shardId, given.shardId), eq(projectId, given.projectId), eq(key, given.key))),
);

/** The use of an idempotency key, or null. */
export async function findIdempotencyKey(database: Database, used: Key): Promise<UsedKey | null> {
  const [row] = await database.run("find-idempotency-key", (sql) => FIND(sql, used));
  return row ?? null;
}

const KEYS_PER_STATEMENT_MAX = 5000;

const FORGET = template(
  (given: Given<{ shardIds: readonly number[] }>) => sql`
with old as (
  select ${shardId}, ${projectId}, ${key} from ${idempotencyKeys}
  where ${isAnyOf(shardId, given.shardIds)} and ${createdAtMs} < now() - interval '24 hours'
  limit ${KEYS_PER_STATEMENT_MAX}
)
delete from ${idempotencyKeys} using old
where ${shardId} = old.shard_id and ${projectId} = old.project_id and ${key} = old.key
`,
);

/** Removes a bounded number of keys that are older than 24 h; returns how many. */
export async function forgetOldIdempotencyKeys(
  database: Database,
  shardIds: readonly number[],
): Promise<number> {
  const result = await database.run("forget-idempotency-keys", (sql) => FORGET(sql, { shardIds }));
  return result.count;
}
