import { readdir, readFile } from "node:fs/promises";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { afterEach, expect, test } from "vitest";
import type { PooledDatabase } from "../../../src/store/db/database.ts";
import { checkMigrated, migrate, SchemaTooOldError } from "../../../src/store/db/migrate.ts";
import { openTestDatabase } from "../../support/database.ts";

/*
 * `before-the-baseline.sql` is the 22 migrations that the baseline replaced, one after the other. A line
 * in front of each has its name, its time in the journal, and its hash, as Drizzle keeps them.
 */

const EARLY = new URL("fixtures/before-the-baseline.sql", import.meta.url);
const BASELINE = new URL("../../../drizzle/0000_baseline.sql", import.meta.url);
const META = new URL("../../../drizzle/meta/", import.meta.url);
const SCHEMA = new URL("../../../src/store/schema/", import.meta.url);

const drops: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(drops.splice(0).map((drop) => drop()));
});

async function openEmpty(): Promise<PooledDatabase> {
  const { database, drop } = await openTestDatabase({ template: "template0" });
  drops.push(drop);
  return database;
}

interface EarlyMigration {
  readonly sql: string;
  readonly when: number;
  readonly hash: string;
}

async function earlyMigrations(): Promise<readonly EarlyMigration[]> {
  const parts = (await readFile(EARLY, "utf8")).split(/^-- migration /m).slice(1);
  return parts.map((part) => {
    const [head = "", ...lines] = part.split("\n");
    const [, when = "", hash = ""] = head.split(" ");
    return { sql: lines.join("\n"), when: Number(when), hash };
  });
}

/** Applies them as Drizzle's migrator did. */
async function apply(
  database: PooledDatabase,
  migrations: readonly EarlyMigration[],
): Promise<void> {
  await database.transaction("early migrations", async (sql) => {
    await sql.unsafe(
      `create schema drizzle;
      create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`,
    );
    for (const { sql: statements, when, hash } of migrations) {
      await sql.unsafe(statements);
      await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${hash}, ${when})`;
    }
  });
}

/** All that the catalog has about the tables, in an order of its own. */
const CATALOG = `
select 'relation' as kind, class.relname as name,
  concat_ws(' ', class.relkind, class.relpersistence, class.reloptions) as definition
from pg_class as class where class.relnamespace = 'public'::regnamespace
union all
select 'column', class.relname || '.' || attribute.attname, concat_ws(' ',
  attribute.attnum, format_type(attribute.atttypid, attribute.atttypmod), attribute.attnotnull,
  attribute.attstorage, attribute.attcompression, attribute.attidentity, attribute.attgenerated,
  attribute.attoptions, attribute.attisdropped, attribute.attcollation::regcollation,
  pg_get_expr(value.adbin, value.adrelid))
from pg_attribute as attribute
join pg_class as class on class.oid = attribute.attrelid
left join pg_attrdef as value on (value.adrelid, value.adnum) = (attribute.attrelid, attribute.attnum)
where class.relnamespace = 'public'::regnamespace and attribute.attnum > 0
union all
select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) || ' ' || indisvalid
from pg_index join pg_class as class on class.oid = indexrelid
where class.relnamespace = 'public'::regnamespace
union all
select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
from pg_constraint where connamespace = 'public'::regnamespace
union all
select 'function', oid::regprocedure::text, prosrc
from pg_proc where pronamespace = 'public'::regnamespace
union all
select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid)
from pg_trigger where not tgisinternal
union all
select 'type', typname, typtype::text
from pg_type where typnamespace = 'public'::regnamespace
order by 1, 2, 3`;

async function catalogOf(database: PooledDatabase): Promise<readonly string[]> {
  const rows = await database.run("catalog", (sql) =>
    sql.unsafe<{ kind: string; name: string; definition: string }[]>(CATALOG),
  );
  return rows.map(({ kind, name, definition }) => `${kind} ${name}: ${definition}`);
}

/** Every row there is after the migrations: with where it lies and which transaction wrote it. */
async function rowsOf(database: PooledDatabase): Promise<readonly object[]> {
  const shards = await database.run(
    "shards",
    (sql) => sql`select ctid::text, xmin::text, shard_id, owner_id, released_at from shards`,
  );
  const migrations = await database.run(
    "migrations",
    (sql) => sql`select ctid::text, xmin::text, * from drizzle.__drizzle_migrations`,
  );
  return [...shards, ...migrations];
}

test("an empty database gets the schema that the 22 early migrations made, by the catalog", async () => {
  const [before, now] = [await openEmpty(), await openEmpty()];
  await apply(before, await earlyMigrations());
  const baseline = await readFile(BASELINE, "utf8");
  await now.run("baseline", (sql) => sql.unsafe(baseline));
  const catalog = await catalogOf(now);
  expect(catalog).toContain(
    "relation jobs: r p {fillfactor=80,autovacuum_vacuum_scale_factor=0.05}",
  );
  expect(catalog).toEqual(await catalogOf(before));
  const shards = await now.run("shards", (sql) => sql`select shard_id from shards`);
  expect(shards.map(({ shard_id }) => Number(shard_id))).toEqual([...Array(256).keys()]);
});

test("a database that has all 22 early migrations is taken over: only later migrations run, and no row is written", async () => {
  const [database, fresh] = [await openEmpty(), await openEmpty()];
  await apply(database, await earlyMigrations());
  const rows = await rowsOf(database);
  await migrate(database);
  await migrate(fresh);
  await expect(checkMigrated(database)).resolves.toBeUndefined();
  expect(await catalogOf(database)).toEqual(await catalogOf(fresh));
  // The migrations come last, in the order in which they ran.
  const after = await rowsOf(database);
  expect(after.slice(0, rows.length)).toEqual(rows);
  const { entries } = JSON.parse(await readFile(new URL("_journal.json", META), "utf8")) as {
    readonly entries: readonly object[];
  };
  expect(after.length - rows.length).toBe(entries.length - 1);
});

test("a database that has only some of the early migrations is refused, with what to do, and left as it is", async () => {
  const database = await openEmpty();
  await apply(database, (await earlyMigrations()).slice(0, -1));
  const [catalog, rows] = [await catalogOf(database), await rowsOf(database)];
  for (const refused of [() => migrate(database), () => checkMigrated(database)]) {
    await expect(refused()).rejects.toThrow(SchemaTooOldError);
    await expect(refused()).rejects.toThrow("docs/operations.md");
  }
  expect(await catalogOf(database)).toEqual(catalog);
  expect(await rowsOf(database)).toEqual(rows);
});

/** All that the files of the schema export, as drizzle-kit reads it. */
async function schema(): Promise<Record<string, unknown>> {
  const files = await readdir(SCHEMA);
  const modules = await Promise.all(
    files.map((file) => import(new URL(file, SCHEMA).href) as Promise<Record<string, unknown>>),
  );
  return Object.assign({}, ...modules) as Record<string, unknown>;
}

test("the migrations have everything that the schema has: another one would be empty", async () => {
  const files = (await readdir(META)).filter((name) => name.endsWith("_snapshot.json"));
  expect(files).toHaveLength(1);
  const newest = await readFile(new URL(files[0] ?? "", META), "utf8");
  const snapshot = JSON.parse(newest) as ReturnType<typeof generateDrizzleJson>;
  const tables = generateDrizzleJson(await schema(), snapshot.id);
  expect(Object.keys(tables.tables).length).toBeGreaterThan(20);
  expect(await generateMigration(snapshot, tables)).toEqual([]);
});
