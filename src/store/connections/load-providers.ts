import { and, desc, eq, getTableColumns, gte, isNotNull, isNull, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { providerVersions } from "../schema/projects.ts";
import { type Given, isAnyOf, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

const { deletedAtMs, createdByKeyId, ...REST } = getTableColumns(providerVersions);
const { id, projectId, name, version, updatedAtMs } = REST;
const COLUMNS = { ...REST, isDeleted: sql<boolean>`${deletedAtMs} is not null` };

/** One version of a definition as stored. */
export interface StoredProviderVersion extends Readonly<
  Omit<typeof providerVersions.$inferSelect, "deletedAtMs" | "createdByKeyId">
> {
  readonly isDeleted: boolean;
}

const CHANGED = statement((orm, given: Given<{ sinceMs: number }>) =>
  orm
    .selectDistinctOn([projectId, name], COLUMNS)
    .from(providerVersions)
    .where(and(isNotNull(projectId), gte(updatedAtMs, timeOf(given.sinceMs))))
    .orderBy(projectId, name, desc(version)),
);

/** The newest version of each project's definition that has changed since; 0 loads all. */
export function loadProviders(
  database: Database,
  changedSinceMs: number,
): Promise<StoredProviderVersion[]> {
  return database.run("load-providers", (sql) => CHANGED(sql, { sinceMs: changedSinceMs }));
}

const BY_IDS = statement((orm, given: Given<{ ids: readonly string[] }>) =>
  orm.select(COLUMNS).from(providerVersions).where(isAnyOf(id, given.ids)),
);

/** The given versions, including old and deleted ones, since jobs may still be watched by them. */
export function loadProviderVersions(
  database: Database,
  ids: readonly string[],
): Promise<StoredProviderVersion[]> {
  return database.run("load-provider-versions", (sql) => BY_IDS(sql, { ids }));
}

const OF_FILES = statement((orm, given: Given<{ name: string }>) =>
  orm
    .select(COLUMNS)
    .from(providerVersions)
    .where(and(isNull(projectId), eq(name, given.name)))
    .orderBy(desc(version)),
);

/** Every version of this name that the operator's files ever had, newest first. */
export function loadFileVersions(
  database: Database,
  name: string,
): Promise<StoredProviderVersion[]> {
  return database.run("load-file-versions", (sql) => OF_FILES(sql, { name }));
}

const LISTED_MAX = 100;

const LISTED = { version, createdAtMs: REST.createdAtMs, createdByKeyId, deletedAtMs };

/** A version in the list of its provider. */
export type ListedProviderVersion = Pick<
  typeof providerVersions.$inferSelect,
  "version" | "createdAtMs" | "createdByKeyId" | "deletedAtMs"
>;

const OF_NAME = statement((orm, given: Given<{ projectId: string; name: string }>) =>
  orm
    .select(LISTED)
    .from(providerVersions)
    .where(and(eq(projectId, given.projectId), eq(name, given.name)))
    .orderBy(desc(version))
    .limit(LISTED_MAX),
);

/** The newest versions of a project's definition, deleted ones included. */
export function listProviderVersions(
  database: Database,
  key: { readonly projectId: string; readonly name: string },
): Promise<ListedProviderVersion[]> {
  return database.run("list-provider-versions", (sql) => OF_NAME(sql, key));
}

const OF_NUMBER = statement(
  (orm, given: Given<{ projectId: string; name: string; version: number }>) =>
    orm
      .select({ ...LISTED, definition: REST.definition })
      .from(providerVersions)
      .where(and(eq(projectId, given.projectId), eq(name, given.name), eq(version, given.version))),
);

/** One version of a project's definition, deleted or not; null when there is none of this number. */
export async function findProviderVersion(
  database: Database,
  key: { readonly projectId: string; readonly name: string; readonly version: number },
): Promise<(ListedProviderVersion & { readonly definition: string }) | null> {
  const [found = null] = await database.run("find-provider-version", (sql) => OF_NUMBER(sql, key));
  return found;
}
