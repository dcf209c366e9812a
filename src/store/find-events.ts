import type { EventType } from "../core/event.ts";
import { shardOfUuid } from "../core/ids.ts";
import type { Database } from "./database.ts";

/** One stored event. Ids are UUIDs, times epoch milliseconds, JSON raw. */
export interface EventRecord {
  readonly id: string;
  readonly type: EventType;
  readonly occurredAtMs: number;
  readonly jobId: string;
  readonly provider: string;
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
  readonly error: string | null;
  /** Null as well when it is larger than asked for. */
  readonly result: string | null;
  readonly hasResult: boolean;
  readonly progress: string | null;
}

const FIND = `
select id, type, (extract(epoch from occurred_at) * 1000)::float8 as "occurredAtMs",
  job_id as "jobId", provider, upstream_created_at as "createdAt",
  upstream_updated_at as "updatedAt", error, progress, result is not null as "hasResult",
  case when result_bytes <= $4 then result end as result
from events where shard_id = $1 and id = $2 and project_id = $3
`;

interface EventKey {
  readonly projectId: string;
  readonly id: string;
}

/** The project's event of this id, or null. Its result is read only up to `resultBytesMax`. */
export async function findEvent(
  database: Database,
  key: EventKey,
  resultBytesMax: number,
): Promise<EventRecord | null> {
  const parameters = [shardOfUuid(key.id), key.id, key.projectId, resultBytesMax];
  const [row] = await database.run("find-event", (sql) =>
    sql.unsafe<EventRecord[]>(FIND, parameters, { prepare: true }),
  );
  return row ?? null;
}

const FIND_RESULT = `
select result from events where shard_id = $1 and id = $2 and project_id = $3
`;

/** The whole stored result as raw JSON; null when the event has none; undefined without an event. */
export async function findEventResult(
  database: Database,
  key: EventKey,
): Promise<string | null | undefined> {
  const [row] = await database.run("find-event-result", (sql) =>
    sql.unsafe<{ result: string | null }[]>(
      FIND_RESULT,
      [shardOfUuid(key.id), key.id, key.projectId],
      { prepare: true },
    ),
  );
  return row === undefined ? undefined : row.result;
}
