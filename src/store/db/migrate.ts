import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { migrate as applyMigrations } from "drizzle-orm/postgres-js/migrator";
import { StartRefusedError } from "../../runtime/process/fatal-errors.ts";
import { template } from "../sql/statement.ts";
import type { Database, PooledDatabase } from "./database.ts";
import { errorCode } from "./errors.ts";

const FOLDER = fileURLToPath(new URL("../../../drizzle", import.meta.url));
const TIMEOUT_MS = 10 * 60_000;
/** "ringback" on a telephone keypad; any number that no other program on the database uses. */
const LOCK = 74642225;

/**
 * Brings the schema up to date. Several nodes may call it at the same time: one migrates, the
 * others wait and find nothing to do. Throws errors from Postgres; a migration that fails leaves
 * nothing behind.
 *
 * Drizzle's migrator looks for pending migrations before its own transaction, so it must not run
 * twice at the same time. The lock is held by a transaction on a second connection, not by the
 * session, so that it also works behind a pooler and ends with this process. It is an advisory
 * lock, because no table exists yet that could be locked.
 *
 * The first migration, the baseline, replaces 22 earlier ones and has the time of the last of those
 * in the journal. The migrator skips migrations that are not newer than the newest one that the
 * database has, so a database that has all 22 is taken over as it is. A database that has only some
 * of them is refused with `SchemaTooOldError`.
 */
export async function migrate(
  database: PooledDatabase,
  options: { readonly folder?: string } = {},
): Promise<void> {
  const migrationsFolder = options.folder ?? FOLDER;
  await database.dedicated("migration lock", { timeoutMs: TIMEOUT_MS }, (lock) =>
    lock.transaction(async (sql) => {
      await sql`select pg_advisory_xact_lock(${LOCK})`;
      refuseOlderThanBaseline(await newestApplied(database), await migrationTimes());
      await database.dedicated("migrate", { timeoutMs: TIMEOUT_MS }, ({ orm }) =>
        applyMigrations(orm, { migrationsFolder }),
      );
    }),
  );
}

/** The database lacks a migration, and migrating is disabled. */
export class NotMigratedError extends StartRefusedError {
  override readonly name = "NotMigratedError";
}

/** The database has some, but not all, of the migrations that the baseline replaced. */
export class SchemaTooOldError extends StartRefusedError {
  override readonly name = "SchemaTooOldError";
}

/** Rejects with `NotMigratedError` or `SchemaTooOldError`, which say what to do, unless every migration was applied. */
export async function checkMigrated(database: Database): Promise<void> {
  const times = await migrationTimes();
  const newest = await newestApplied(database);
  if (newest >= Math.max(...times)) return;
  refuseOlderThanBaseline(newest, times);
  throw new NotMigratedError(
    "The database's schema is not up to date: run ringback migrate (npm run migrate) first.",
  );
}

/** Times of the project's own migrations from the journal, in epoch milliseconds. */
async function migrationTimes(): Promise<readonly number[]> {
  const journal = await readFile(join(FOLDER, "meta", "_journal.json"), "utf8");
  const { entries } = JSON.parse(journal) as { readonly entries: readonly { when: number }[] };
  return entries.map(({ when }) => when);
}

/** The migrator would run the baseline on top of the existing tables. */
function refuseOlderThanBaseline(newest: number, times: readonly number[]): void {
  if (newest === 0 || newest >= Math.min(...times)) return;
  throw new SchemaTooOldError(
    "The database was made by an early version of Ringback, and this version can't bring it up to date. " +
      "Its data is unchanged. Start the last version that can do so once, then this one: see " +
      '"A database from an early version" in docs/operations.md.',
  );
}

const UNDEFINED_TABLE = "42P01";

const NEWEST = template(
  () =>
    sql<{
      newest: number | null;
    }>`select max(created_at)::float8 as newest from drizzle.__drizzle_migrations`,
);

/** The time of the newest migration that the database has; 0 without any. */
async function newestApplied(database: Database): Promise<number> {
  try {
    const [row] = await database.run("newest-migration", (sql) => NEWEST(sql, {}));
    return row?.newest ?? 0;
  } catch (error) {
    if (errorCode(error) === UNDEFINED_TABLE) return 0;
    throw error;
  }
}
