import type { ProjectLimitName } from "../../core/project-limits.ts";
import type { Database } from "../db/database.ts";
import { timeFrom } from "../sql/time.ts";

/** Limits on rows that are few and made by hand: they are counted when one is to be added. */
export type StoredLimitName = Extract<
  ProjectLimitName,
  | "connections"
  | "definitions"
  | "definition_versions"
  | "api_keys"
  | "signing_secrets"
  | "redeliveries_running"
>;

export type StoredCounts = Readonly<Record<StoredLimitName, number>>;

// What was made lately counts even if it is gone: its row stays, so making and deleting in turns
// must come to an end as well.
const MADE_LATELY = `created_at > ${timeFrom("$2")} - interval '24 hours'`;

const COUNT = `
select
  (select count(*) from connections
    where project_id = $1 and (deleted_at is null or ${MADE_LATELY}))::int as connections,
  (select count(*) from (
    select distinct on (name) deleted_at from provider_versions where project_id = $1
    order by name, version desc
  ) as newest where deleted_at is null)::int as definitions,
  (select count(*) from provider_versions where project_id = $1)::int as definition_versions,
  (select count(*) from api_keys
    where project_id = $1
      and (revoked_at is null and (expires_at is null or expires_at > ${timeFrom("$2")}) or ${MADE_LATELY})
  )::int as api_keys,
  (select count(*) from signing_secrets
    where project_id = $1 and (expires_at is null or expires_at > ${timeFrom("$2")} or ${MADE_LATELY})
  )::int as signing_secrets,
  (select count(*) from redeliveries
    where project_id = $1 and state = 'running')::int as redeliveries_running
`;

/** How many of each the project has. */
export async function countStored(
  database: Database,
  projectId: string,
  nowMs: number,
): Promise<StoredCounts> {
  const [counts] = await database.run("count-stored", (sql) =>
    sql.unsafe<StoredCounts[]>(COUNT, [projectId, nowMs], { prepare: true }),
  );
  if (counts === undefined) throw new Error("A count gave no row.");
  return counts;
}
