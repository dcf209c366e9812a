import { and, eq } from "drizzle-orm";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { redeliveries } from "../schema/redeliveries.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { findRedelivery } from "./find-redeliveries.ts";

const CANCEL = statement(
  (orm, given: Given<{ shardId: number; id: string; projectId: string; nowMs: number }>) =>
    orm
      .update(redeliveries)
      .set({ state: "canceled", finishedAtMs: timeOf(given.nowMs) })
      .where(
        and(
          eq(redeliveries.shardId, given.shardId),
          eq(redeliveries.id, given.id),
          eq(redeliveries.projectId, given.projectId),
          eq(redeliveries.state, "running"),
        ),
      )
      .returning({ id: redeliveries.id }),
);

/** Ends a running redelivery; finished ones keep their state. False when there is none. */
export async function cancelRedelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  const canceled = await database.run("cancel-redelivery", (sql) =>
    CANCEL(sql, { ...key, shardId: shardOfUuid(key.id) }),
  );
  return canceled.length > 0 || (await findRedelivery(database, key)) !== null;
}
