import { eq, getTableColumns, gte, Param, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { projects, type ProjectSettings } from "../schema/projects.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

const { liveJobsAllowed: _, ...COLUMNS } = getTableColumns(projects);

/** A project for display. */
export type ProjectRecord = Readonly<Omit<typeof projects.$inferSelect, "liveJobsAllowed">>;

const FIND = statement((orm, given: Given<{ id: string }>) =>
  orm.select(COLUMNS).from(projects).where(eq(projects.id, given.id)),
);

export async function findProject(database: Database, id: string): Promise<ProjectRecord | null> {
  const [row] = await database.run("find-project", (sql) => FIND(sql, { id }));
  return row ?? null;
}

const LOAD = statement((orm, given: Given<{ sinceMs: number }>) =>
  orm
    .select(COLUMNS)
    .from(projects)
    .where(gte(projects.updatedAtMs, timeOf(given.sinceMs)))
    .orderBy(projects.updatedAtMs, projects.id),
);

/** The projects changed since then. 0 loads all. */
export function loadProjects(database: Database, changedSinceMs: number): Promise<ProjectRecord[]> {
  return database.run("load-projects", (sql) => LOAD(sql, { sinceMs: changedSinceMs }));
}

/** Fields that are left out keep their values; null restores the gateway's default. */
type ProjectSettingsChange = {
  readonly [Name in keyof ProjectSettings]?: ProjectSettings[Name] | null | undefined;
};

const CHANGE = statement((orm, given: Given<{ id: string; change: ProjectSettingsChange }>) =>
  orm
    .update(projects)
    .set({
      settings: sql`jsonb_strip_nulls(${projects.settings} || ${new Param(given.change, projects.settings)}::text::jsonb)`,
      updatedAtMs: sql`now()`,
    })
    .where(eq(projects.id, given.id))
    .returning(COLUMNS),
);

/** Returns null when there is no such project. */
export async function changeProjectSettings(
  database: Database,
  id: string,
  change: ProjectSettingsChange,
): Promise<ProjectRecord | null> {
  const [row] = await database.run("change-project-settings", (sql) => CHANGE(sql, { id, change }));
  return row ?? null;
}

/**
 * Changes nothing and takes the lock of the project's row until the transaction ends, so that nodes
 * that create something once for the project take turns.
 */
export const LOCK_PROJECT = statement((orm, given: Given<{ projectId: string }>) =>
  orm
    .update(projects)
    .set({ name: sql`${projects.name}` })
    .where(eq(projects.id, given.projectId)),
);
