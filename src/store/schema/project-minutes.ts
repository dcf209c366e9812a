import { index, integer, pgTable, primaryKey, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

/**
 * Counts of a project by the minute, as each node kept them in memory. Kept for a day, for
 * display; see `runtime/minute-counts.ts`.
 */
export const projectMinutes = pgTable(
  "project_minutes",
  {
    projectId: uuid("project_id").notNull(),
    minuteMs: time("minute").notNull(),
    nodeId: uuid("node_id").notNull(),
    endings: integer("endings").notNull(),
    completed: integer("completed").notNull(),
    delivered: integer("delivered").notNull(),
    failedAttempts: integer("failed_attempts").notNull(),
    exhausted: integer("exhausted").notNull(),
    gone: integer("gone").notNull(),
    /** Callbacks by the time from ending to 2xx; see `core/project-counts.ts`. */
    took: integer("took").array().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.projectId, table.minuteMs, table.nodeId] }),
    index("project_minutes_by_minute").on(table.minuteMs),
  ],
);
