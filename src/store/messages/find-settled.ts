import { sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { jobs, subscriptions } from "../schema/schema.ts";
import { ROW_KEY, rowsOf } from "../sql/row-source.ts";
import { type Given, template } from "../sql/statement.ts";

/** Identifies a subscription. */
export interface SubscriptionKey {
  readonly shardId: number;
  readonly id: string;
}

// As in load-jobs.ts.
const FIND = template(
  (given: Given<{ keys: readonly SubscriptionKey[] }>) => sql<{ id: string }>`
with key as materialized (select * from ${rowsOf("key", ROW_KEY, given.keys)})
select ${subscriptions.id} from key
join ${subscriptions} on ${subscriptions.shardId} = key."shardId" and ${subscriptions.id} = key.id
join ${jobs} on ${jobs.shardId} = ${subscriptions.shardId} and ${jobs.id} = ${subscriptions.jobRowId}
where ${jobs.endedAtMs} is not null or ${subscriptions.closedAs} is not null
`,
);

/** The ids of subscriptions whose job has ended, and of those that were closed. */
export async function findSettled(
  database: Database,
  keys: readonly SubscriptionKey[],
): Promise<string[]> {
  const rows = await database.run("find-settled-subscriptions", (sql) => FIND(sql, { keys }));
  return rows.map(({ id }) => id);
}
