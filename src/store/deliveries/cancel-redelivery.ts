import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { timeFrom } from "../sql/time.ts";

const CANCEL = `
with canceled as (
  update redeliveries set state = 'canceled', finished_at = ${timeFrom("$4")}
  where shard_id = $1 and id = $2 and project_id = $3 and state = 'running'
)
select id from redeliveries where shard_id = $1 and id = $2 and project_id = $3
`;

/** Ends a redelivery that runs; one that is over stays as it is. False when there is no such. */
export async function cancelRedelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  const rows = await database.run("cancel-redelivery", (sql) =>
    sql.unsafe(CANCEL, [shardOfUuid(key.id), key.id, key.projectId, key.nowMs], { prepare: true }),
  );
  return rows.length > 0;
}
