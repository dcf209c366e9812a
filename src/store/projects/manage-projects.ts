import type { ProjectLimitValues } from "../../core/project-limits.ts";
import type { Database } from "../db/database.ts";
import { epochMs } from "../sql/epoch-ms.ts";
import type { ProjectSettings } from "../schema/projects.ts";

/** A project as a person looks at it. */
export interface ProjectRecord {
  readonly id: string;
  readonly name: string;
  readonly settings: ProjectSettings;
  /** The operator's limits for this project; what is absent is the gateway's. */
  readonly limits: Partial<ProjectLimitValues>;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

const COLUMNS = `
  id, name, settings, limits,
  ${epochMs("created_at")} as "createdAtMs",
  ${epochMs("updated_at")} as "updatedAtMs"`;

const FIND = `select ${COLUMNS} from projects where id = $1`;

export async function findProject(database: Database, id: string): Promise<ProjectRecord | null> {
  const [row] = await database.run("find-project", (sql) =>
    sql.unsafe<ProjectRecord[]>(FIND, [id], { prepare: true }),
  );
  return row ?? null;
}

const LOAD = `
select ${COLUMNS} from projects
where updated_at >= to_timestamp($1::float8 / 1000) order by updated_at, id
`;

/** The projects changed since. 0 loads all. */
export function loadProjects(database: Database, changedSinceMs: number): Promise<ProjectRecord[]> {
  return database.run("load-projects", (sql) =>
    sql.unsafe<ProjectRecord[]>(LOAD, [changedSinceMs], { prepare: true }),
  );
}

/** What is left out stays as it is; null goes back to the gateway's. */
export type ProjectSettingsChange = {
  readonly [Name in keyof ProjectSettings]?: ProjectSettings[Name] | null | undefined;
};

const CHANGE = `
update projects set
  settings = jsonb_strip_nulls(settings || $2::text::jsonb),
  updated_at = now()
where id = $1
returning ${COLUMNS}
`;

/** Null when there is no such project. */
export async function changeProjectSettings(
  database: Database,
  id: string,
  change: ProjectSettingsChange,
): Promise<ProjectRecord | null> {
  const [row] = await database.run("change-project-settings", (sql) =>
    sql.unsafe<ProjectRecord[]>(CHANGE, [id, JSON.stringify(change)], { prepare: true }),
  );
  return row ?? null;
}
