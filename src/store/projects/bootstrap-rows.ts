import type { Database } from "../db/database.ts";

const ENSURE_PROJECT = `
with added as (
  insert into projects (id, name, created_at) values ($1, $2, now())
  on conflict (name) do nothing returning id
)
select id from added union all select id from projects where name = $2
`;

/** The id of the project of this name, which is created when there is none. */
export async function ensureProject(
  database: Database,
  project: { readonly id: string; readonly name: string },
): Promise<string> {
  const [row] = await database.run("ensure-project", (sql) =>
    sql.unsafe<{ id: string }[]>(ENSURE_PROJECT, [project.id, project.name]),
  );
  // Another node may have added it after this statement's snapshot was taken.
  return row?.id ?? ensureProject(database, project);
}

export interface ConnectionFromEnvironment {
  readonly id: string;
  readonly projectId: string;
  readonly provider: string;
  readonly name: string;
  readonly baseUrl: string;
  /**
   * Seals for the row of this id the credential, and the base URL and the credential as the environment
   * gives them.
   */
  sealedFor(id: string): { readonly credential: string; readonly environment: string };
  /** Whether this sealed text of the row is what the environment says now. */
  isCurrent(stored: { readonly id: string; readonly environment: string }): boolean;
}

const FIND_CONNECTION = `
select id, environment from connections
where project_id = $1 and provider = $2 and name = $3 and deleted_at is null
`;

const ENSURE_CONNECTION = `
insert into connections as connection (
  id, project_id, provider, name, base_url, credential, environment, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, now(), now())
on conflict (project_id, provider, name) where deleted_at is null do update set
  base_url = excluded.base_url, credential = excluded.credential, agreed_hosts = null,
  environment = excluded.environment, credential_version = connection.credential_version + 1,
  state = 'active', paused_reason = null, paused_at = null, probe_at = null, probes = 0,
  updated_at = excluded.updated_at
where connection.id = excluded.id
returning id
`;

/**
 * Makes the connection say what the environment says, but only when that is news: a credential
 * that was replaced through the API outlives a restart with the old environment.
 * @returns whether it was news
 */
export async function ensureConnection(
  database: Database,
  wanted: ConnectionFromEnvironment,
): Promise<boolean> {
  const { projectId, provider, name, baseUrl } = wanted;
  const [stored] = await database.run("find-connection", (sql) =>
    sql.unsafe<{ id: string; environment: string | null }[]>(FIND_CONNECTION, [
      projectId,
      provider,
      name,
    ]),
  );
  if (stored !== undefined && stored.environment !== null) {
    const { id, environment } = stored;
    if (wanted.isCurrent({ id, environment })) return false;
  }
  const id = stored?.id ?? wanted.id;
  const { credential, environment } = wanted.sealedFor(id);
  const values = [id, projectId, provider, name, baseUrl, credential, environment];
  const rows = await database.run("ensure-connection", (sql) =>
    sql.unsafe(ENSURE_CONNECTION, values),
  );
  // Another node may have added it since: what was sealed for this id would not open in its row.
  return rows.length > 0 || ensureConnection(database, wanted);
}
