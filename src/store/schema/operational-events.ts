import { sql } from "drizzle-orm";
import { index, integer, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import type { OperationalEventType } from "../../core/delivery/operational-event.ts";
import { time } from "../sql/time.ts";

/**
 * What a project is to be told about its own operation: one row a subject, with the newest that
 * there is to tell of it.
 */
export const operationalEvents = pgTable(
  "operational_events",
  {
    /** By project and subject. */
    shardId: smallint("shard_id").notNull(),
    projectId: uuid("project_id").notNull(),
    /** What it is about: an origin, a connection, a provider. */
    subject: text("subject").notNull(),
    /** Also the `webhook-id`; another for each that is told. */
    id: uuid("id").notNull(),
    type: text("type").notNull().$type<OperationalEventType>(),
    /** Raw JSON object. */
    data: text("data").notNull(),
    /** How often it happened since the last was told. */
    occurrences: integer("occurrences").notNull(),
    occurredAtMs: time("occurred_at").notNull(),
    /** Null once it is told or given up. */
    dueAtMs: time("due_at"),
    attemptCount: integer("attempt_count").notNull().default(0),
    /** When its receiver was last told, or did not take what it was told. */
    toldAtMs: time("told_at"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.projectId, table.subject] }),
    index("operational_events_due")
      .on(table.shardId, table.dueAtMs)
      .where(sql`due_at is not null`),
  ],
);
