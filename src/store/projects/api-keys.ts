import {
  and,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  isNotNull,
  isNull,
  lt,
  ne,
  not,
  notExists,
  or,
  sql,
} from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { publicId } from "../../core/ids/ids.ts";
import { hashApiKey } from "../../runtime/secrets/api-key.ts";
import type { Sql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import type { Scope } from "../../core/scopes.ts";
import { apiKeys } from "../schema/schema.ts";
import { beforeOrFirst, cutPage, type Page, type PageQuery } from "../sql/page.ts";
import { excluded, type Given, isAnyOf, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import type { AuditNote } from "./audit-log.ts";
import { LOCK_PROJECT } from "./manage-projects.ts";

const { isReplaced, ...KNOWN_COLUMNS } = getTableColumns(apiKeys);
const { keyHash, updatedAtMs, ...COLUMNS } = KNOWN_COLUMNS;

/** An API key as nodes keep it in memory, without the key itself. */
export type KnownApiKey = Readonly<Omit<typeof apiKeys.$inferSelect, "isReplaced">>;
/** An API key for display. */
export type StoredApiKey = Omit<KnownApiKey, "keyHash" | "updatedAtMs">;

const FIND_MANY = statement((orm, given: Given<{ keyHashes: readonly string[] }>) =>
  orm.select(KNOWN_COLUMNS).from(apiKeys).where(isAnyOf(keyHash, given.keyHashes)),
);

/** The keys of these hashes that exist, expired and revoked ones included. */
export function findApiKeys(
  database: Database,
  keyHashes: readonly string[],
): Promise<KnownApiKey[]> {
  return database.run("find-api-keys", (sql) => FIND_MANY(sql, { keyHashes }));
}

const IS_USABLE = and(
  isNull(apiKeys.revokedAtMs),
  or(isNull(apiKeys.expiresAtMs), gt(apiKeys.expiresAtMs, sql`now()`)),
);

const LOAD_USABLE = statement((orm, given: Given<{ limit: number }>) =>
  orm
    .select(KNOWN_COLUMNS)
    .from(apiKeys)
    .where(IS_USABLE)
    .orderBy(desc(updatedAtMs))
    .limit(given.limit),
);

/** The usable keys of all projects, those that changed last first. */
export function loadUsableApiKeys(database: Database, limit: number): Promise<KnownApiKey[]> {
  return database.run("load-usable-api-keys", (sql) => LOAD_USABLE(sql, { limit }));
}

const LOAD_CHANGED = statement((orm, given: Given<{ sinceMs: number }>) =>
  orm
    .select(KNOWN_COLUMNS)
    .from(apiKeys)
    .where(
      or(gte(updatedAtMs, timeOf(given.sinceMs)), gte(apiKeys.revokedAtMs, timeOf(given.sinceMs))),
    )
    .orderBy(updatedAtMs, apiKeys.id),
);

/** The keys that were created or changed since then, revoked ones included. */
export function loadChangedApiKeys(
  database: Database,
  changedSinceMs: number,
): Promise<KnownApiKey[]> {
  return database.run("load-changed-api-keys", (sql) =>
    LOAD_CHANGED(sql, { sinceMs: changedSinceMs }),
  );
}

const LIST = statement(
  (orm, given: Given<{ projectId: string; beforeId: string; limit: number }>) =>
    orm
      .select(COLUMNS)
      .from(apiKeys)
      .where(and(eq(apiKeys.projectId, given.projectId), lt(apiKeys.id, given.beforeId)))
      .orderBy(desc(apiKeys.id))
      .limit(given.limit),
);

/** The project's keys, newest first, from below the id given. */
export async function listApiKeys(
  database: Database,
  query: PageQuery,
): Promise<Page<StoredApiKey>> {
  const { projectId, limit } = query;
  const beforeId = beforeOrFirst(query.beforeId);
  const rows = await database.run("list-api-keys", (sql) =>
    LIST(sql, { projectId, beforeId, limit: limit + 1 }),
  );
  return cutPage(rows, limit);
}

export type NewApiKey = Readonly<
  Pick<typeof apiKeys.$inferSelect, "id" | "projectId" | "name" | "scopes" | "expiresAtMs">
> & {
  readonly key: string;
  readonly nowMs: number;
};

const CREATE = statement(
  (
    orm,
    given: Given<{
      id: string;
      projectId: string;
      name: string;
      keyHash: string;
      scopes: readonly Scope[];
      nowMs: number;
      expiresAtMs: number | null;
    }>,
  ) =>
    orm.insert(apiKeys).values({
      id: given.id,
      projectId: given.projectId,
      name: given.name,
      keyHash: given.keyHash,
      scopes: given.scopes,
      createdAtMs: given.nowMs,
      expiresAtMs: given.expiresAtMs,
    }),
);

/** The entry in the audit log for a new key. */
export function apiKeyCreated(
  key: Pick<NewApiKey, "id" | "projectId" | "name" | "scopes" | "expiresAtMs">,
): AuditNote {
  const { id, projectId, name, scopes, expiresAtMs } = key;
  const details = {
    name,
    scopes,
    expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
  return { projectId, action: "api_key.created", subject: publicId("apiKey", id), details };
}

export async function createApiKey(database: Database, key: NewApiKey): Promise<void> {
  await database.run("create-api-key", (sql) => insertKey(sql, key));
}

function insertKey(sql: Sql, key: NewApiKey): Promise<unknown> {
  return CREATE(sql, { ...key, keyHash: hashApiKey(key.key) });
}

const held = alias(apiKeys, "held");

const ENSURE = statement(
  (
    orm,
    given: Given<{
      id: string;
      projectId: string;
      name: string;
      keyHash: string;
      scopes: readonly Scope[];
      nowMs: number;
    }>,
  ) => {
    const revoked = orm
      .select({ id: held.id })
      .from(held)
      .where(
        and(eq(held.keyHash, given.keyHash), isNotNull(held.revokedAtMs), not(held.isReplaced)),
      );
    const replaced = orm.$with("replaced").as(
      orm
        .update(apiKeys)
        .set({ revokedAtMs: timeOf(given.nowMs), isReplaced: true, updatedAtMs: sql`now()` })
        .where(
          and(
            eq(apiKeys.projectId, given.projectId),
            eq(apiKeys.name, given.name),
            ne(keyHash, given.keyHash),
            isNull(apiKeys.revokedAtMs),
            notExists(revoked),
          ),
        )
        .returning({ id: apiKeys.id }),
    );
    return orm
      .with(replaced)
      .insert(apiKeys)
      .values({
        id: given.id,
        projectId: given.projectId,
        name: given.name,
        keyHash: given.keyHash,
        scopes: given.scopes,
        createdAtMs: given.nowMs,
      })
      .onConflictDoUpdate({
        target: keyHash,
        set: {
          scopes: excluded(apiKeys.scopes),
          expiresAtMs: null,
          isReplaced: false,
          updatedAtMs: excluded(updatedAtMs),
          revokedAtMs: sql`case when not ${isReplaced} then ${apiKeys.revokedAtMs} end`,
        },
      })
      .returning({
        isRevoked: sql<boolean>`${isNotNull(apiKeys.revokedAtMs)}`,
        isNew: sql<boolean>`xmax = 0`,
      });
  },
);

/**
 * Makes this key the only valid one of its name; harmless when repeated. A key that was revoked
 * remains revoked and replaces none; a key that was replaced by another of the same name becomes
 * valid again.
 * @returns `added` when it did not exist before, `revoked` when it can't be used
 */
export async function ensureApiKey(
  database: Database,
  key: Omit<NewApiKey, "expiresAtMs">,
): Promise<"added" | "kept" | "revoked"> {
  const [row] = await database.run("ensure-api-key", (sql) =>
    ENSURE(sql, { ...key, keyHash: hashApiKey(key.key) }),
  );
  if (row?.isRevoked === true) return "revoked";
  return row?.isNew === true ? "added" : "kept";
}

const COUNT_USABLE = statement((orm, given: Given<{ projectId: string }>) =>
  orm
    .select({ count: sql<number>`count(*)::int` })
    .from(apiKeys)
    .where(and(eq(apiKeys.projectId, given.projectId), IS_USABLE)),
);

/** Creates the key unless the project has a usable one; true when it was created. */
export function createFirstApiKey(database: Database, key: NewApiKey): Promise<boolean> {
  const { projectId } = key;
  return database.transaction("create-first-api-key", async (sql) => {
    // Nodes that start together on an empty database take turns; otherwise each would add a key.
    await LOCK_PROJECT(sql, { projectId });
    const [usable] = await COUNT_USABLE(sql, { projectId });
    if (usable === undefined || usable.count > 0) return false;
    await insertKey(sql, key);
    return true;
  });
}

const REVOKE = statement((orm, given: Given<{ id: string; projectId: string; nowMs: number }>) =>
  orm
    .update(apiKeys)
    .set({
      revokedAtMs: sql`coalesce(${apiKeys.revokedAtMs}, ${timeOf(given.nowMs)})`,
      isReplaced: false,
      updatedAtMs: sql`now()`,
    })
    .where(and(eq(apiKeys.id, given.id), eq(apiKeys.projectId, given.projectId)))
    .returning(KNOWN_COLUMNS),
);

/** Revokes a key permanently. Returns it, or null when the project has no such key. */
export async function revokeApiKey(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<KnownApiKey | null> {
  const [row] = await database.run("revoke-api-key", (sql) => REVOKE(sql, key));
  return row ?? null;
}
