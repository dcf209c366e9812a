import { asc, eq, getTableColumns, gt, sql } from "drizzle-orm";
import type { ProjectLimitName, ProjectLimitValues } from "../../core/limits/project-limits.ts";
import type { Database } from "../db/database.ts";
import { projects } from "../schema/projects.ts";
import { nodes } from "../schema/schema.ts";
import { type Given, qualified, statement } from "../sql/statement.ts";

const { id, name, limits, createdAtMs } = getTableColumns(projects);

/** A project for the operator. */
export interface ListedProject extends Readonly<
  Pick<typeof projects.$inferSelect, "id" | "name" | "limits" | "createdAtMs">
> {
  /** From the last renewals of the nodes. */
  readonly liveJobs: number;
}

const LIST = statement((orm) => {
  const liveJobs = orm
    .select({ count: sql`sum((${nodes.liveJobs} ->> ${qualified(id)}::text)::bigint)` })
    .from(nodes)
    .where(gt(nodes.leaseExpiresAtMs, sql`now()`));
  return orm
    .select({
      id,
      name,
      limits,
      createdAtMs,
      liveJobs: sql<number>`coalesce((${liveJobs}), 0)::float8`,
    })
    .from(projects)
    .orderBy(asc(createdAtMs), asc(id));
});

/** All projects, oldest first. */
export function listProjects(database: Database): Promise<ListedProject[]> {
  return database.run("list-projects", (sql) => LIST(sql, {}));
}

const FIND = statement((orm, given: Given<{ name: string }>) =>
  orm.select({ id, limits }).from(projects).where(eq(name, given.name)),
);

export async function findProjectId(database: Database, name: string): Promise<string | null> {
  const [row] = await database.run("find-project-id", (sql) => FIND(sql, { name }));
  return row?.id ?? null;
}

/** The operator's limits for the project of this name, or null when there is no such project. */
export async function findProjectLimits(
  database: Database,
  name: string,
): Promise<Partial<ProjectLimitValues> | null> {
  const [row] = await database.run("find-project-limits", (sql) => FIND(sql, { name }));
  return row?.limits ?? null;
}

// Nodes of the previous release read the limit on live jobs from a separate column.
const SET_LIMIT = statement(
  (orm, given: Given<{ project: string; name: ProjectLimitName; value: number | null }>) =>
    orm
      .update(projects)
      .set({
        limits: sql`case when ${given.value}::bigint is null then ${limits} - ${given.name}::text
          else ${limits} || jsonb_build_object(${given.name}::text, ${given.value}::bigint) end`,
        liveJobsAllowed: sql`case when ${given.name}::text = 'live_jobs'
          then ${given.value}::bigint::integer else ${projects.liveJobsAllowed} end`,
        updatedAtMs: sql`now()`,
      })
      .where(eq(name, given.project))
      .returning({ id }),
);

/**
 * Sets one limit of a project; null restores the gateway's default.
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
  const rows = await database.run("set-project-limit", (sql) => SET_LIMIT(sql, limit));
  return rows.length > 0;
}
