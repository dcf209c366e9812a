import type { Database } from "../../src/store/db/database.ts";
import type { OwedDelivery } from "../../src/store/writes/record-events.ts";

/** Few enough for the statement timeout, on a slow disk too. */
const ROWS_AT_ONCE = 5000;

/** So many more deliveries like this one in the database, each due a millisecond before the last. */
export async function multiply(
  database: Database,
  { id, shardId }: Pick<OwedDelivery, "id" | "shardId">,
  count: number,
): Promise<void> {
  for (let first = 1; first <= count; first += ROWS_AT_ONCE) {
    const last = Math.min(count, first + ROWS_AT_ONCE - 1);
    await database.run(
      "multiply",
      (sql) => sql`
        insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
          callback_origin, status, next_attempt_at, created_at)
        select shard_id, gen_random_uuid(), project_id, subscription_id, event_id, event_type,
          callback_origin, status, next_attempt_at - number * interval '1 millisecond', created_at
        from deliveries, generate_series(${first}::int, ${last}::int) as number
        where shard_id = ${shardId} and id = ${id}`,
    );
  }
  await database.run("analyze", (sql) => sql`analyze deliveries`);
}
