import { textArrayLiteral } from "../sql/array-literal.ts";
import type { Database } from "../db/database.ts";
import type { ConnectionSettings, ConnectionState } from "../schema/schema.ts";
import { epochMs } from "../sql/time.ts";

/** A connection as a person looks at it: of the credential only whether there is one. */
export interface ConnectionRecord {
  readonly id: string;
  readonly provider: string;
  readonly name: string;
  readonly baseUrl: string | null;
  readonly hasCredential: boolean;
  /** Where the credential may be sent; null for where the built-in definition leads. */
  readonly agreedHosts: readonly string[] | null;
  readonly settings: ConnectionSettings;
  readonly state: ConnectionState;
  readonly pausedReason: string | null;
  readonly pausedAtMs: number | null;
  readonly probeAtMs: number | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

const COLUMNS = `
  id, provider, name, base_url as "baseUrl", credential is not null as "hasCredential",
  to_json(agreed_hosts) as "agreedHosts", settings, state, paused_reason as "pausedReason",
  ${epochMs("paused_at")} as "pausedAtMs",
  ${epochMs("probe_at")} as "probeAtMs",
  ${epochMs("created_at")} as "createdAtMs",
  ${epochMs("updated_at")} as "updatedAtMs"`;

function textsOrNull(texts: readonly string[] | null): string | null {
  return texts === null ? null : textArrayLiteral(texts);
}

const LIST = `
select ${COLUMNS} from connections
where project_id = $1 and deleted_at is null and ($2::uuid is null or id < $2)
order by id desc limit $3
`;

/** The project's connections, newest first, from below the id given. */
export function listConnections(
  database: Database,
  query: { readonly projectId: string; readonly beforeId: string | null; readonly limit: number },
): Promise<ConnectionRecord[]> {
  return database.run("list-connections", (sql) =>
    sql.unsafe<ConnectionRecord[]>(LIST, [query.projectId, query.beforeId, query.limit], {
      prepare: true,
    }),
  );
}

interface ConnectionKey {
  readonly projectId: string;
  readonly id: string;
}

const FIND = `
select ${COLUMNS} from connections where id = $1 and project_id = $2 and deleted_at is null
`;

export async function findConnection(
  database: Database,
  key: ConnectionKey,
): Promise<ConnectionRecord | null> {
  const [row] = await database.run("find-connection", (sql) =>
    sql.unsafe<ConnectionRecord[]>(FIND, [key.id, key.projectId], { prepare: true }),
  );
  return row ?? null;
}

export interface NewConnection extends ConnectionKey {
  readonly provider: string;
  readonly name: string;
  readonly baseUrl: string | null;
  /** Sealed, or null for a provider that needs none. */
  readonly credential: string | null;
  /** Where it may be sent. */
  readonly agreedHosts: readonly string[] | null;
  readonly settings: ConnectionSettings;
}

// The database's own time throughout: nodes find what has changed by it.
// The columns are shaped outside of the statement that writes: Citus lets RETURNING use immutable
// functions only.
const CREATE = `
with created as (
insert into connections (
  id, project_id, provider, name, base_url, credential, settings, agreed_hosts, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::text[], now(), now())
on conflict (project_id, provider, name) where deleted_at is null do nothing
returning *
)
select ${COLUMNS} from created
`;

/** Null when the project has a connection of this name at the provider. */
export async function createConnection(
  database: Database,
  connection: NewConnection,
): Promise<ConnectionRecord | null> {
  const { id, projectId, provider, name, baseUrl, credential, settings } = connection;
  const settingsText = JSON.stringify(settings);
  const agreed = textsOrNull(connection.agreedHosts);
  const parameters = [id, projectId, provider, name, baseUrl, credential, settingsText, agreed];
  const [row] = await database.run("create-connection", (sql) =>
    sql.unsafe<ConnectionRecord[]>(CREATE, parameters, { prepare: true }),
  );
  return row ?? null;
}

/** What is left out stays as it is. */
export interface ConnectionChange {
  /** Sealed. A new one makes the connection active again. */
  readonly credential?: string;
  /** Where it may be sent; goes with it. */
  readonly agreedHosts?: readonly string[];
  /** Null for the provider's own. */
  readonly baseUrl?: string | null;
  readonly settings?: ConnectionSettings;
  readonly state?: ConnectionState;
}

const CHANGE = `
with given as materialized (
  select now() as changed_at, $9::text::text[] as hosts
),
changed as (
update connections as connection set
  credential = coalesce($3, credential),
  credential_version = credential_version + case when $3::text is null then 0 else 1 end,
  base_url = case when $4::boolean then $5 else base_url end,
  settings = coalesce($6::text::jsonb, settings),
  agreed_hosts = coalesce(given.hosts, agreed_hosts),
  state = coalesce($7, state),
  paused_reason = case when $7::text is null then paused_reason
    when $7 = 'paused' then coalesce(paused_reason, $8) end,
  paused_at = case when $7::text is null then paused_at
    when $7 = 'paused' then coalesce(paused_at, given.changed_at) end,
  probe_at = case when $7::text is null then probe_at end,
  probes = case when $7::text is null then probes else 0 end,
  updated_at = given.changed_at
from given
where id = $1 and project_id = $2 and deleted_at is null
returning connection.*
)
select ${COLUMNS} from changed
`;

/**
 * @param pausedReason kept with a connection that this change pauses
 * @returns null when the project has no such connection
 */
export async function changeConnection(
  database: Database,
  key: ConnectionKey,
  change: ConnectionChange,
  pausedReason: string,
): Promise<ConnectionRecord | null> {
  const state = change.state ?? (change.credential === undefined ? null : "active");
  const parameters = [
    key.id,
    key.projectId,
    change.credential ?? null,
    change.baseUrl !== undefined,
    change.baseUrl ?? null,
    change.settings === undefined ? null : JSON.stringify(change.settings),
    state,
    pausedReason,
    textsOrNull(change.agreedHosts ?? null),
  ];
  const [row] = await database.run("change-connection", (sql) =>
    sql.unsafe<ConnectionRecord[]>(CHANGE, parameters, { prepare: true }),
  );
  return row ?? null;
}

const DELETE = `
update connections set credential = null, deleted_at = now(), updated_at = now()
where id = $1 and project_id = $2 and deleted_at is null and not exists (
  select 1 from jobs where connection_id = $1 and status in ('pending', 'processing')
)
returning id
`;

/** Deletes a connection and its credential for good, unless jobs are still watched through it. */
export async function deleteConnection(
  database: Database,
  key: ConnectionKey,
): Promise<"deleted" | "in_use" | "not_found"> {
  const deleted = await database.run("delete-connection", (sql) =>
    sql.unsafe(DELETE, [key.id, key.projectId], { prepare: true }),
  );
  if (deleted.length > 0) return "deleted";
  return (await findConnection(database, key)) === null ? "not_found" : "in_use";
}
