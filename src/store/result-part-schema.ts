import { customType, integer, pgTable, primaryKey, smallint, uuid } from "drizzle-orm/pg-core";

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
