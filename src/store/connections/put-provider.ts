import type { Database } from "../db/database.ts";
import { loadFileVersions, type StoredProviderVersion } from "./load-providers.ts";

export interface WantedProvider {
  /** Of the version to be added, should one be. */
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly definition: string;
  /** Whether a stored definition says the same. */
  isSame(definition: string): boolean;
}

export type PutOutcome =
  | { readonly kind: "created" | "changed" | "unchanged"; readonly version: number }
  /** The project has as many providers as it may. */
  | { readonly kind: "too_many" }
  /** It has as many versions of all of them as it may. */
  | { readonly kind: "too_many_versions" };

const FIND_NEWEST = `
select version, definition, deleted_at is not null as "isDeleted",
  (select count(*)::int from (
    select distinct on (name) deleted_at from provider_versions where project_id = $1
    order by name, version desc
  ) as newest where deleted_at is null) as names,
  (select count(*)::int from provider_versions where project_id = $1) as versions
from (select 1) as always
left join lateral (
  select * from provider_versions where project_id = $1 and name = $2
  order by version desc limit 1
) as newest on true
`;

// The database's own time: nodes find what has changed by it.
const ADD = `
insert into provider_versions (id, project_id, name, version, definition, created_at, updated_at)
values ($1, $2, $3, $4, $5, now(), now())
on conflict on constraint provider_versions_by_name do nothing
returning version
`;

interface NewestRow {
  /** Null when the project never had a definition of this name. */
  readonly version: number | null;
  readonly definition: string;
  readonly isDeleted: boolean;
  readonly names: number;
  readonly versions: number;
}

/**
 * Makes this the project's definition of its name: a new version, unless the newest one says the
 * same. Of two that are put at once, the one that comes second becomes the newer version.
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
    sql.unsafe<NewestRow[]>(FIND_NEWEST, [projectId, name], { prepare: true }),
  );
  if (newest === undefined) throw new Error("A left join gave no row.");
  const isNew = newest.version === null || newest.isDeleted;
  if (isNew && newest.names >= wanted.namesMax) return { kind: "too_many" };
  const version = newest.version ?? 0;
  if (!isNew && wanted.isSame(newest.definition)) return { kind: "unchanged", version };
  if (newest.versions >= wanted.versionsMax) return { kind: "too_many_versions" };
  const isAdded = await addVersion(database, projectId, wanted, version + 1);
  if (!isAdded) return putProvider(database, wanted);
  return { kind: isNew ? "created" : "changed", version: version + 1 };
}

/**
 * The stored version of a definition from the operator's files, added if it is a new one. A file
 * that goes back to what it said before gets its old version back, so that nodes with different
 * files don't outdo one another.
 */
export async function keepFileDefinition(
  database: Database,
  wanted: WantedProvider,
): Promise<Pick<StoredProviderVersion, "id" | "version" | "createdAtMs">> {
  for (;;) {
    const versions = await loadFileVersions(database, wanted.name);
    const same = versions.find(({ definition }) => wanted.isSame(definition));
    if (same !== undefined) return same;
    // Read back in the next round, from this node or the one that was quicker.
    await addVersion(database, null, wanted, (versions[0]?.version ?? 0) + 1);
  }
}

async function addVersion(
  database: Database,
  projectId: string | null,
  { id, name, definition }: WantedProvider,
  version: number,
): Promise<boolean> {
  const parameters = [id, projectId, name, version, definition];
  const added = await database.run("add-provider-version", (sql) =>
    sql.unsafe(ADD, parameters, { prepare: true }),
  );
  return added.length > 0;
}
