import { and, desc, eq, getTableColumns, isNull, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { providerVersions } from "../schema/projects.ts";
import { type Given, statement } from "../sql/statement.ts";
import { loadFileVersions, type StoredProviderVersion } from "./load-providers.ts";

interface WantedProvider {
  /** Id of the version, if one is added. */
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly definition: string;
  /** The API key that puts it; null for the operator's files. */
  readonly keyId: string | null;
  /** True when a stored definition has the same content. */
  isSame(definition: string): boolean;
}

export type PutOutcome =
  | { readonly kind: "created" | "changed" | "unchanged"; readonly version: number }
  /** The project has reached its number of providers. */
  | { readonly kind: "too_many" }
  /** The project has reached its number of versions. */
  | { readonly kind: "too_many_versions" };

const { id: _, projectId: ofProject, name: ofName, ...NEWEST } = getTableColumns(providerVersions);

const FIND_NEWEST = statement((orm, given: Given<{ projectId: string; name: string }>) => {
  const ofAll = orm
    .selectDistinctOn([ofName], { deletedAtMs: NEWEST.deletedAtMs })
    .from(providerVersions)
    .where(eq(ofProject, given.projectId))
    .orderBy(ofName, desc(NEWEST.version))
    .as("of_all");
  const counts = orm
    .select({
      names: sql<number>`(${orm
        .select({ count: sql`count(*)::int` })
        .from(ofAll)
        .where(isNull(ofAll.deletedAtMs))})`.as("names"),
      versions: sql<number>`count(*)::int`.as("versions"),
    })
    .from(providerVersions)
    .where(eq(ofProject, given.projectId))
    .as("counts");
  const newest = orm
    .select({
      version: NEWEST.version,
      definition: NEWEST.definition,
      deletedAtMs: NEWEST.deletedAtMs,
    })
    .from(providerVersions)
    .where(and(eq(ofProject, given.projectId), eq(ofName, given.name)))
    .orderBy(desc(NEWEST.version))
    .limit(1)
    .as("newest");
  return orm
    .select({
      version: newest.version,
      definition: newest.definition,
      deletedAtMs: newest.deletedAtMs,
      names: counts.names,
      versions: counts.versions,
    })
    .from(counts)
    .leftJoin(newest, sql`true`);
});

// Uses the database's time, because nodes find changes by it.
const ADD = statement(
  (
    orm,
    given: Given<{
      id: string;
      projectId: string | null;
      name: string;
      version: number;
      definition: string;
      keyId: string | null;
    }>,
  ) =>
    orm
      .insert(providerVersions)
      .values({
        id: given.id,
        projectId: given.projectId,
        name: given.name,
        version: given.version,
        definition: given.definition,
        createdByKeyId: given.keyId,
        createdAtMs: sql`now()`,
        updatedAtMs: sql`now()`,
      })
      .onConflictDoNothing({ target: [ofProject, ofName, NEWEST.version] })
      .returning({ version: NEWEST.version }),
);

/**
 * Makes this the project's definition of its name: a new version, unless the newest one has the
 * same content. When two are put at the same time, the second becomes the newer version.
 */
export async function putProvider(
  database: Database,
  wanted: WantedProvider & {
    readonly projectId: string;
    readonly namesMax: number;
    readonly versionsMax: number;
  },
): Promise<PutOutcome> {
  const { projectId, name } = wanted;
  const [newest] = await database.run("find-newest-provider", (sql) =>
    FIND_NEWEST(sql, { projectId, name }),
  );
  if (newest === undefined) throw new Error("A left join gave no row.");
  const isNew = newest.version === null || newest.deletedAtMs !== null;
  if (isNew && newest.names >= wanted.namesMax) return { kind: "too_many" };
  const version = newest.version ?? 0;
  if (!isNew && wanted.isSame(newest.definition ?? "")) return { kind: "unchanged", version };
  if (newest.versions >= wanted.versionsMax) return { kind: "too_many_versions" };
  const isAdded = await addVersion(database, projectId, wanted, version + 1);
  if (!isAdded) return putProvider(database, wanted);
  return { kind: isNew ? "created" : "changed", version: version + 1 };
}

/**
 * The stored version of a definition from the operator's files, added if it is new. A file that
 * returns to earlier content gets its old version back, so that nodes with different files don't
 * add versions in turns.
 */
export async function keepFileDefinition(
  database: Database,
  wanted: WantedProvider,
): Promise<Pick<StoredProviderVersion, "id" | "version" | "createdAtMs">> {
  for (;;) {
    const versions = await loadFileVersions(database, wanted.name);
    const same = versions.find(({ definition }) => wanted.isSame(definition));
    if (same !== undefined) return same;
    // The next round reads it back, whether this node or another one added it.
    await addVersion(database, null, wanted, (versions[0]?.version ?? 0) + 1);
  }
}

async function addVersion(
  database: Database,
  projectId: string | null,
  { id, name, definition, keyId }: WantedProvider,
  version: number,
): Promise<boolean> {
  const added = await database.run("add-provider-version", (sql) =>
    ADD(sql, { id, projectId, name, version, definition, keyId }),
  );
  return added.length > 0;
}
