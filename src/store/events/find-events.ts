import type { EventContent } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { WHOLE_RESULT } from "../writes/result-parts.ts";
import { epochMs } from "../sql/time.ts";

/** One stored event. Ids are UUIDs, times epoch milliseconds, JSON raw. */
export interface EventRecord extends EventContent {
  readonly id: string;
  readonly jobRowId: string;
  /** Whether there is a result, which is null as well when it is larger than asked for. */
  readonly hasResult: boolean;
}

export const EVENT_COLUMNS = `
  id, type, ${epochMs("occurred_at")} as "occurredAtMs",
  job_row_id as "jobRowId", job_id as "jobId", provider, upstream_created_at as "createdAt",
  upstream_updated_at as "updatedAt", error, progress, result_fetch as "resultFetch",
  result_bytes > 0 as "hasResult"`;

const FIND = `
select ${EVENT_COLUMNS},
  case when result_bytes between 1 and $4 then ${WHOLE_RESULT} end as result
from events as event where shard_id = $1 and id = $2 and project_id = $3
`;

/** The project's event of this id, or null. Its result is read only up to `resultBytesMax`. */
export async function findEvent(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
  resultBytesMax: number,
): Promise<EventRecord | null> {
  const parameters = [shardOfUuid(key.id), key.id, key.projectId, resultBytesMax];
  const [row] = await database.run("find-event", (sql) =>
    sql.unsafe<EventRecord[]>(FIND, parameters, { prepare: true }),
  );
  return row ?? null;
}

/** A stored result. */
export interface StoredResult {
  readonly shardId: number;
  readonly eventId: string;
  readonly projectId: string;
  /** Raw JSON; null when it is kept in parts. */
  readonly text: string | null;
  readonly bytes: number;
  /** Raw JSON: what became of fetching it, if it is a link. */
  readonly fetch: string | null;
}

const FIND_RESULT = `
select shard_id as "shardId", id as "eventId", project_id as "projectId", result as text, result_bytes as bytes,
  result_fetch as fetch
from events where shard_id = $1 and id = $2 and ($3::uuid is null or project_id = $3)
`;

/**
 * The result of an event: null when it has none, undefined when there is no such event.
 * @param projectId null for whoever was allowed to read this very event
 */
export async function findEventResult(
  database: Database,
  key: { readonly projectId: string | null; readonly id: string },
): Promise<StoredResult | null | undefined> {
  const [row] = await database.run("find-event-result", (sql) =>
    sql.unsafe<StoredResult[]>(FIND_RESULT, [shardOfUuid(key.id), key.id, key.projectId], {
      prepare: true,
    }),
  );
  return row === undefined || row.bytes > 0 ? row : null;
}
