import { and, asc, between, gt, isNotNull, notLike, type SQL, sql } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { SHARD_COUNT } from "../../core/ids/ids.ts";
import type { SealedColumnName } from "../../runtime/secrets/secret-box.ts";
import type { Database } from "../db/database.ts";
import { LOWEST_ID } from "../sql/page.ts";
import { type Given, nameOf, statement, template } from "../sql/statement.ts";
import { connections, subscriptions } from "./schema.ts";
import { idempotentAnswers, signingSecrets } from "./projects.ts";

/** A column whose values are sealed by `runtime/secrets/secret-box.ts`. */
export interface SealedColumn {
  /** `table.column`, for people. */
  readonly name: SealedColumnName;
  readonly table: PgTable;
  readonly column: PgColumn;
  readonly id: PgColumn;
  /** For sharded tables, where each statement names a shard. */
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
  {
    name: "idempotent_answers.answer",
    column: idempotentAnswers.answer,
    table: idempotentAnswers,
    id: idempotentAnswers.id,
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
interface ShardRange {
  readonly first: number;
  readonly last: number;
}

/** A range of a table; shards are ignored for a table without them. */
type Stretch = Given<{ firstShard: number; lastShard: number }>;

function isIn({ shardId }: SealedColumn, { firstShard, lastShard }: Stretch): SQL | undefined {
  return shardId === null ? undefined : between(shardId, firstShard, lastShard);
}

function findStatement(of: SealedColumn) {
  const { table, column, id, shardId } = of;
  return statement(
    (
      orm,
      given: Stretch &
        Given<{ afterShard: number; afterId: string; current: string; limit: number }>,
    ) =>
      orm
        .select({
          shardId: shardId === null ? sql<null>`null` : sql<number>`${shardId}`,
          id: sql<string>`${id}`,
          sealed: sql<string>`${column}`,
        })
        .from(table)
        .where(
          and(
            isIn(of, given),
            shardId === null
              ? gt(id, given.afterId)
              : sql`(${shardId}, ${id}) > (${given.afterShard}::smallint, ${given.afterId}::uuid)`,
            isNotNull(column),
            notLike(column, given.current),
          ),
        )
        .orderBy(...(shardId === null ? [asc(id)] : [asc(shardId), asc(id)]))
        .limit(given.limit),
  );
}

function replaceStatement({ table, column, id, shardId }: SealedColumn) {
  return template(
    (given: Given<{ rows: string }>) => sql`
      update ${table} set ${nameOf(column)} = fresh.after
      from json_to_recordset(${given.rows}::text::json)
        as fresh ("shardId" smallint, id uuid, before text, after text)
      where ${and(
        shardId === null ? undefined : sql`${shardId} = fresh."shardId"`,
        sql`${id} = fresh.id`,
        sql`${column} = fresh.before`,
      )}
      returning ${id}`,
  );
}

function keyIdOf({ column }: SealedColumn): SQL<string> {
  return sql<string>`split_part(${column}, '.', 2)`;
}

function sampleStatement(of: SealedColumn) {
  const keyId = keyIdOf(of);
  return statement((orm, given: Stretch) =>
    orm
      .selectDistinctOn([keyId], {
        keyId,
        id: sql<string>`${of.id}`,
        sealed: sql<string>`${of.column}`,
      })
      .from(of.table)
      .where(and(isNotNull(of.column), isIn(of, given)))
      .orderBy(keyId),
  );
}

function countStatement(of: SealedColumn) {
  const keyId = keyIdOf(of);
  return statement((orm, given: Stretch) =>
    orm
      .select({ keyId, count: sql<number>`count(*)::int` })
      .from(of.table)
      .where(and(isNotNull(of.column), isIn(of, given)))
      .groupBy(keyId),
  );
}

function newStatements(of: SealedColumn) {
  return {
    find: findStatement(of),
    replace: replaceStatement(of),
    count: countStatement(of),
    sample: sampleStatement(of),
  };
}

const STATEMENTS = new Map(SEALED_COLUMNS.map((of) => [of, newStatements(of)] as const));

function statementsFor(of: SealedColumn): ReturnType<typeof newStatements> {
  const statements = STATEMENTS.get(of);
  if (statements === undefined) throw new Error(`${of.name} is not among the sealed columns.`);
  return statements;
}

/** A sixteenth of a table is looked through by a statement, so that each stays short. */
const SHARDS_AT_ONCE = 16;

/** The parts in which a whole column is looked through; null is all of a table without shards. */
export function rangesOf({ shardId }: SealedColumn): readonly (ShardRange | null)[] {
  if (shardId === null) return [null];
  return Array.from({ length: SHARD_COUNT / SHARDS_AT_ONCE }, (_, part) => {
    const first = part * SHARDS_AT_ONCE;
    return { first, last: first + SHARDS_AT_ONCE - 1 };
  });
}

function stretchOf(shards: ShardRange | null) {
  return { firstShard: shards?.first ?? 0, lastShard: shards?.last ?? 0 };
}

/**
 * A page of values that are not sealed under the current key, in the order of keys.
 * @param page.shards null for a table without shards
 * @param page.after the key of the last row of the previous page, or null for the first page
 * @param page.currentPrefix the prefix of values sealed under the current key
 */
export function findSealedBefore(
  database: Database,
  of: SealedColumn,
  page: {
    readonly shards: ShardRange | null;
    readonly after: SealedKey | null;
    readonly currentPrefix: string;
    readonly limit: number;
  },
): Promise<SealedRow[]> {
  const { shards, after, currentPrefix, limit } = page;
  return database.run("find-sealed", (sql) =>
    statementsFor(of).find(sql, {
      ...stretchOf(shards),
      afterShard: after?.shardId ?? 0,
      afterId: after?.id ?? LOWEST_ID,
      current: `${currentPrefix}%`,
      limit,
    }),
  );
}

/**
 * Replaces sealed values that are unchanged since they were read.
 * @returns how many were replaced
 */
export async function replaceSealed(
  database: Database,
  of: SealedColumn,
  rows: readonly (SealedKey & { readonly before: string; readonly after: string })[],
): Promise<number> {
  const replaced = await database.run("replace-sealed", (sql) =>
    statementsFor(of).replace(sql, { rows: JSON.stringify(rows) }),
  );
  return replaced.length;
}

/**
 * How many values of a column are under each key.
 * @param shards null for a table without shards
 */
export async function countSealed(
  database: Database,
  of: SealedColumn,
  shards: ShardRange | null,
): Promise<{ readonly keyId: string; readonly count: number }[]> {
  return database.run("count-sealed", (sql) => statementsFor(of).count(sql, stretchOf(shards)));
}

/** One value under each key that a range of a column has values under. */
export function sampleSealed(
  database: Database,
  of: SealedColumn,
  shards: ShardRange | null,
): Promise<{ readonly keyId: string; readonly id: string; readonly sealed: string }[]> {
  return database.run("sample-sealed", (sql) => statementsFor(of).sample(sql, stretchOf(shards)));
}
