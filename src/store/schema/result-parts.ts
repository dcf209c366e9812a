import {
  customType,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/**
 * Results too large for their event's row, in parts that are written and read one at a time:
 * reading a slice of one large value costs Postgres the whole value.
 */
export const resultParts = pgTable(
  "result_parts",
  {
    shardId: smallint("shard_id").notNull(),
    eventId: uuid("event_id").notNull(),
    /** 1 for the first. */
    number: integer("number").notNull(),
    bytes: bytes("bytes").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.eventId, table.number] })],
);

/** Results that were fetched and whose jobs' endings are about to be recorded. */
export const fetchedResults = pgTable(
  "fetched_results",
  {
    shardId: smallint("shard_id").notNull(),
    jobRowId: uuid("job_row_id").notNull(),
    /** Key of its parts, and of the ending later. */
    eventId: uuid("event_id").notNull(),
    /** Raw JSON, which the ending includes. */
    note: text("note").notNull(),
    fetchedAtMs: time("fetched_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.jobRowId] })],
);
