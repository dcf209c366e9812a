import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { openDatabase } from "../../src/store/db/database.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { quietLog } from "./quiet-log.ts";

/** The migrated database that every test database is a copy of. */
export const TEMPLATE = "ringback_template";

export interface TestDatabase {
  readonly url: string;
  readonly drop: () => Promise<void>;
}

/**
 * A migrated database of the test's own, on the run's Postgres. Drop it when done.
 * @param template the database that it is a copy of; `template0` for an empty one
 */
export async function createTestDatabase(template = TEMPLATE): Promise<TestDatabase> {
  const adminUrl = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  await asAdmin(
    adminUrl,
    // Without fsync, copying the files is cheaper than logging every page.
    (sql) => sql`create database ${sql(name)} template ${sql(template)} strategy file_copy`,
  );
  return {
    url: urlOfDatabase(adminUrl, name),
    drop: () => asAdmin(adminUrl, (sql) => sql`drop database if exists ${sql(name)} with (force)`),
  };
}

/** The same, with the program's own way in; `drop` closes it too. */
export async function openTestDatabase(
  options: {
    readonly lockTimeoutMs?: number;
    readonly statementTimeoutMs?: number;
    readonly template?: string;
  } = {},
): Promise<TestDatabase & { readonly database: PooledDatabase }> {
  const { url, drop } = await createTestDatabase(options.template);
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
