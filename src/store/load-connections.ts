import type { Database } from "./database.ts";
import type { ConnectionSettings, ConnectionState } from "./schema.ts";

/** A connection as the engine needs it; the credential is still sealed. */
export interface StoredConnection {
  readonly id: string;
  readonly projectId: string;
  readonly provider: string;
  readonly name: string;
  readonly baseUrl: string | null;
  readonly credential: string | null;
  /** Where the credential may be sent; null for where the built-in definition leads. */
  readonly agreedHosts: readonly string[] | null;
  readonly credentialVersion: number;
  readonly settings: ConnectionSettings;
  readonly state: ConnectionState;
  readonly pausedReason: string | null;
  readonly isDeleted: boolean;
  readonly updatedAtMs: number;
}

const LOAD = `
select id, project_id as "projectId", provider, name, base_url as "baseUrl", credential,
  to_json(agreed_hosts) as "agreedHosts", credential_version as "credentialVersion", settings, state, paused_reason as "pausedReason",
  deleted_at is not null as "isDeleted",
  round(date_part('epoch', updated_at) * 1000) as "updatedAtMs"
from connections
where updated_at >= to_timestamp($1::float8 / 1000)
order by updated_at, id
`;

/** The connections changed since, deleted ones included. 0 loads all. */
export function loadConnections(
  database: Database,
  changedSinceMs: number,
): Promise<StoredConnection[]> {
  return database.run("load-connections", (sql) =>
    sql.unsafe<StoredConnection[]>(LOAD, [changedSinceMs], { prepare: true }),
  );
}

const PAUSE = `
update connections set
  state = 'paused', paused_reason = $3, paused_at = now(), updated_at = now()
where id = $1 and credential_version = $2 and state = 'active' and deleted_at is null
`;

/**
 * Pauses a connection whose credential the upstream refused, unless a newer credential has come
 * since the refused request was sent.
 */
export async function pauseConnection(
  database: Database,
  connection: { readonly id: string; readonly credentialVersion: number },
  reason: string,
): Promise<void> {
  await database.run("pause-connection", (sql) =>
    sql.unsafe(PAUSE, [connection.id, connection.credentialVersion, reason], { prepare: true }),
  );
}
