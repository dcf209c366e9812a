import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { ProjectLimitName } from "../../core/limits/project-limits.ts";
import type { Database } from "../db/database.ts";
import { inboxConsumers, inboxes } from "../schema/inboxes.ts";
import { redeliveries } from "../schema/redeliveries.ts";
import { apiKeys, connections } from "../schema/schema.ts";
import { type Given, type Parameter, template } from "./statement.ts";
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

const NOTHING: StoredCounts = {
  connections: 0,
  definitions: 0,
  definition_versions: 0,
  api_keys: 0,
  signing_secrets: 0,
  redeliveries_running: 0,
  redeliveries: 0,
  console_links: 0,
  operational_events: 0,
  inboxes: 0,
  inbox_consumers: 0,
};

interface Counted {
  readonly name: StoredLimitName;
  readonly projectId: string;
  readonly count: number;
}

/**
 * A row for each limit and project that has any.
 * @param isMeant whether the rows of a project are counted
 */
function counts(nowMs: Parameter<number>, isMeant: (projectId: PgColumn) => SQL): SQL<Counted> {
  const now = timeOf(nowMs);
  // Recent rows count even when they are deleted: the row remains, so that creating and deleting in
  // turns is limited as well.
  const madeLately = (createdAtMs: PgColumn) => sql`${createdAtMs} > ${now} - interval '24 hours'`;
  const count = (name: StoredLimitName, projectId: PgColumn, doesCount = sql`true`) => sql`
select ${sql.raw(`'${name}'`)} as name, ${projectId} as "projectId", count(*)::int as count from ${projectId.table}
where ${isMeant(projectId)} and (${doesCount}) group by ${projectId}`;
  const counted = [
    count(
      "connections",
      connections.projectId,
      sql`${connections.deletedAtMs} is null or ${madeLately(connections.createdAtMs)}`,
    ),
    sql`
select 'definitions', project_id, count(*)::int from (
  select distinct on (${versions.projectId}, ${versions.name})
    ${versions.projectId} as project_id, ${versions.deletedAtMs} as deleted_at
  from ${versions} where ${isMeant(versions.projectId)}
  order by ${versions.projectId}, ${versions.name}, ${versions.version} desc
) as newest where deleted_at is null group by project_id`,
    count("definition_versions", versions.projectId),
    count(
      "api_keys",
      apiKeys.projectId,
      sql`${apiKeys.revokedAtMs} is null and (${apiKeys.expiresAtMs} is null or ${apiKeys.expiresAtMs} > ${now})
        or ${madeLately(apiKeys.createdAtMs)}`,
    ),
    count(
      "signing_secrets",
      signingSecrets.projectId,
      sql`${signingSecrets.expiresAtMs} is null or ${signingSecrets.expiresAtMs} > ${now}
        or ${madeLately(signingSecrets.createdAtMs)}`,
    ),
    count("redeliveries_running", redeliveries.projectId, sql`${redeliveries.state} = 'running'`),
    count("redeliveries", redeliveries.projectId, madeLately(redeliveries.createdAtMs)),
    count(
      "console_links",
      consoleLinks.projectId,
      sql`${consoleLinks.revokedAtMs} is null and ${consoleLinks.expiresAtMs} > ${now}
        or ${madeLately(consoleLinks.createdAtMs)}`,
    ),
    count("operational_events", operationalEvents.projectId),
    count(
      "inboxes",
      inboxes.projectId,
      sql`${inboxes.deletedAtMs} is null or ${madeLately(inboxes.deletedAtMs)}`,
    ),
    count("inbox_consumers", inboxConsumers.projectId),
  ];
  return sql<Counted>`${sql.join(counted, sql` union all `)}`;
}

const COUNT = template((given: Given<{ projectId: string; nowMs: number }>) =>
  counts(given.nowMs, (projectId) => sql`${projectId} = ${given.projectId}`),
);

const COUNT_ALL = template((given: Given<{ nowMs: number }>) =>
  counts(given.nowMs, (projectId) => sql`${projectId} is not null`),
);

/** How many rows of each kind the project has. */
export async function countStored(
  database: Database,
  projectId: string,
  nowMs: number,
): Promise<StoredCounts> {
  const rows = await database.run("count-stored", (sql) => COUNT(sql, { projectId, nowMs }));
  return { ...NOTHING, ...byName(rows) };
}

/** The same of all projects that have any. It reads the tables of hand-made rows whole. */
export async function countStoredOfAll(
  database: Database,
  nowMs: number,
): Promise<ReadonlyMap<string, Partial<StoredCounts>>> {
  const rows = await database.run("count-stored-of-all", (sql) => COUNT_ALL(sql, { nowMs }));
  const byProject = Map.groupBy(rows, ({ projectId }) => projectId);
  return new Map([...byProject].map(([projectId, ofProject]) => [projectId, byName(ofProject)]));
}

function byName(rows: readonly Counted[]): Partial<StoredCounts> {
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}
