import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { openDatabase } from "../../src/store/db/database.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { quietLog } from "./quiet-log.ts";
import { restore } from "./template-state.ts";

/** The migrated database that every test database is a copy of. */
export const TEMPLATE = "ringback_template";

export interface TestDatabase {
  readonly url: string;
  readonly drop: () => Promise<void>;
}

/** Where copies wait that a test has given back. */
const GIVEN_BACK = "given_back_";
const RESTORE_MS_MAX = 5_000;

/**
 * A migrated database of the test's own, on the run's Postgres. Drop it when done: it is made like new for the next
 * test where that is possible, since making a copy takes a second on a busy machine.
 * @param template the database that it is a copy of; `template0` for an empty one
 */
export async function createTestDatabase(
  template = TEMPLATE,
  options: { readonly isFresh?: boolean } = {},
): Promise<TestDatabase> {
  const adminUrl = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const mayReuse = template === TEMPLATE && options.isFresh !== true;
  await asAdmin(adminUrl, async (sql) => {
    if (mayReuse && (await takeGivenBack(sql, name))) return;
    // Without fsync, copying the files is cheaper than logging every page.
    await sql`create database ${sql(name)} template ${sql(template)} strategy file_copy`;
  });
  const url = urlOfDatabase(adminUrl, name);
  return {
    url,
    async drop() {
      const isLikeNew = template === TEMPLATE && (await makeLikeNew(url));
      await asAdmin(adminUrl, async (sql) => {
        if (isLikeNew && (await rename(sql, name, GIVEN_BACK + name))) return;
        await sql`drop database if exists ${sql(name)} with (force)`;
      });
    },
  };
}

/** Several processes may try to take the same one. */
async function takeGivenBack(sql: postgres.Sql, name: string): Promise<boolean> {
  const free = await sql<{ name: string }[]>`
    select datname as name from pg_database where starts_with(datname, ${GIVEN_BACK})`;
  for (const one of free) if (await rename(sql, one.name, name)) return true;
  return false;
}

/** False where somebody else was quicker, or is still connected. */
function rename(sql: postgres.Sql, from: string, to: string): Promise<boolean> {
  return sql`alter database ${sql(from)} rename to ${sql(to)}`.then(
    () => true,
    () => false,
  );
}

async function makeLikeNew(url: string): Promise<boolean> {
  const state = inject("templateState");
  const sql = postgres(url, {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    connection: {
      lock_timeout: RESTORE_MS_MAX,
      statement_timeout: RESTORE_MS_MAX,
      default_transaction_read_only: false,
    },
  });
  try {
    return await restore(sql, state);
  } catch {
    // What a test has done to its schema, or to the whole server.
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The same, with the program's own way in; `drop` closes it too. */
export async function openTestDatabase(
  options: {
    readonly lockTimeoutMs?: number;
    readonly statementTimeoutMs?: number;
    readonly template?: string;
    /** For tests to which it matters what earlier tests may have left in the files. */
    readonly isFresh?: boolean;
  } = {},
): Promise<TestDatabase & { readonly database: PooledDatabase }> {
  const { url, drop } = await createTestDatabase(options.template, options);
  const database = await openDatabase({
    url,
    connectionsMax: 4,
    statementTimeoutMs: options.statementTimeoutMs ?? 60_000,
    // Tests that let statements wait for one another must not lose them on a busy machine.
    lockTimeoutMs: options.lockTimeoutMs ?? 10_000,
    applicationName: "ringback test",
    log: quietLog,
  });
  return {
    url,
    database,
    async drop() {
      await database.close(1_000);
      await drop();
    },
  };
}

export function urlOfDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

async function asAdmin(url: string, work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
