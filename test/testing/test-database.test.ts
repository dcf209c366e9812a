import postgres from "postgres";
import { expect, test } from "vitest";
import { SHARD_COUNT } from "../../src/core/ids/shard.ts";
import { createTestDatabase } from "../support/database.ts";

/** Runs statements in a database of a test's own, and drops it; returns which one it was. */
async function using(
  work: (sql: postgres.Sql) => Promise<unknown>,
  isFresh = false,
): Promise<number> {
  const { url, drop } = await createTestDatabase(undefined, { isFresh });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const [database] = await sql<{ oid: number }[]>`
      select oid::int from pg_database where datname = current_database()`;
    await work(sql);
    return database?.oid ?? 0;
  } finally {
    await sql.end({ timeout: 1 });
    await drop();
  }
}

// Other files of the run take and give back databases too: what was given back last may be theirs.
test("a database that a test has written to is like new for the next one", async () => {
  await using(async (sql) => {
    await sql`update shards set owner_id = gen_random_uuid()`;
    await sql`insert into mailbox (shard_id, id, kind, subject_id)
      values (1, gen_random_uuid(), 'watch', gen_random_uuid())`;
  });
  await using(async (sql) => {
    expect(await sql`select count(*)::int from mailbox`).toEqual([{ count: 0 }]);
    expect(await sql`select count(*)::int from shards where owner_id is null`).toEqual([
      { count: SHARD_COUNT },
    ]);
  });
});

test("databases are used again, but none whose schema, settings or statistics a test has changed", async () => {
  const used = new Set<number>();
  // Those that other files have given back count too: with enough of them, none comes twice.
  await using(async (sql) => {
    for (const { oid } of await sql<{ oid: number }[]>`select oid::int from pg_database`)
      used.add(oid);
  });
  let repeated = 0;
  for (let time = 0; time < 8; time += 1) {
    const oid = await using(() => Promise.resolve());
    repeated += used.has(oid) ? 1 : 0;
    used.add(oid);
  }
  expect(repeated).toBeGreaterThan(0);
  const spoiled = [
    await using((sql) => sql`alter table mailbox rename to out_of_reach`),
    await using((sql) => sql`create table more ()`),
    await using((sql) => sql`alter table nodes set (autovacuum_enabled = false)`),
    await using(async (sql) => {
      const [row] = await sql<{ name: string }[]>`select current_database() as name`;
      await sql`alter database ${sql(row?.name ?? "")} set datestyle = 'German'`;
    }),
    await using((sql) => sql`analyze shards`),
  ];
  for (let time = 0; time < 8; time += 1) {
    expect(spoiled).not.toContain(await using(() => Promise.resolve()));
  }
});
