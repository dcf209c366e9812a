import { and, desc, eq, exists, getTableColumns, isNull, lt, not, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import {
  connections,
  type ConnectionSettings,
  type ConnectionState,
  jobs,
} from "../schema/schema.ts";
import { IS_LIVE } from "../jobs/find-job.ts";
import { beforeOrFirst, cutPage, type Page, type PageQuery } from "../sql/page.ts";
import { bound, type Given, statement } from "../sql/statement.ts";

const {
  projectId,
  credential,
  credentialVersion,
  probes,
  deletedAtMs,
  environment: _,
  ...SHOWN
} = getTableColumns(connections);
const COLUMNS = { ...SHOWN, hasCredential: sql<boolean>`${credential} is not null` };

/** A connection for display: it says only whether there is a credential. */
export interface ConnectionRecord extends Readonly<
  Pick<typeof connections.$inferSelect, keyof typeof SHOWN>
> {
  readonly hasCredential: boolean;
}

const LIST = statement(
  (orm, given: Given<{ projectId: string; beforeId: string; limit: number }>) =>
    orm
      .select(COLUMNS)
      .from(connections)
      .where(
        and(
          eq(projectId, given.projectId),
          isNull(deletedAtMs),
          lt(connections.id, given.beforeId),
        ),
      )
      .orderBy(desc(connections.id))
      .limit(given.limit),
);

/** The project's connections, newest first, from below the id given. */
export async function listConnections(
  database: Database,
  query: PageQuery,
): Promise<Page<ConnectionRecord>> {
  const { projectId, limit } = query;
  const beforeId = beforeOrFirst(query.beforeId);
  const rows = await database.run("list-connections", (sql) =>
    LIST(sql, { projectId, beforeId, limit: limit + 1 }),
  );
  return cutPage(rows, limit);
}

type ConnectionKey = Readonly<Pick<typeof connections.$inferSelect, "projectId" | "id">>;

const isThe = (given: Given<ConnectionKey>) =>
  and(eq(connections.id, given.id), eq(projectId, given.projectId), isNull(deletedAtMs));

const FIND = statement((orm, given: Given<ConnectionKey>) =>
  orm.select(COLUMNS).from(connections).where(isThe(given)),
);

export async function findConnection(
  database: Database,
  key: ConnectionKey,
): Promise<ConnectionRecord | null> {
  const [row] = await database.run("find-connection", (sql) => FIND(sql, key));
  return row ?? null;
}

export type NewConnection = ConnectionKey &
  Readonly<
    Pick<
      typeof connections.$inferSelect,
      "provider" | "name" | "baseUrl" | "credential" | "agreedHosts" | "settings"
    >
  >;

// Uses the database's time throughout, because nodes find changes by it.
const CREATE = statement((orm, given: Given<NewConnection>) =>
  orm
    .insert(connections)
    .values({
      id: given.id,
      projectId: given.projectId,
      provider: given.provider,
      name: given.name,
      baseUrl: given.baseUrl,
      credential: given.credential,
      settings: given.settings,
      agreedHosts: given.agreedHosts,
      createdAtMs: sql`now()`,
      updatedAtMs: sql`now()`,
    })
    .onConflictDoNothing({
      target: [projectId, connections.provider, connections.name],
      where: sql`deleted_at is null`,
    })
    .returning(COLUMNS),
);

/** Returns null when the project already has a connection of this name at the provider. */
export async function createConnection(
  database: Database,
  connection: NewConnection,
): Promise<ConnectionRecord | null> {
  const [row] = await database.run("create-connection", (sql) => CREATE(sql, connection));
  return row ?? null;
}

/** Fields that are left out keep their values. */
export interface ConnectionChange {
  /** Sealed. A new one makes the connection active again. */
  readonly credential?: string;
  /** Hosts that it may be sent to; changes together with it. */
  readonly agreedHosts?: readonly string[];
  /** Null for the provider's own. */
  readonly baseUrl?: string | null;
  readonly settings?: ConnectionSettings;
  readonly state?: ConnectionState;
}

// Reads the time once for all columns: on Citus, `case` and `coalesce` accept no `now()`.
const CHANGE = statement(
  (
    orm,
    given: Given<
      ConnectionKey & {
        credential: string | null;
        hasBaseUrl: boolean;
        baseUrl: string | null;
        settings: ConnectionSettings | null;
        state: ConnectionState | null;
        pausedReason: string;
        agreedHosts: readonly string[] | null;
      }
    >,
  ) => {
    const time = orm
      .$with("time")
      .as(orm.select({ now: sql`now()`.as("now") }).from(sql`(select 1) as always`));
    const { pausedReason, pausedAtMs, probeAtMs } = SHOWN;
    const isPaused = sql`${given.state}::text = 'paused'`;
    const isSame = sql`${given.state}::text is null`;
    return orm
      .with(time)
      .update(connections)
      .set({
        credential: sql`coalesce(${given.credential}, ${credential})`,
        credentialVersion: sql`${credentialVersion} + case when ${given.credential}::text is null then 0 else 1 end`,
        baseUrl: sql`case when ${given.hasBaseUrl}::boolean then ${given.baseUrl} else ${connections.baseUrl} end`,
        settings: sql`coalesce(${bound(connections.settings, given.settings)}::text::jsonb, ${connections.settings})`,
        agreedHosts: sql`coalesce(${bound(connections.agreedHosts, given.agreedHosts)}::text::text[], ${connections.agreedHosts})`,
        state: sql`coalesce(${given.state}, ${connections.state})`,
        pausedReason: sql`case when ${isSame} then ${pausedReason}
          when ${isPaused} then coalesce(${pausedReason}, ${given.pausedReason}) end`,
        pausedAtMs: sql`case when ${isSame} then ${pausedAtMs}
          when ${isPaused} then coalesce(${pausedAtMs}, ${time.now}) end`,
        probeAtMs: sql`case when ${isSame} then ${probeAtMs} end`,
        probes: sql`case when ${isSame} then ${probes} else 0 end`,
        updatedAtMs: sql`${time.now}`,
      })
      .from(time)
      .where(isThe(given))
      .returning(COLUMNS);
  },
);

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
  const values = {
    ...key,
    credential: change.credential ?? null,
    hasBaseUrl: change.baseUrl !== undefined,
    baseUrl: change.baseUrl ?? null,
    settings: change.settings ?? null,
    state,
    pausedReason,
    agreedHosts: change.agreedHosts ?? null,
  };
  const [row] = await database.run("change-connection", (sql) => CHANGE(sql, values));
  return row ?? null;
}

const DELETE = statement((orm, given: Given<ConnectionKey>) => {
  const watched = orm
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.connectionId, given.id), IS_LIVE));
  return orm
    .update(connections)
    .set({ credential: null, deletedAtMs: sql`now()`, updatedAtMs: sql`now()` })
    .where(and(isThe(given), not(exists(watched))))
    .returning({ id: connections.id });
});

/**
 * Permanently deletes a connection and its credential, unless jobs are still watched through it.
 */
export async function deleteConnection(
  database: Database,
  key: ConnectionKey,
): Promise<"deleted" | "in_use" | "not_found"> {
  const deleted = await database.run("delete-connection", (sql) => DELETE(sql, key));
  if (deleted.length > 0) return "deleted";
  return (await findConnection(database, key)) === null ? "not_found" : "in_use";
}
