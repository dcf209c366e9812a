import { sql } from "drizzle-orm";
import { bigint, index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

const bytes = (name: string) => bigint(name, { mode: "number" });

/**
 * Inboxes, whose messages are deliveries. A position is the number of bytes of all messages up to
 * and including one, so the difference of two positions is the size of the messages between them.
 * The holder of the row's lock assigns the next positions.
 */
export const inboxes = pgTable(
  "inboxes",
  {
    projectId: uuid("project_id").notNull(),
    name: text("name").notNull(),
    /** Id of this inbox, not of an earlier one of the same name. */
    id: uuid("id").notNull(),
    /** Position of the newest message. */
    lastPosition: bytes("last_position").notNull().default(0),
    lastMessageAtMs: time("last_message_at"),
    /** The furthest position that any consumer has acknowledged. */
    ackedPosition: bytes("acked_position").notNull().default(0),
    /** Messages up to here were deleted. */
    deletedPosition: bytes("deleted_position").notNull().default(0),
    createdAtMs: time("created_at").notNull(),
    /** Cleared by a new message, or by anyone who names the inbox. */
    deletedAtMs: time("deleted_at"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.name] }),
    index("inboxes_by_project")
      .on(table.projectId, table.id)
      .where(sql`deleted_at is null`),
    index("inboxes_by_deletion").on(table.deletedAtMs),
  ],
);

/** Progress of each consumer of an inbox. */
export const inboxConsumers = pgTable(
  "inbox_consumers",
  {
    projectId: uuid("project_id").notNull(),
    inbox: text("inbox").notNull(),
    name: text("name").notNull(),
    id: uuid("id").notNull(),
    /** Everything up to here is acknowledged. */
    position: bytes("position").notNull().default(0),
    /** The request that reads for it, and its node; null without one. */
    readerId: uuid("reader_id"),
    readerNodeId: uuid("reader_node_id"),
    createdAtMs: time("created_at").notNull(),
    /** When it last read, acknowledged or sought. */
    activeAtMs: time("active_at").notNull(),
    ackedAtMs: time("acked_at"),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.inbox, table.name] }),
    index("inbox_consumers_by_inbox").on(table.projectId, table.inbox, table.id),
    index("inbox_consumers_by_activity").on(table.activeAtMs),
  ],
);
