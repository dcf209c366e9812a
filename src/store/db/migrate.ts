import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { migrate as applyMigrations } from "drizzle-orm/postgres-js/migrator";
import { StartRefusedError } from "../../runtime/process/start-refused.ts";
import type { Database, PooledDatabase } from "./database.ts";
import { errorCode } from "./errors.ts";

const FOLDER = fileURLToPath(new URL("../../../drizzle", import.meta.url));
const TIMEOUT_MS = 10 * 60_000;
/** "ringback" on a telephone's keys: any number that no other program on the database uses. */
const LOCK = 74642225;

/**
 * Brings the schema up to date. Several nodes may call it at once: one migrates, the others wait
 * and find nothing to do. Throws what Postgres says; a migration that fails leaves nothing behind.
 *
 * Drizzle's migrator looks for pending migrations before its own transaction and so can't be run
 * twice at once. The lock is held by a transaction on a second connection, not by the session,
 * so that it also works behind a pooler and ends with this process. It is an advisory lock, which
 * the tables of the schema never rely on, because there is no table yet that could be locked.
 */
export async function migrate(
  database: PooledDatabase,
  options: { readonly folder?: string } = {},
): Promise<void> {
  const migrationsFolder = options.folder ?? FOLDER;
  await database.dedicated("migration lock", { timeoutMs: TIMEOUT_MS }, (lock) =>
    lock.transaction(async (sql) => {
      await sql`select pg_advisory_xact_lock(${LOCK})`;
      await database.dedicated("migrate", { timeoutMs: TIMEOUT_MS }, ({ orm }) =>
        applyMigrations(orm, { migrationsFolder }),
      );
    }),
  );
}

/** The database lacks a migration, and nobody asked for it to be migrated. */
export class NotMigratedError extends StartRefusedError {
  override readonly name = "NotMigratedError";
}

/** Rejects with `NotMigratedError`, which says what to do, unless every migration was applied. */
export async function checkMigrated(database: Database): Promise<void> {
  const journal = await readFile(join(FOLDER, "meta", "_journal.json"), "utf8");
  const { entries } = JSON.parse(journal) as { readonly entries: readonly { when: number }[] };
  const newest = Math.max(...entries.map(({ when }) => when));
  if ((await newestApplied(database)) >= newest) return;
  throw new NotMigratedError("The database's schema is not up to date: run npm run migrate first.");
}

const UNDEFINED_TABLE = "42P01";

async function newestApplied(database: Database): Promise<number> {
  try {
    const [row] = await database.run("newest-migration", (sql) =>
      sql.unsafe<{ newest: number | null }[]>(
        "select max(created_at)::float8 as newest from drizzle.__drizzle_migrations",
      ),
    );
    return row?.newest ?? 0;
  } catch (error) {
    if (errorCode(error) === UNDEFINED_TABLE) return 0;
    throw error;
  }
}
