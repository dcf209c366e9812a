import { and, eq, getTableColumns, gt, min, sql } from "drizzle-orm";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { PooledDatabase } from "../../../src/store/db/database.ts";
import { apiKeys, connections, deliveries } from "../../../src/store/schema/schema.ts";
import {
  bound,
  BUILT_STATEMENTS,
  type Given,
  isAnyOf,
  statement,
  template,
} from "../../../src/store/sql/statement.ts";
import { timeOf } from "../../../src/store/sql/time.ts";
import { openTestDatabase, type TestDatabase } from "../../support/database.ts";
import { auditLog } from "../../../src/store/schema/projects.ts";

const ID = "0190a2f0-0000-7000-8000-000000000001";
const PROJECT = "0190a2f0-0000-7000-8000-00000000000a";
const NOW = 1_790_000_000_123;

let scene: TestDatabase & { readonly database: PooledDatabase };

beforeEach(async () => {
  scene = await openTestDatabase();
});
afterEach(() => scene.drop());

const CONNECT = statement(
  (
    orm,
    given: Given<{ hosts: readonly string[] | null; pausedAtMs: number | null; nowMs: number }>,
  ) =>
    orm
      .insert(connections)
      .values({
        id: ID,
        projectId: PROJECT,
        provider: 'it\'s \\ "quoted"',
        name: "main",
        agreedHosts: given.hosts,
        settings: { poll_interval_s: 7 },
        pausedAtMs: given.pausedAtMs,
        createdAtMs: given.nowMs,
        updatedAtMs: timeOf(given.nowMs),
      })
      .returning(),
);

test("a statement without parameters is prepared like any other", async () => {
  const COUNT = template(
    () => sql<{ count: number }>`select count(*)::int as count from ${apiKeys}`,
  );
  const names = await scene.database.run("count", async (on) => {
    await COUNT(on, {});
    return on`select from pg_prepared_statements where statement like 'select count(*)::int%'`;
  });
  expect(names).toHaveLength(1);
});

test("written values come back the same: times, arrays, JSON, quotes and nulls", async () => {
  // No backslash, which Drizzle's reading of arrays leaves out: hosts and scopes have none.
  const hosts = ["a.example", 'b"c', "e,f", "{g}", "", "null"];
  const [row] = await scene.database.run("write", (on) =>
    CONNECT(on, { hosts, pausedAtMs: null, nowMs: NOW }),
  );
  expect(row).toMatchObject({
    id: ID,
    provider: 'it\'s \\ "quoted"',
    agreedHosts: hosts,
    settings: { poll_interval_s: 7 },
    credential: null,
    credentialVersion: 1,
    state: "active",
    pausedAtMs: null,
    createdAtMs: NOW,
    updatedAtMs: NOW,
  });
  const [other] = await scene.database.run("again", (on) =>
    statement((orm, given: Given<{ id: string; hosts: readonly string[] | null }>) =>
      orm
        .update(connections)
        .set({ agreedHosts: bound(connections.agreedHosts, given.hosts) })
        .where(eq(connections.id, given.id))
        .returning({ agreedHosts: connections.agreedHosts }),
    )(on, { id: ID, hosts: null }),
  );
  expect(other).toEqual({ agreedHosts: null });
});

test("an expression made from a column comes as the column does", async () => {
  await scene.database.run("write", (on) =>
    CONNECT(on, { hosts: [], pausedAtMs: NOW, nowMs: NOW }),
  );
  const OLDEST = statement((orm) =>
    orm
      .select({ pausedAtMs: min(connections.pausedAtMs), count: sql<number>`count(*)::int` })
      .from(connections),
  );
  expect(await scene.database.run("read", (on) => OLDEST(on, {}))).toEqual([
    { pausedAtMs: NOW, count: 1 },
  ]);
});

test("an array is one parameter, however many values it has", async () => {
  const FIND = statement((orm, given: Given<{ ids: readonly string[] }>) =>
    orm.select({ id: connections.id }).from(connections).where(isAnyOf(connections.id, given.ids)),
  );
  await scene.database.run("write", (on) =>
    CONNECT(on, { hosts: [], pausedAtMs: NOW, nowMs: NOW }),
  );
  for (const ids of [[ID], [PROJECT, ID], []]) {
    const rows = await scene.database.run("find", (on) => FIND(on, { ids }));
    expect(rows).toHaveLength(ids.includes(ID) ? 1 : 0);
  }
});

