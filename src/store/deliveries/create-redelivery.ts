import { sql } from "drizzle-orm";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { redeliveries } from "../schema/redeliveries.ts";
import { firstIdAt } from "../sql/id-range.ts";
import { type Given, nameOf, template } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import type { RedeliveryFilter } from "./find-redeliveries.ts";

export interface NewRedelivery extends RedeliveryFilter {
  readonly id: string;
  readonly projectId: string;
  readonly isDryRun: boolean;
  readonly perSecond: number;
  readonly nowMs: number;
}

const { shardId, id, projectId, state, isDryRun, status, eventType, callbackOrigin } = redeliveries;
const { createdAfterMs, createdBeforeMs, perSecond, positionId, createdAtMs } = redeliveries;

const CREATE = template(
  (
    given: Given<NewRedelivery & { shardId: number; positionId: string; runningMax: number }>,
  ) => sql`
insert into ${redeliveries} (
  ${nameOf(shardId)}, ${nameOf(id)}, ${nameOf(projectId)}, ${nameOf(state)}, ${nameOf(isDryRun)},
  ${nameOf(status)}, ${nameOf(eventType)}, ${nameOf(callbackOrigin)}, ${nameOf(createdAfterMs)},
  ${nameOf(createdBeforeMs)}, ${nameOf(perSecond)}, ${nameOf(positionId)}, ${nameOf(createdAtMs)}
)
select ${given.shardId}, ${given.id}, ${given.projectId}, 'running', ${given.isDryRun},
  ${given.status}, ${given.eventType}, ${given.callbackOrigin}, ${timeOf(given.createdAfterMs)},
  ${timeOf(given.createdBeforeMs)}, ${given.perSecond}, ${given.positionId}, ${timeOf(given.nowMs)}
where ${given.runningMax} > (
  select count(*) from ${redeliveries}
  where ${projectId} = ${given.projectId} and ${state} = 'running'
)
returning ${id}
`,
);

/**
 * Stores what is to be redelivered; the owner of the shard of its id carries it out. False when the
 * project already has `runningMax` running.
 */
export async function createRedelivery(
  database: Database,
  redelivery: NewRedelivery,
  runningMax: number,
): Promise<boolean> {
  const rows = await database.run("create-redelivery", (sql) =>
    CREATE(sql, {
      ...redelivery,
      shardId: shardOfUuid(redelivery.id),
      positionId: firstIdAt(redelivery.createdAfterMs ?? 0),
      runningMax,
    }),
  );
  return rows.length > 0;
}
