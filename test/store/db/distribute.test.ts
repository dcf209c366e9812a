import { afterAll, beforeAll, expect, test } from "vitest";
import {
  distribute,
  DISTRIBUTED_TABLES,
  NotDistributableError,
} from "../../../src/store/db/distribute.ts";
import { openTestDatabase } from "../../support/database.ts";

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

test("plain Postgres is refused with a message that says what to do", async () => {
  const refused = distribute(opened.database);
  await expect(refused).rejects.toBeInstanceOf(NotDistributableError);
  await expect(refused).rejects.toThrow(
    /no Citus extension.*create extension citus.*--distribute/s,
  );
});

/*
 * Citus as far as `distribute` sees it: its catalog, and a function that notes what it is asked for.
 */
test("tables are distributed once, those of a job together, and new ones later", async () => {
  const { database } = opened;
  await database.run("catalog", (sql) =>
    sql.unsafe(`
      create table pg_dist_node (noderole text, shouldhaveshards boolean);
      insert into pg_dist_node values ('primary', true), ('primary', true), ('primary', false);
      create table pg_dist_partition (logicalrelid regclass, partmethod "char", call text);
      create function create_distributed_table(
        name regclass, key text, colocate_with text default '-', shard_count int default 0
      ) returns void language sql as
        $$ insert into pg_dist_partition values (name, 'h', key || ' ' || colocate_with || ' ' || shard_count) $$`),
  );
  const tables = await distribute(database, () => Promise.resolve(true));
  expect(tables).toEqual([...DISTRIBUTED_TABLES]);
  const calls = await database.run("calls", (sql) =>
    sql.unsafe(`select logicalrelid::text as name, call from pg_dist_partition`),
  );
  expect(calls.map(({ name, call }) => `${name}: ${call}`)).toEqual(
    DISTRIBUTED_TABLES.map((table) => `${table}: shard_id ${table === "jobs" ? "- 2" : "jobs 0"}`),
  );
  expect(await distribute(database, () => Promise.resolve(true))).toEqual([]);
  await database.run("new", (sql) =>
    sql.unsafe(`delete from pg_dist_partition where logicalrelid = 'mailbox'::regclass`),
  );
  expect(await distribute(database, () => Promise.resolve(true))).toEqual(["mailbox"]);
});

test("every table with a shard is distributed, but for its owner and for short-lived questions to that owner", async () => {
  const rows = await opened.database.run("tables", (sql) =>
    sql.unsafe<{ name: string }[]>(
      `select table_name::text as name from information_schema.columns
      where table_schema = 'public' and column_name = 'shard_id'
        and table_name not in ('shards', 'inspections')`,
    ),
  );
  expect(rows.map(({ name }) => name).toSorted()).toEqual([...DISTRIBUTED_TABLES].toSorted());
});
