import { arrayLiteral } from "../sql/array-literal.ts";
import type { Database } from "../db/database.ts";
import { epochMs, timeFrom } from "../sql/time.ts";

/** One version of a definition as stored. Times in epoch milliseconds. */
export interface StoredProviderVersion {
  readonly id: string;
  /** Null for one from the operator's files. */
  readonly projectId: string | null;
  readonly name: string;
  readonly version: number;
  /** JSON text. */
  readonly definition: string;
  readonly isDeleted: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

const COLUMNS = `
  id, project_id as "projectId", name, version, definition, deleted_at is not null as "isDeleted",
  ${epochMs("created_at")} as "createdAtMs",
  ${epochMs("updated_at")} as "updatedAtMs"`;

const CHANGED = `
select distinct on (project_id, name) ${COLUMNS} from provider_versions
where project_id is not null and updated_at >= ${timeFrom("$1")}
order by project_id, name, version desc
`;

/** The newest version of each project's definition that has changed since; 0 loads all. */
export function loadProviders(
  database: Database,
  changedSinceMs: number,
): Promise<StoredProviderVersion[]> {
  return database.run("load-providers", (sql) =>
    sql.unsafe<StoredProviderVersion[]>(CHANGED, [changedSinceMs], { prepare: true }),
  );
}

const BY_IDS = `
select ${COLUMNS} from provider_versions where id = any ($1::text::uuid[])
`;

/** These versions, however old; deleted ones too, since jobs may still be watched by them. */
export function loadProviderVersions(
  database: Database,
  ids: readonly string[],
): Promise<StoredProviderVersion[]> {
  return database.run("load-provider-versions", (sql) =>
    sql.unsafe<StoredProviderVersion[]>(BY_IDS, [arrayLiteral(ids)], { prepare: true }),
  );
}

const OF_FILES = `
select ${COLUMNS} from provider_versions where project_id is null and name = $1
order by version desc
`;

/** Every version that the operator's files ever gave of this name, the newest first. */
export function loadFileVersions(
  database: Database,
  name: string,
): Promise<StoredProviderVersion[]> {
  return database.run("load-file-versions", (sql) =>
    sql.unsafe<StoredProviderVersion[]>(OF_FILES, [name]),
  );
}
