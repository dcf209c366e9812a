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
 * Results too large for their event's row, cut so that they can be written and read a part at a
 * time: a slice of one large value costs Postgres the whole value.
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
    /** Under which its parts are stored, and the ending will be. */
    eventId: uuid("event_id").notNull(),
    /** Raw JSON, as the ending will tell it. */
    note: text("note").notNull(),
    fetchedAtMs: time("fetched_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.shardId, table.jobRowId] })],
);
