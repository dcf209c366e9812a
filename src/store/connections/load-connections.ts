import type { Database } from "../db/database.ts";
import type { ConnectionSettings, ConnectionState } from "../schema/schema.ts";
import { epochMs, timeFrom } from "../sql/time.ts";

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
  /** When a pause is probed next; null for one by hand, which lasts. */
  readonly probeAtMs: number | null;
  readonly isDeleted: boolean;
  readonly updatedAtMs: number;
}

const LOAD = `
select id, project_id as "projectId", provider, name, base_url as "baseUrl", credential,
  to_json(agreed_hosts) as "agreedHosts", credential_version as "credentialVersion", settings, state, paused_reason as "pausedReason",
  ${epochMs("probe_at")} as "probeAtMs",
  deleted_at is not null as "isDeleted",
  ${epochMs("updated_at")} as "updatedAtMs"
from connections
where updated_at >= ${timeFrom("$1")}
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
  state = 'paused', paused_reason = $3, paused_at = now(),
  probe_at = now() + interval '15 seconds', probes = 0, updated_at = now()
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

// Probes come at growing intervals, a quarter of an hour at most. Of several nodes one gets each.
const CLAIM_PROBE = `
update connections set
  probe_at = now() + least(900, 15 * 2 ^ least(probes + 1, 10)) * interval '1 second',
  probes = probes + 1, updated_at = now()
where id = $1 and credential_version = $2 and state = 'paused' and deleted_at is null
  and probe_at <= now() + interval '50 milliseconds'
returning id
`;

/** Whether this node is to probe a paused connection, which no other node does at the same time. */
export async function claimProbe(
  database: Database,
  connection: { readonly id: string; readonly credentialVersion: number },
): Promise<boolean> {
  const claimed = await database.run("claim-probe", (sql) =>
    sql.unsafe(CLAIM_PROBE, [connection.id, connection.credentialVersion], { prepare: true }),
  );
  return claimed.length > 0;
}

const RESUME = `
update connections set
  state = 'active', paused_reason = null, paused_at = null, probe_at = null, probes = 0,
  updated_at = now()
where id = $1 and credential_version = $2 and state = 'paused' and probe_at is not null
`;

/** Lifts a pause whose probe was answered well; one by hand stays. */
export async function resumeConnection(
  database: Database,
  connection: { readonly id: string; readonly credentialVersion: number },
): Promise<void> {
  await database.run("resume-connection", (sql) =>
    sql.unsafe(RESUME, [connection.id, connection.credentialVersion], { prepare: true }),
  );
}
