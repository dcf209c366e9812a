import type { Database } from "./database.ts";

/** A project as the operator looks at it. */
export interface ListedProject {
  readonly id: string;
  readonly name: string;
  /** As the nodes said with their last renewals. */
  readonly liveJobs: number;
  /** The operator's limit on them; null for the gateway's. */
  readonly liveJobsAllowed: number | null;
  readonly createdAtMs: number;
}

const LIST = `
select id, name, live_jobs_allowed as "liveJobsAllowed",
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

const ALLOW = `
update projects set live_jobs_allowed = $2::integer, updated_at = now() where name = $1 returning id
`;

/**
 * Sets how many live jobs a project may have; null goes back to the gateway's limit.
 * @returns false when there is no such project
 */
export async function allowLiveJobs(
  database: Database,
  name: string,
  allowed: number | null,
): Promise<boolean> {
  const rows = await database.run("allow-live-jobs", (sql) => sql.unsafe(ALLOW, [name, allowed]));
  return rows.length > 0;
}
