import { and, asc, between, gt, isNotNull, notLike, type SQL, sql } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { SealedColumnName } from "../../runtime/secrets/secret-box.ts";
import type { Database } from "../db/database.ts";
import { connections, subscriptions } from "./schema.ts";
import { signingSecrets } from "./signing-secrets.ts";

/** A column whose values are sealed by `runtime/secrets/secret-box.ts`. */
export interface SealedColumn {
  /** `table.column`, for people. */
  readonly name: SealedColumnName;
  readonly table: PgTable;
  readonly column: PgColumn;
  readonly id: PgColumn;
  /** Of a table that is spread over shards, so that each statement names one. */
  readonly shardId: PgColumn | null;
}

const ofConnections = { table: connections, id: connections.id, shardId: null };
const ofSubscriptions = {
  table: subscriptions,
  id: subscriptions.id,
  shardId: subscriptions.shardId,
};

/** Every column that holds sealed values. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { name: "connections.credential", column: connections.credential, ...ofConnections },
  { name: "connections.environment", column: connections.environment, ...ofConnections },
  {
    name: "signing_secrets.secret",
    column: signingSecrets.secret,
    table: signingSecrets,
    id: signingSecrets.id,
    shardId: null,
  },
  { name: "subscriptions.headers", column: subscriptions.headers, ...ofSubscriptions },
  { name: "subscriptions.secret", column: subscriptions.secret, ...ofSubscriptions },
];

/** The key of a row; a table without shards has none. */
export interface SealedKey {
  readonly shardId: number | null;
  readonly id: string;
}

export interface SealedRow extends SealedKey {
  readonly sealed: string;
}

/** Neighboring shards, both ends included. */
export interface ShardRange {
  readonly first: number;
  readonly last: number;
}

/**
 * A page of values that are not sealed under the current key, in the order of keys.
 * @param page.shards null for a table without shards
 * @param page.after the key of the last row of the page before, or null for the first page
 * @param page.currentPrefix what values sealed under the current key begin with
 */
export function findSealedBefore(
  database: Database,
  { table, column, id, shardId }: SealedColumn,
  page: {
    readonly shards: ShardRange | null;
    readonly after: SealedKey | null;
    readonly currentPrefix: string;
    readonly limit: number;
  },
): Promise<SealedRow[]> {
  const { after } = page;
  return database.run("find-sealed", (_, orm) =>
    orm
      .select({
        shardId: shardId === null ? sql<null>`null` : sql<number>`${shardId}`,
        id: sql<string>`${id}`,
        sealed: sql<string>`${column}`,
      })
      .from(table)
      .where(
        and(
          isIn(page.shards, shardId),
          after === null
            ? undefined
            : shardId === null
              ? gt(id, after.id)
              : sql`(${shardId}, ${id}) > (${after.shardId}::smallint, ${after.id}::uuid)`,
          isNotNull(column),
          notLike(column, `${page.currentPrefix}%`),
        ),
      )
      .orderBy(...(shardId === null ? [asc(id)] : [asc(shardId), asc(id)]))
      .limit(page.limit),
  );
}

/** A value that was read, and what takes its place. */
export interface Replacement extends SealedKey {
  readonly before: string;
  readonly after: string;
}

/**
 * Replaces sealed values that are still as they were read; one that changed since stays as it is.
 * @returns how many were replaced
 */
export async function replaceSealed(
  database: Database,
  { table, column, id, shardId }: SealedColumn,
  rows: readonly Replacement[],
): Promise<number> {
  const replaced = await database.run("replace-sealed", (_, orm) =>
    orm.execute(sql`
      update ${table} set ${sql.identifier(column.name)} = fresh.after
      from json_to_recordset(${JSON.stringify(rows)}::text::json)
        as fresh ("shardId" smallint, id uuid, before text, after text)
      where ${and(
        shardId === null ? undefined : sql`${shardId} = fresh."shardId"`,
        sql`${id} = fresh.id`,
        sql`${column} = fresh.before`,
      )}
      returning ${id}
    `),
  );
  return replaced.length;
}

/**
 * How many values of a column are under each key.
 * @param shards null for a table without shards
 */
export async function countSealed(
  database: Database,
  { table, column, shardId }: SealedColumn,
  shards: ShardRange | null,
): Promise<{ readonly keyId: string; readonly count: number }[]> {
  const keyId = sql<string>`split_part(${column}, '.', 2)`;
  return database.run("count-sealed", (_, orm) =>
    orm
      .select({ keyId, count: sql<number>`count(*)::int` })
      .from(table)
      .where(and(isNotNull(column), isIn(shards, shardId)))
      .groupBy(keyId),
  );
}

function isIn(shards: ShardRange | null, shardId: PgColumn | null): SQL | undefined {
  if (shards === null || shardId === null) return undefined;
  return between(shardId, shards.first, shards.last);
}
