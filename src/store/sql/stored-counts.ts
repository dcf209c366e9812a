import { sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { ProjectLimitName } from "../../core/limits/project-limits.ts";
import type { Database } from "../db/database.ts";
import { inboxConsumers, inboxes } from "../schema/inboxes.ts";
import { redeliveries } from "../schema/redeliveries.ts";
import { apiKeys, connections } from "../schema/schema.ts";
import { type Given, template } from "./statement.ts";
import { timeOf } from "./time.ts";
import {
  consoleLinks,
  operationalEvents,
  providerVersions as versions,
  signingSecrets,
} from "../schema/projects.ts";

/** Limits on few, hand-made rows: they are counted when one is added. */
export type StoredLimitName = Extract<
  ProjectLimitName,
  | "connections"
  | "definitions"
  | "definition_versions"
  | "api_keys"
  | "signing_secrets"
  | "redeliveries_running"
  | "redeliveries"
  | "console_links"
  | "operational_events"
  | "inboxes"
  | "inbox_consumers"
>;

export type StoredCounts = Readonly<Record<StoredLimitName, number>>;

const COUNT = template((given: Given<{ projectId: string; nowMs: number }>) => {
  const now = timeOf(given.nowMs);
  // Recent rows count even when they are deleted: the row remains, so that creating and deleting in
  // turns is limited as well.
  const madeLately = (createdAtMs: PgColumn) => sql`${createdAtMs} > ${now} - interval '24 hours'`;
  const isOf = (projectId: PgColumn) => sql`${projectId} = ${given.projectId}`;
  return sql<StoredCounts>`
select
  (select count(*) from ${connections} where ${isOf(connections.projectId)}
    and (${connections.deletedAtMs} is null or ${madeLately(connections.createdAtMs)}))::int as connections,
  (select count(*) from (
    select distinct on (${versions.name}) ${versions.deletedAtMs} as deleted_at from ${versions}
    where ${isOf(versions.projectId)} order by ${versions.name}, ${versions.version} desc
  ) as newest where deleted_at is null)::int as definitions,
  (select count(*) from ${versions} where ${isOf(versions.projectId)})::int as definition_versions,
  (select count(*) from ${apiKeys} where ${isOf(apiKeys.projectId)}
    and (${apiKeys.revokedAtMs} is null and (${apiKeys.expiresAtMs} is null or ${apiKeys.expiresAtMs} > ${now})
      or ${madeLately(apiKeys.createdAtMs)}))::int as api_keys,
  (select count(*) from ${signingSecrets} where ${isOf(signingSecrets.projectId)}
    and (${signingSecrets.expiresAtMs} is null or ${signingSecrets.expiresAtMs} > ${now}
      or ${madeLately(signingSecrets.createdAtMs)}))::int as signing_secrets,
  (select count(*) from ${redeliveries}
    where ${isOf(redeliveries.projectId)} and ${redeliveries.state} = 'running')::int as redeliveries_running,
  (select count(*) from ${redeliveries}
    where ${isOf(redeliveries.projectId)} and ${madeLately(redeliveries.createdAtMs)})::int as redeliveries,
  (select count(*) from ${consoleLinks} where ${isOf(consoleLinks.projectId)}
    and (${consoleLinks.revokedAtMs} is null and ${consoleLinks.expiresAtMs} > ${now}
      or ${madeLately(consoleLinks.createdAtMs)}))::int as console_links,
  (select count(*) from ${operationalEvents}
    where ${isOf(operationalEvents.projectId)})::int as operational_events,
  (select count(*) from ${inboxes} where ${isOf(inboxes.projectId)}
    and (${inboxes.deletedAtMs} is null or ${madeLately(inboxes.deletedAtMs)}))::int as inboxes,
  (select count(*) from ${inboxConsumers} where ${isOf(inboxConsumers.projectId)})::int as inbox_consumers
`;
});

/** How many rows of each kind the project has. */
export async function countStored(
  database: Database,
  projectId: string,
  nowMs: number,
): Promise<StoredCounts> {
  const [counts] = await database.run("count-stored", (sql) => COUNT(sql, { projectId, nowMs }));
  if (counts === undefined) throw new Error("A count gave no row.");
  return counts;
}
