import { sql } from "drizzle-orm";
import type { ProjectLimitValues } from "../../core/project-limits.ts";
import type { SignatureScheme } from "../../core/signing/signature-scheme.ts";
import { index, integer, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

/** A project's settings as the API received them; the gateway's apply where absent. */
export interface ProjectSettings {
  readonly live_jobs_max?: number;
  readonly retry_schedule_s?: readonly number[];
  readonly signatures?: readonly SignatureScheme[];
  readonly callback_concurrency?: number;
  readonly callback_requests_per_second?: number;
  readonly operations_url?: string;
}

export const projects = pgTable(
  "projects",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull().unique(),
    settings: jsonb("settings").notNull().default({}).$type<ProjectSettings>(),
    /** The operator's limits for this project; the gateway's apply where absent. */
    limits: jsonb("limits").notNull().default({}).$type<Partial<ProjectLimitValues>>(),
    /** A copy of the limit `live_jobs`, for nodes of the previous release. */
    liveJobsAllowed: integer("live_jobs_allowed"),
    createdAtMs: time("created_at").notNull(),
    updatedAtMs: time("updated_at")
      .notNull()
      .default(sql`now()`),
  },
  (table) => [index("projects_by_update").on(table.updatedAtMs)],
);
