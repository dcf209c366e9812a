import { bigint, jsonb, pgTable, uuid } from "drizzle-orm/pg-core";
import type { StatusCounts } from "../../core/status-counts.ts";
import { time } from "../sql/time.ts";

/** What projects use, counted periodically by one node for all; see `intake/project-usage.ts`. */
export const projectUsage = pgTable("project_usage", {
  projectId: uuid("project_id").primaryKey(),
  liveSubscriptions: bigint("live_subscriptions", { mode: "number" }).notNull(),
  owedDeliveries: bigint("owed_deliveries", { mode: "number" }).notNull(),
  storedBytes: bigint("stored_bytes", { mode: "number" }).notNull(),
  inboxUnreadBytes: bigint("inbox_unread_bytes", { mode: "number" }).notNull().default(0),
  countedAtMs: time("counted_at").notNull(),
});

/** How many rows of each status a project has, counted periodically by one node for all. */
export const projectStats = pgTable("project_stats", {
  projectId: uuid("project_id").primaryKey(),
  counts: jsonb("counts").notNull().$type<StatusCounts>(),
  countedAtMs: time("counted_at").notNull(),
});
