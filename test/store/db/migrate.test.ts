import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkMigrated, migrate, NotMigratedError } from "../../../src/store/db/migrate.ts";
import { openTestDatabase } from "../../support/database.ts";

let folder: string;
const drops: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringback-migrations-"));
});

afterEach(async () => {
  rmSync(folder, { recursive: true });
  await Promise.all(drops.splice(0).map((drop) => drop()));
});

/** Migrations later than any of the project's own, in drizzle-kit's layout. */
function writeMigrations(...statements: readonly string[]): void {
  mkdirSync(join(folder, "meta"), { recursive: true });
  const entries = statements.map((sql, idx) => {
    const tag = `000${idx}_step`;
    writeFileSync(join(folder, `${tag}.sql`), sql);
    return { idx, version: "7", when: Date.UTC(2100, 0, 1) + idx, tag, breakpoints: true };
  });
  const journal = { version: "7", dialect: "postgresql", entries };
  writeFileSync(join(folder, "meta", "_journal.json"), JSON.stringify(journal));
}

async function open() {
  const opened = await openTestDatabase();
  drops.push(opened.drop);
  return opened.database;
}

test("the project's own migrations are there, and running them again changes nothing", async () => {
  const database = await open();
  await migrate(database);
  const tables = await database.run(
    "tables",
    (sql) => sql`select 1 from pg_tables where schemaname = 'public'`,
  );
  expect(tables.length).toBeGreaterThan(0);
});

test("nodes that start together migrate once", async () => {
  writeMigrations("create table t (n int); insert into t values (1)", "update t set n = n + 1");
  const database = await open();
  await Promise.all(Array.from({ length: 5 }, () => migrate(database, { folder })));
  const rows = await database.run("read", (sql) => sql`select n from t`);
  expect([...rows]).toEqual([{ n: 2 }]);
});

test("a migration that fails leaves nothing behind and can be mended", async () => {
  writeMigrations("create table t (n int)", "insert into nowhere values (1)");
  const database = await open();
  await expect(migrate(database, { folder })).rejects.toThrow("nowhere");
  const [row] = await database.run("look", (sql) => sql`select to_regclass('t') as t`);
  expect(row?.["t"]).toBeNull();
  writeMigrations("create table t (n int)", "insert into t values (1)");
  await migrate(database, { folder });
  const rows = await database.run("read", (sql) => sql`select n from t`);
  expect([...rows]).toEqual([{ n: 1 }]);
});

test("a database that lacks the newest migration, or all of them, is told from one that is up to date", async () => {
  const database = await open();
  await expect(checkMigrated(database)).resolves.toBeUndefined();
  await database.run(
    "forget the newest",
    (sql) => sql`delete from drizzle.__drizzle_migrations
      where created_at = (select max(created_at) from drizzle.__drizzle_migrations)`,
  );
  await expect(checkMigrated(database)).rejects.toThrow(NotMigratedError);
  await database.run("forget all", (sql) => sql`drop schema drizzle cascade`);
  await expect(checkMigrated(database)).rejects.toThrow("npm run migrate");
});
