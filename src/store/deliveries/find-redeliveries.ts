import type { EventType } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import { arrayLiteral } from "../sql/array-literal.ts";
import type { Database } from "../db/database.ts";
import type { Page } from "../sql/page.ts";
import type { RedeliverableStatus, RedeliveryState } from "../schema/redeliveries.ts";
import { epochMs } from "../sql/time.ts";

/** Which deliveries are meant. Times in epoch milliseconds. */
export interface RedeliveryFilter {
  readonly status: RedeliverableStatus;
  readonly eventType: EventType | null;
  readonly callbackOrigin: string | null;
  readonly createdAfterMs: number | null;
  /** Exclusive. */
  readonly createdBeforeMs: number;
}

/** One redelivery of many. Ids are UUIDs, times epoch milliseconds. */
export interface RedeliveryRecord extends RedeliveryFilter {
  readonly id: string;
  readonly shardId: number;
  readonly projectId: string;
  readonly state: RedeliveryState;
  readonly isDryRun: boolean;
  readonly perSecond: number;
  /** The last delivery that was looked at. */
  readonly positionId: string;
  readonly matched: number;
  readonly redelivered: number;
  readonly skipped: number;
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
}

const COLUMNS = `
  id, shard_id as "shardId", project_id as "projectId", state, is_dry_run as "isDryRun", status,
  event_type as "eventType", callback_origin as "callbackOrigin",
  ${epochMs("created_after")} as "createdAfterMs",
  ${epochMs("created_before")} as "createdBeforeMs",
  per_second as "perSecond", position_id as "positionId", matched, redelivered, skipped,
  ${epochMs("created_at")} as "createdAtMs",
  ${epochMs("finished_at")} as "finishedAtMs"`;

const FIND = `
select ${COLUMNS} from redeliveries where shard_id = $1 and id = $2 and project_id = $3
`;

/** The project's redelivery of this id, or null. */
export async function findRedelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<RedeliveryRecord | null> {
  const [row] = await database.run("find-redelivery", (sql) =>
    sql.unsafe<RedeliveryRecord[]>(FIND, [shardOfUuid(key.id), key.id, key.projectId], {
      prepare: true,
    }),
  );
  return row ?? null;
}

const LIST = `
select ${COLUMNS} from redeliveries
where project_id = $1 and ($2::uuid is null or id < $2)
order by id desc limit $3
`;

/** The project's redeliveries, newest first. */
export async function findRedeliveries(
  database: Database,
  query: { readonly projectId: string; readonly beforeId: string | null; readonly limit: number },
): Promise<Page<RedeliveryRecord>> {
  const { projectId, beforeId, limit } = query;
  const rows = await database.run("find-redeliveries", (sql) =>
    sql.unsafe<RedeliveryRecord[]>(LIST, [projectId, beforeId, limit + 1], { prepare: true }),
  );
  const page = rows.slice(0, limit);
  return { rows: page, lastId: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

const RUNNING_READ_MAX = 1000;

const RUNNING = `
select ${COLUMNS} from redeliveries
where shard_id = any ($1::text::smallint[]) and state = 'running'
limit ${RUNNING_READ_MAX}
`;

/** Those of the shards that are not finished. */
export async function findRunningRedeliveries(
  database: Database,
  shardIds: readonly number[],
): Promise<RedeliveryRecord[]> {
  return database.run("find-running-redeliveries", (sql) =>
    sql.unsafe<RedeliveryRecord[]>(RUNNING, [arrayLiteral(shardIds)], { prepare: true }),
  );
}
