import { bigint, pgTable, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

/** What projects use, counted now and then by one node for all; see `intake/project-usage.ts`. */
export const projectUsage = pgTable("project_usage", {
  projectId: uuid("project_id").primaryKey(),
  liveSubscriptions: bigint("live_subscriptions", { mode: "number" }).notNull(),
  owedDeliveries: bigint("owed_deliveries", { mode: "number" }).notNull(),
  storedBytes: bigint("stored_bytes", { mode: "number" }).notNull(),
  countedAtMs: time("counted_at").notNull(),
});
