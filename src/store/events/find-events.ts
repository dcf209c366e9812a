import { and, eq, or, isNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { EventContent } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { events } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";
import { WHOLE_RESULT } from "../writes/result-parts.ts";

/** One stored event. Ids are UUIDs, times epoch milliseconds, JSON raw. */
export interface EventRecord extends EventContent {
  readonly id: string;
  readonly jobRowId: string;
  /** Whether there is a result. `result` is null too when it is larger than requested. */
  readonly hasResult: boolean;
}

/** A row source of this name. */
export const event = alias(events, "event");

/** Columns that callbacks are made from, without the result. */
export const CONTENT_COLUMNS = {
  type: event.type,
  occurredAtMs: event.occurredAtMs,
  jobId: event.jobId,
  provider: event.provider,
  createdAt: event.upstreamCreatedAt,
  updatedAt: event.upstreamUpdatedAt,
  error: event.error,
  progress: event.progress,
  resultFetch: event.resultFetch,
};

export const EVENT_COLUMNS = {
  ...CONTENT_COLUMNS,
  id: event.id,
  jobRowId: event.jobRowId,
  hasResult: sql<boolean>`${event.resultBytes} > 0`.as("has_result"),
};

/** The result, unless it is larger than that. */
export const resultUpTo = (bytesMax: Given<{ max: number }>["max"]) =>
  sql<string | null>`case when ${event.resultBytes} between 1 and ${bytesMax}::int
    then ${sql.raw(WHOLE_RESULT)} end`;

const FIND = statement(
  (orm, given: Given<{ shardId: number; id: string; projectId: string; resultBytesMax: number }>) =>
    orm
      .select({ ...EVENT_COLUMNS, result: resultUpTo(given.resultBytesMax) })
      .from(event)
      .where(
        and(
          eq(event.shardId, given.shardId),
          eq(event.id, given.id),
          eq(event.projectId, given.projectId),
        ),
      ),
);

/** The project's event of this id, or null. Its result is read only up to `resultBytesMax`. */
export async function findEvent(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
  resultBytesMax: number,
): Promise<EventRecord | null> {
  const [row] = await database.run("find-event", (sql) =>
    FIND(sql, { ...key, shardId: shardOfUuid(key.id), resultBytesMax }),
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

const FIND_RESULT = statement(
  (orm, given: Given<{ shardId: number; id: string; projectId: string | null }>) =>
    orm
      .select({
        shardId: event.shardId,
        eventId: event.id,
        projectId: event.projectId,
        text: event.result,
        bytes: event.resultBytes,
        fetch: event.resultFetch,
      })
      .from(event)
      .where(
        and(
          eq(event.shardId, given.shardId),
          eq(event.id, given.id),
          or(isNull(sql`${given.projectId}::uuid`), eq(event.projectId, given.projectId)),
        ),
      ),
);

/**
 * The result of an event: null when it has none, undefined when there is no such event.
 * @param projectId null for a caller who was authorized for this event
 */
export async function findEventResult(
  database: Database,
  key: { readonly projectId: string | null; readonly id: string },
): Promise<StoredResult | null | undefined> {
  const [row] = await database.run("find-event-result", (sql) =>
    FIND_RESULT(sql, { ...key, shardId: shardOfUuid(key.id) }),
  );
  return row === undefined || row.bytes > 0 ? row : null;
}
