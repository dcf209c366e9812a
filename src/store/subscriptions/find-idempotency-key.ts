import { and, eq, sql } from "drizzle-orm";
import { shardOfText } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { idempotencyKeys } from "../schema/schema.ts";
import { rowsOf } from "../sql/row-source.ts";
import { type Given, isAnyOf, statement, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

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

export function shardOfIdempotencyKey(project: string, used: string): number {
  return shardOfText(`${project}/${used}`);
}

const KEPT_FOR_MS = 24 * 60 * 60 * 1000;

const KEY = { shardId: "smallint", key: "text" } as const;

// For a subquery with a limit, Postgres makes one look-up by index for each key, however many there are.
const FIND_MANY = template(
  (
    given: Given<{
      projectId: string;
      keys: readonly Pick<IdempotencyKey, "shardId" | "key">[];
      sinceMs: number;
    }>,
  ) => sql<UsedKey & { readonly key: string }>`
select wanted.key, used."requestHash", used."subscriptionId"
from ${rowsOf("wanted", KEY, given.keys)}, lateral (
  select ${requestHash} as "requestHash", ${subscriptionId} as "subscriptionId"
  from ${idempotencyKeys}
  where ${shardId} = wanted."shardId" and ${projectId} = ${given.projectId} and ${key} = wanted.key
    -- An older one is free again.
    and ${createdAtMs} >= ${timeOf(given.sinceMs)}
  limit 1
) as used
`,
);

/** The uses of those of the project's idempotency keys that are used. */
export async function findIdempotencyKeys(
  database: Database,
  of: { readonly projectId: string; readonly keys: readonly string[]; readonly nowMs: number },
): Promise<ReadonlyMap<string, UsedKey>> {
  const keys = of.keys.map((used) => ({
    shardId: shardOfIdempotencyKey(of.projectId, used),
    key: used,
  }));
  const rows = await database.run("find-idempotency-keys", (run) =>
    FIND_MANY(run, { projectId: of.projectId, keys, sinceMs: of.nowMs - KEPT_FOR_MS }),
  );
  return new Map(rows.map(({ key: used, ...use }) => [used, use]));
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
