import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import type { RedeliveryFilter } from "./find-redeliveries.ts";
import { firstIdAt } from "../sql/id-range.ts";
import { timeFrom } from "../sql/time.ts";

export interface NewRedelivery extends RedeliveryFilter {
  readonly id: string;
  readonly projectId: string;
  readonly isDryRun: boolean;
  readonly perSecond: number;
  readonly nowMs: number;
}

const CREATE = `
insert into redeliveries (
  shard_id, id, project_id, state, is_dry_run, status, event_type, callback_origin,
  created_after, created_before, per_second, position_id, created_at
)
select $1, $2, $3, 'running', $4, $5, $6, $7, ${timeFrom("$8")},
  ${timeFrom("$9")}, $10, $11, ${timeFrom("$12")}
where $13 > (select count(*) from redeliveries where project_id = $3 and state = 'running')
returning id
`;

/**
 * Notes down what is to be redelivered; whoever owns the shard of its id carries it out. False when
 * the project has `runningMax` running already.
 */
export async function createRedelivery(
  database: Database,
  redelivery: NewRedelivery,
  runningMax: number,
): Promise<boolean> {
  const { createdAfterMs } = redelivery;
  const rows = await database.run("create-redelivery", (sql) =>
    sql.unsafe(
      CREATE,
      [
        shardOfUuid(redelivery.id),
        redelivery.id,
        redelivery.projectId,
        redelivery.isDryRun,
        redelivery.status,
        redelivery.eventType,
        redelivery.callbackOrigin,
        createdAfterMs,
        redelivery.createdBeforeMs,
        redelivery.perSecond,
        firstIdAt(createdAfterMs ?? 0),
        redelivery.nowMs,
        runningMax,
      ],
      { prepare: true },
    ),
  );
  return rows.length > 0;
}
