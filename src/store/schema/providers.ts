import { index, integer, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { time } from "../sql/time.ts";

/**
 * Definitions of job APIs beyond the built-in ones. A row is never changed except to be deleted:
 * jobs name the version they were accepted under. The newest version of a name applies to new jobs,
 * unless it is deleted.
 */
export const providerVersions = pgTable(
  "provider_versions",
  {
    id: uuid("id").primaryKey(),
    /** Null for one from the operator's files, which all projects may use. */
    projectId: uuid("project_id"),
    name: text("name").notNull(),
    /** 1 for the first of its name. */
    version: integer("version").notNull(),
    /** JSON as its author wrote it, defaults left out. */
    definition: text("definition").notNull(),
    createdAtMs: time("created_at").notNull(),
    updatedAtMs: time("updated_at").notNull(),
    deletedAtMs: time("deleted_at"),
  },
  (table) => [
    unique("provider_versions_by_name")
      .on(table.projectId, table.name, table.version)
      .nullsNotDistinct(),
    index("provider_versions_by_update").on(table.updatedAtMs),
  ],
);
