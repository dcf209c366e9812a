import { and, eq, isNull, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { projects } from "../schema/projects.ts";
import { connections } from "../schema/schema.ts";
import { excluded, type Given, statement } from "../sql/statement.ts";

const ENSURE_PROJECT = statement((orm, given: Given<{ id: string; name: string }>) => {
  const added = orm.$with("added").as(
    orm
      .insert(projects)
      .values({ id: given.id, name: given.name, createdAtMs: sql`now()` })
      .onConflictDoNothing({ target: projects.name })
      .returning({ id: projects.id }),
  );
  const known = orm.select({ id: projects.id }).from(projects).where(eq(projects.name, given.name));
  return orm
    .with(added)
    .select({ id: sql<string | null>`coalesce((select ${added.id} from ${added}), (${known}))` })
    .from(sql`(select 1) as always`);
});

/** The id of the project of this name, which is created when it does not exist. */
export async function ensureProject(
  database: Database,
  project: { readonly id: string; readonly name: string },
): Promise<string> {
  const [row] = await database.run("ensure-project", (sql) => ENSURE_PROJECT(sql, project));
  // Another node may have added it after this statement's snapshot was taken.
  return row?.id ?? ensureProject(database, project);
}

interface ConnectionFromEnvironment {
  readonly id: string;
  readonly projectId: string;
  readonly provider: string;
  readonly name: string;
  readonly baseUrl: string;
  /**
   * Seals, for the row of this id, the credential and the environment's base URL and credential.
   */
  sealedFor(id: string): { readonly credential: string; readonly environment: string };
  /** True when this sealed text of the row equals what the environment says now. */
  isCurrent(stored: { readonly id: string; readonly environment: string }): boolean;
}

type ConnectionKey = Pick<ConnectionFromEnvironment, "projectId" | "provider" | "name">;

const FIND_CONNECTION = statement((orm, given: Given<ConnectionKey>) =>
  orm
    .select({ id: connections.id, environment: connections.environment })
    .from(connections)
    .where(
      and(
        eq(connections.projectId, given.projectId),
        eq(connections.provider, given.provider),
        eq(connections.name, given.name),
        isNull(connections.deletedAtMs),
      ),
    ),
);

const ENSURE_CONNECTION = statement(
  (
    orm,
    given: Given<
      ConnectionKey & { id: string; baseUrl: string; credential: string; environment: string }
    >,
  ) =>
    orm
      .insert(connections)
      .values({
        id: given.id,
        projectId: given.projectId,
        provider: given.provider,
        name: given.name,
        baseUrl: given.baseUrl,
        credential: given.credential,
        environment: given.environment,
        createdAtMs: sql`now()`,
        updatedAtMs: sql`now()`,
      })
      .onConflictDoUpdate({
        target: [connections.projectId, connections.provider, connections.name],
        targetWhere: sql`deleted_at is null`,
        set: {
          baseUrl: excluded(connections.baseUrl),
          credential: excluded(connections.credential),
          agreedHosts: null,
          environment: excluded(connections.environment),
          credentialVersion: sql`${connections.credentialVersion} + 1`,
          state: "active",
          pausedReason: null,
          pausedAtMs: null,
          probeAtMs: null,
          probes: 0,
          updatedAtMs: excluded(connections.updatedAtMs),
        },
        setWhere: eq(connections.id, excluded(connections.id)),
      })
      .returning({ id: connections.id }),
);

/**
 * Applies the environment's settings to the connection, but only when they have changed: a
 * credential that was replaced through the API survives a restart with the old environment.
 * @returns whether they had changed
 */
export async function ensureConnection(
  database: Database,
  wanted: ConnectionFromEnvironment,
): Promise<boolean> {
  const [stored] = await database.run("find-connection", (sql) => FIND_CONNECTION(sql, wanted));
  if (stored !== undefined && stored.environment !== null) {
    const { id, environment } = stored;
    if (wanted.isCurrent({ id, environment })) return false;
  }
  const id = stored?.id ?? wanted.id;
  const rows = await database.run("ensure-connection", (sql) =>
    ENSURE_CONNECTION(sql, { ...wanted, ...wanted.sealedFor(id), id }),
  );
  // Another node may have added it since: a value sealed for this id would not open in its row.
  return rows.length > 0 || ensureConnection(database, wanted);
}
