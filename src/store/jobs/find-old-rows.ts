import { arrayLiteral } from "../sql/array-literal.ts";
import { firstIdAt } from "../sql/id-range.ts";
import type { Database } from "../db/database.ts";

/** Tables of a shard that have rows old enough to be removed. */
export interface OldRows {
  readonly shardId: number;
  readonly jobs: boolean;
  readonly resultParts: boolean;
  readonly events: boolean;
  readonly redeliveries: boolean;
}

const hasOld = (table: string, id: string): string =>
  `exists (select from ${table} where ${table}.shard_id = own.shard_id and ${id} < $2::uuid)`;

const FIND = `
select * from (
  select own.shard_id as "shardId", ${hasOld("jobs", "id")} as jobs,
    ${hasOld("result_parts", "event_id")} as "resultParts", ${hasOld("events", "id")} as events,
    ${hasOld("redeliveries", "id")} as redeliveries
  from unnest($1::text::smallint[]) as own (shard_id)
) as found
where jobs or "resultParts" or events or redeliveries
order by "shardId"
`;

/** The shards that have old rows, from one statement for all. */
export function findOldRows(
  database: Database,
  shardIds: readonly number[],
  activeSinceMs: number,
): Promise<OldRows[]> {
  return database.run("find-old-rows", (sql) =>
    sql.unsafe<OldRows[]>(FIND, [arrayLiteral(shardIds), firstIdAt(activeSinceMs)], {
      prepare: true,
    }),
  );
}
