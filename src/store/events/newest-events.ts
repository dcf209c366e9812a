import { sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { events } from "../schema/schema.ts";
import { rowsOf } from "../sql/row-source.ts";
import { type Given, template } from "../sql/statement.ts";

interface NewestEvent {
  readonly projectId: string;
  /** The UUID of the newest event. */
  readonly id: string;
}

type ProjectKey = Pick<NewestEvent, "projectId">;

const FIND = template(
  (given: Given<{ projects: readonly ProjectKey[] }>) => sql<NewestEvent>`
with key as materialized (select * from ${rowsOf("key", { projectId: "uuid" }, given.projects)})
select key."projectId", newest.id from key cross join lateral (
  select ${events.id} from ${events} where ${events.projectId} = key."projectId"
  order by ${events.id} desc limit 1
) as newest
`,
);

/** The newest event of each of these projects that has any: one look into an index for each. */
export async function findNewestEvents(
  database: Database,
  projectIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const projects = projectIds.map((projectId) => ({ projectId }));
  const rows = await database.run("find-newest-events", (run) => FIND(run, { projects }));
  return new Map(rows.map(({ projectId, id }) => [projectId, id]));
}