test("constants are written into the text and only parameters travel", async () => {
  const texts = new Set(BUILT_STATEMENTS);
  const DUE = statement((orm, given: Given<{ byMs: number }>) =>
    orm
      .select({ id: deliveries.id })
      .from(deliveries)
      .where(
        and(eq(deliveries.status, "pending"), gt(deliveries.nextAttemptAtMs, timeOf(given.byMs))),
      )
      .limit(7),
  );
  const [text] = [...BUILT_STATEMENTS].filter((one) => !texts.has(one)).map((one) => one());
  expect(text).toContain(`"deliveries"."status" = 'pending'`);
  expect(text).toContain("limit 7");
  expect(text?.match(/\$\d+/g)).toEqual(["$1"]);
  expect(await scene.database.run("due", (on) => DUE(on, { byMs: NOW }))).toEqual([]);
});

test("a statement is prepared once on a connection, whatever it is called with", async () => {
  const FIND = statement((orm, given: Given<{ id: string }>) =>
    orm.select(getTableColumns(auditLog)).from(auditLog).where(eq(auditLog.id, given.id)),
  );
  const prepared = await scene.database.run("count", async (on) => {
    for (const id of [ID, PROJECT, ID]) await FIND(on, { id });
    return on`select statement from pg_prepared_statements where statement like 'select %audit_log%$1'`;
  });
  expect(prepared).toHaveLength(1);
});

test("a statement says how many rows it changed, and is refused after its transaction", async () => {
  await scene.database.run("write", (on) =>
    CONNECT(on, { hosts: [], pausedAtMs: NOW, nowMs: NOW }),
  );
  const PAUSE = statement((orm) => orm.update(connections).set({ state: "paused" }));
  let late: () => Promise<unknown> = () => Promise.resolve();
  const { count } = await scene.database.transaction("pause", (on) => {
    late = async () => PAUSE(on, {});
    return PAUSE(on, {});
  });
  expect(count).toBe(1);
  await expect(late()).rejects.toThrow("the transaction is over");
});

test("statements that are sent together run in the order in which they are sent", async () => {
  const MARK = template(
    (given: Given<{ name: string }>) =>
      sql`insert into ${apiKeys} (id, project_id, name, key_hash, scopes, created_at)
      values (gen_random_uuid(), gen_random_uuid(), ${given.name}, ${given.name}, '{}', clock_timestamp())`,
  );
  const READ = statement((orm) => orm.select({ name: apiKeys.name }).from(apiKeys));
  const results = await scene.database.transaction("mixed", (on) =>
    Promise.all([
      READ(on, {}),
      MARK(on, { name: "a" }),
      READ(on, {}),
      MARK(on, { name: "b" }),
      READ(on, {}),
    ]),
  );
  expect(results.map((rows) => rows.length)).toEqual([0, 0, 1, 0, 2]);
});

test("a database with another date style of its own is read all the same", async () => {
  const name = new URL(scene.url).pathname.slice(1);
  await scene.database.run("set", (on) =>
    on.unsafe(
      `alter database ${name} set datestyle = 'German'; alter database ${name} set timezone = 'Asia/Kolkata'`,
    ),
  );
  // Connections made since have the database's own settings, but for those that they ask for.
  const connection = await scene.database.openProbeConnection();
  try {
    const [row] = await CONNECT(connection.sql, { hosts: [], pausedAtMs: -1, nowMs: NOW });
    expect(row).toMatchObject({ createdAtMs: NOW, pausedAtMs: -1 });
  } finally {
    await connection.close();
  }
});

test("the error of a statement quotes no parameter", async () => {
  const secret = "s3cret";
  const error = await scene.database
    .run("fails", (on) =>
      template((given: Given<{ text: string }>) => sql`select 1 / 0, ${given.text}::text`)(on, {
        text: secret,
      }),
    )
    .catch((reason: unknown) => reason);
  expect(String(error)).toContain("division by zero");
  expect(String(error)).not.toContain(secret);
});
