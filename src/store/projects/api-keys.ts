import { hashApiKey } from "../../runtime/secrets/api-key.ts";
import { arrayLiteral } from "../sql/array-literal.ts";
import type { Sql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import type { Scope } from "../../core/scopes.ts";

/** An API key as stored: never the key itself. Times in epoch milliseconds. */
export interface StoredApiKey {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** The same as nodes keep it in memory. */
export interface KnownApiKey extends StoredApiKey {
  readonly keyHash: string;
  readonly updatedAtMs: number;
}

const COLUMNS = `
  id, project_id as "projectId", name, to_json(scopes) as scopes,
  round(date_part('epoch', created_at) * 1000) as "createdAtMs",
  round(date_part('epoch', expires_at) * 1000) as "expiresAtMs",
  round(date_part('epoch', revoked_at) * 1000) as "revokedAtMs"`;

const KNOWN_COLUMNS = `
  ${COLUMNS}, key_hash as "keyHash",
  round(date_part('epoch', updated_at) * 1000) as "updatedAtMs"`;

const FIND_MANY = `
select ${KNOWN_COLUMNS} from api_keys where key_hash = any ($1::text::text[])
`;

/** The keys of these hashes that exist, expired and revoked ones included. */
export function findApiKeys(
  database: Database,
  keyHashes: readonly string[],
): Promise<KnownApiKey[]> {
  return database.run("find-api-keys", (sql) =>
    sql.unsafe<KnownApiKey[]>(FIND_MANY, [arrayLiteral(keyHashes)], { prepare: true }),
  );
}

const LOAD_USABLE = `
select ${KNOWN_COLUMNS} from api_keys
where revoked_at is null and (expires_at is null or expires_at > now())
order by updated_at desc limit $1
`;

/** The usable keys of all projects, those that changed last first. */
export function loadUsableApiKeys(database: Database, limit: number): Promise<KnownApiKey[]> {
  return database.run("load-usable-api-keys", (sql) =>
    sql.unsafe<KnownApiKey[]>(LOAD_USABLE, [limit], { prepare: true }),
  );
}

const LOAD_CHANGED = `
select ${KNOWN_COLUMNS} from api_keys
where updated_at >= to_timestamp($1::float8 / 1000) or revoked_at >= to_timestamp($1::float8 / 1000)
order by updated_at, id
`;

/** The keys that were made or changed since, revoked ones included. */
export function loadChangedApiKeys(
  database: Database,
  changedSinceMs: number,
): Promise<KnownApiKey[]> {
  return database.run("load-changed-api-keys", (sql) =>
    sql.unsafe<KnownApiKey[]>(LOAD_CHANGED, [changedSinceMs], { prepare: true }),
  );
}

const LIST = `
select ${COLUMNS} from api_keys
where project_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3
`;

/** The project's keys, newest first, from below the id given. */
export function listApiKeys(
  database: Database,
  query: { readonly projectId: string; readonly beforeId: string | null; readonly limit: number },
): Promise<StoredApiKey[]> {
  return database.run("list-api-keys", (sql) =>
    sql.unsafe<StoredApiKey[]>(LIST, [query.projectId, query.beforeId, query.limit], {
      prepare: true,
    }),
  );
}

export interface NewApiKey {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly key: string;
  readonly scopes: readonly Scope[];
  readonly nowMs: number;
  readonly expiresAtMs: number | null;
}

const CREATE = `
insert into api_keys (id, project_id, name, key_hash, scopes, created_at, expires_at)
values ($1, $2, $3, $4, $5::text::text[], to_timestamp($6::float8 / 1000), to_timestamp($7::float8 / 1000))
`;

export async function createApiKey(database: Database, key: NewApiKey): Promise<void> {
  await database.run("create-api-key", (sql) => insertKey(sql, key));
}

function insertKey(sql: Sql, key: NewApiKey): Promise<unknown> {
  const scopes = arrayLiteral(key.scopes);
  const { id, projectId, name, nowMs, expiresAtMs } = key;
  const values = [id, projectId, name, hashApiKey(key.key), scopes, nowMs, expiresAtMs];
  return sql.unsafe(CREATE, values, { prepare: true });
}

const ENSURE = `
with replaced as (
  update api_keys set
    revoked_at = to_timestamp($6::float8 / 1000), is_replaced = true, updated_at = now()
  where project_id = $2 and name = $3 and key_hash <> $4 and revoked_at is null
    and not exists (
      select from api_keys where key_hash = $4 and revoked_at is not null and not is_replaced
    )
)
insert into api_keys as held (id, project_id, name, key_hash, scopes, created_at)
values ($1, $2, $3, $4, $5::text::text[], to_timestamp($6::float8 / 1000))
on conflict (key_hash) do update set
  scopes = excluded.scopes, expires_at = null, is_replaced = false, updated_at = excluded.updated_at,
  revoked_at = case when not held.is_replaced then held.revoked_at end
returning revoked_at is not null as "isRevoked", xmax = 0 as "isNew"
`;

/**
 * Makes this key the only valid one of its name; harmless when repeated. A key that was revoked stays
 * revoked and replaces none, one that another of the same name replaced becomes valid again.
 * @returns `added` when it was not there before, `revoked` when it can't be used
 */
export async function ensureApiKey(
  database: Database,
  key: Omit<NewApiKey, "expiresAtMs">,
): Promise<"added" | "kept" | "revoked"> {
  const [row] = await database.run("ensure-api-key", (sql) =>
    sql.unsafe<{ isRevoked: boolean; isNew: boolean }[]>(
      ENSURE,
      [key.id, key.projectId, key.name, hashApiKey(key.key), arrayLiteral(key.scopes), key.nowMs],
      { prepare: true },
    ),
  );
  if (row?.isRevoked === true) return "revoked";
  return row?.isNew === true ? "added" : "kept";
}

// Nodes that start together on an empty database take turns, or each would add a key of its own.
const LOCK_PROJECT = `update projects set name = name where id = $1`;

const COUNT_USABLE = `
select count(*)::int as count from api_keys
where project_id = $1 and revoked_at is null and (expires_at is null or expires_at > now())
`;

/** Creates the key unless the project has a usable one; true when it was created. */
export function createFirstApiKey(database: Database, key: NewApiKey): Promise<boolean> {
  return database.transaction("create-first-api-key", async (sql) => {
    await sql.unsafe(LOCK_PROJECT, [key.projectId]);
    const [usable] = await sql.unsafe<{ count: number }[]>(COUNT_USABLE, [key.projectId]);
    if (usable === undefined || usable.count > 0) return false;
    await insertKey(sql, key);
    return true;
  });
}

const REVOKE = `
update api_keys set
  revoked_at = coalesce(revoked_at, to_timestamp($3::float8 / 1000)),
  is_replaced = false, updated_at = now()
where id = $1 and project_id = $2
returning ${KNOWN_COLUMNS}
`;

/** Revokes a key for good. Returns it, or null when the project has no such key. */
export async function revokeApiKey(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<KnownApiKey | null> {
  const [row] = await database.run("revoke-api-key", (sql) =>
    sql.unsafe<KnownApiKey[]>(REVOKE, [key.id, key.projectId, key.nowMs], { prepare: true }),
  );
  return row ?? null;
}
