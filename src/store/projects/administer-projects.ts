import type { ProjectLimitName, ProjectLimitValues } from "../../core/project-limits.ts";
import type { Database } from "../db/database.ts";

/** A project as the operator looks at it. */
export interface ListedProject {
  readonly id: string;
  readonly name: string;
  /** As the nodes said with their last renewals. */
  readonly liveJobs: number;
  /** The operator's limits for it; what is absent is the gateway's. */
  readonly limits: Partial<ProjectLimitValues>;
  readonly createdAtMs: number;
}

const LIST = `
select id, name, limits,
  round(date_part('epoch', created_at) * 1000) as "createdAtMs",
  coalesce((
    select sum((live_jobs ->> projects.id::text)::bigint) from nodes where lease_expires_at > now()
  ), 0)::float8 as "liveJobs"
from projects order by created_at, id
`;

/** All of them, the oldest first. */
export function listProjects(database: Database): Promise<ListedProject[]> {
  return database.run("list-projects", (sql) => sql.unsafe<ListedProject[]>(LIST));
}

const FIND_ID = `select id from projects where name = $1`;

export async function findProjectId(database: Database, name: string): Promise<string | null> {
  const [row] = await database.run("find-project-id", (sql) =>
    sql.unsafe<{ id: string }[]>(FIND_ID, [name]),
  );
  return row?.id ?? null;
}

const FIND_LIMITS = `select limits from projects where name = $1`;

/** The operator's limits for the project of this name, or null when there is no such project. */
export async function findProjectLimits(
  database: Database,
  name: string,
): Promise<Partial<ProjectLimitValues> | null> {
  const [row] = await database.run("find-project-limits", (sql) =>
    sql.unsafe<{ limits: Partial<ProjectLimitValues> }[]>(FIND_LIMITS, [name]),
  );
  return row?.limits ?? null;
}

// Nodes of the release before this one read the limit on live jobs from a column of its own.
const SET_LIMIT = `
update projects set
  limits = case when $3::bigint is null then limits - $2::text
    else limits || jsonb_build_object($2::text, $3::bigint) end,
  live_jobs_allowed = case when $2::text = 'live_jobs' then $3::bigint::integer else live_jobs_allowed end,
  updated_at = now()
where name = $1
returning id
`;

/**
 * Sets one limit of a project; null goes back to the gateway's.
 * @returns false when there is no such project
 */
export async function setProjectLimit(
  database: Database,
  limit: {
    readonly project: string;
    readonly name: ProjectLimitName;
    readonly value: number | null;
  },
): Promise<boolean> {
  const { project, name, value } = limit;
  const rows = await database.run("set-project-limit", (sql) =>
    sql.unsafe(SET_LIMIT, [project, name, value]),
  );
  return rows.length > 0;
}
