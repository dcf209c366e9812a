import { sql } from "drizzle-orm";
import { index, integer, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import type { OperationalEventType } from "../../core/delivery/operational-event.ts";
import { time } from "../sql/time.ts";

/**
 * Events about a project's own operation: one row a subject, with the newest event that was not
 * sent.
 */
export const operationalEvents = pgTable(
  "operational_events",
  {
    /** Derived from project and subject. */
    shardId: smallint("shard_id").notNull(),
    projectId: uuid("project_id").notNull(),
    /** An origin, a connection or a provider. */
    subject: text("subject").notNull(),
    /** Also the `webhook-id`; every event that is sent has its own. */
    id: uuid("id").notNull(),
    type: text("type").notNull().$type<OperationalEventType>(),
    /** Raw JSON object. */
    data: text("data").notNull(),
    /** How often it happened since the last one was sent. */
    occurrences: integer("occurrences").notNull(),
    occurredAtMs: time("occurred_at").notNull(),
    /** Null once it is sent or given up. */
    dueAtMs: time("due_at"),
    attemptCount: integer("attempt_count").notNull().default(0),
    /** When its receiver was last sent an event, or refused one. */
    toldAtMs: time("told_at"),
  },
  (table) => [
    primaryKey({ columns: [table.shardId, table.projectId, table.subject] }),
    index("operational_events_due")
      .on(table.shardId, table.dueAtMs)
      .where(sql`due_at is not null`),
  ],
);
