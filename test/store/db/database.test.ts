import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DatabaseUnavailableError, openDatabase } from "../../../src/store/db/database.ts";
import type { DatabaseOptions, PooledDatabase } from "../../../src/store/db/database.ts";
import { DatabaseTimeoutError, isLockTimeout, isTransient } from "../../../src/store/db/errors.ts";
import type { TransactionSql } from "../../../src/store/connection/connection.ts";
import { type Given, template } from "../../../src/store/sql/statement.ts";
import { createTestDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { quietLog } from "../../support/quiet-log.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import type { TcpProxy } from "../../support/tcp-proxy.ts";

/** Without a pooler they only keep limits from being sent as start-up parameters. */
const URL_PARAMETERS = ["", "?prepare=false", "?pooler=transaction"];
const PREPARED = { prepare: true };
/** As a bug in a caller would bring it about. */
const UNKNOWN = JSON.parse("{}").missing;

const SEVEN = template(
  (given: Given<{ six: number }>) => sql<{ seven: number }>`select ${given.six}::int + 1 as seven`,
);

let server: TestDatabase;
let proxy: TcpProxy;
let proxyUrl: string;
const opened: PooledDatabase[] = [];

beforeEach(async () => {
  server = await createTestDatabase();
  const url = new URL(server.url);
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(url.port) });
  url.port = String(proxy.port);
  proxyUrl = url.href;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close(1_000)));
  await proxy.close();
  await server.drop();
});

async function open(options: Partial<DatabaseOptions> = {}): Promise<PooledDatabase> {
  const database = await openDatabase({
    url: server.url,
    connectionsMax: 2,
    statementTimeoutMs: 5_000,
    applicationName: "ringback test",
    log: quietLog,
    ...options,
  });
  opened.push(database);
  return database;
}

describe("values", () => {
  const batch = JSON.stringify([
    { id: "a", n: 12, text: 'say "hi"\\', raw: '{"x": 1.0}' },
    { id: "b", n: null, text: "ä€😀", raw: "[]" },
  ]);

  test("one JSON text parameter makes rows, prepared or not, and keeps every character", async () => {
    for (const url of [server.url, `${server.url}?prepare=false`]) {
      const database = await open({ url });
      for (let time = 0; time < 3; time += 1) {
        const rows = await database.run(
          "rows",
          (sql) => sql`
            select * from json_to_recordset(${batch}::text::json)
              as rows (id text, n int, text text, raw text)`,
        );
        expect([...rows]).toEqual(JSON.parse(batch));
      }
    }
  });

  test("times travel as epoch milliseconds", async () => {
    const database = await open();
    const now = 1_790_000_000_123;
    const [row] = await database.run(
      "time",
      (sql) => sql<{ ms: number }[]>`
        select (extract(epoch from to_timestamp(${now}::float8 / 1000)) * 1000)::float8 as ms`,
    );
    expect(row?.ms).toBe(now);
  });

  test("statements built with Drizzle run on the same connections", async () => {
    for (const parameters of URL_PARAMETERS) {
      const database = await open({ url: server.url + parameters });
      const rows = await database.run("built", (sql) => SEVEN(sql, { six: 6 }));
      expect([...rows]).toEqual([{ seven: 7 }]);
    }
  });
});

describe("limits", () => {
  test("a statement that takes too long is canceled by the server and counts as transient", async () => {
    const database = await open({ statementTimeoutMs: 50 });
    const slow = database.run("slow", (sql) => sql`select pg_sleep(5)`);
    await expect(slow).rejects.toMatchObject({ code: "57014" });
    await expect(slow.catch(isTransient)).resolves.toBe(true);
  });

  test("a silently dead connection costs one deadline, not the next call", async () => {
    const database = await open({ url: proxyUrl });
    proxy.freeze();
    const stuck = database.run("stuck", (sql) => sql`select 1`, { timeoutMs: 99.6 });
    await expect(stuck).rejects.toBeInstanceOf(DatabaseTimeoutError);
    await expect(stuck).rejects.toThrow("stuck took longer than 100 ms");
    proxy.thaw();
    await expect(
      database.run("next", (sql) => sql`select 2 as two`, { timeoutMs: 30_000 }),
    ).resolves.toMatchObject([{ two: 2 }]);
  });

  test("a call that waits too long for a connection leaves the running ones alone", async () => {
    const database = await open({ connectionsMax: 1 });
    const release = Promise.withResolvers<void>();
    const running = database.run("running", async (sql) => {
      const rows = await sql`select 1 as one`;
      await release.promise;
      return rows;
    });
    const waiting = database.run("waiting", (sql) => sql`select 1`, { timeoutMs: 50 });
    expect(database.waiting).toBe(1);
    await expect(waiting).rejects.toBeInstanceOf(DatabaseTimeoutError);
    release.resolve();
    await expect(running).resolves.toMatchObject([{ one: 1 }]);
    expect(database.waiting).toBe(0);
  });

  test("there are never more calls at once than connections", async () => {
    const database = await open({ connectionsMax: 2 });
    let running = 0;
    let most = 0;
    const call = (): Promise<unknown> =>
      database.run("call", async (sql) => {
        most = Math.max(most, (running += 1));
        await sql`select pg_sleep(0.01)`;
        running -= 1;
      });
    await Promise.all(Array.from({ length: 9 }, call));
    expect(most).toBe(2);
  });

  test("close ends within its time although a call hangs", async () => {
    const database = await open({ url: proxyUrl });
    proxy.freeze();
    const stuck = database.run("stuck", (sql) => sql`select 1`).catch(isTransient);
    await database.close(50);
    await expect(stuck).resolves.toBe(true);
    await expect(database.run("late", (sql) => sql`select 1`)).rejects.toThrow("CONNECTION_ENDED");
  });
});

describe.each(URL_PARAMETERS)("limits on the server, with %j", (parameters) => {
  test("the server limits the time of a statement with these parameters", async () => {
    // It bounds the silence in a transaction too, and a busy machine is silent for a while.
    const database = await open({ url: server.url + parameters, statementTimeoutMs: 2_000 });
    const slow = database.run("slow", (sql) => sql`select pg_sleep(15)`);
    await expect(slow).rejects.toMatchObject({ code: "57014" });
    const within = database.transaction("slow", (sql) => sql`select pg_sleep(15)`);
    await expect(within).rejects.toMatchObject({ code: "57014" });
  });

  test("the server limits the wait for a lock with these parameters", async () => {
    const database = await open({ url: server.url + parameters, lockTimeoutMs: 50 });
    const holder = await open();
    await holder.run("table", (sql) => sql`create table t (n int)`);
    await holder.run("row", (sql) => sql`insert into t values (1)`);
    await holder.transaction("hold", async (sql) => {
      await sql`update t set n = 2`;
      const alone = database.run("alone", (other) => other`update t set n = 3`);
      await expect(alone).rejects.toSatisfy(isLockTimeout);
      const within = database.transaction("within", (other) => other`update t set n = 4`);
      await expect(within).rejects.toSatisfy(isLockTimeout);
    });
  });

  test("the server limits the silence inside a transaction with these parameters: a node lost there keeps no lock", async () => {
    const url = proxyUrl + parameters;
    const lost = await open({ url, statementTimeoutMs: 2_000, connectionsMax: 1 });
    const other = await open({ lockTimeoutMs: 60_000, statementTimeoutMs: 60_000 });
    await other.run("table", (sql) => sql`create table t (n int)`);
    await other.run("row", (sql) => sql`insert into t values (1)`);
    const gone = lost.transaction("gone", async (sql) => {
      await sql`update t set n = 2`;
      proxy.freeze();
      await sql`update t set n = 3`;
    });
    const failed = expect(gone.catch(isTransient)).resolves.toBe(true);
    await other.run("later", (sql) => sql`update t set n = n + 10`);
    expect(await other.run("read", (sql) => sql`select n from t`)).toMatchObject([{ n: 11 }]);
    await lost.close(0);
    await failed;
  });
});

describe("transactions", () => {
  test("the statements of a transaction commit together or not at all", async () => {
    const database = await open();
    await database.run("table", (sql) => sql`create table t (n int)`);
    await database.transaction("both", async (sql) => {
      await sql`insert into t values (1)`;
      await sql`insert into t values (2)`;
    });
    const failing = database.transaction("neither", async (sql) => {
      await sql`insert into t values (3)`;
      throw new Error("changed my mind");
    });
    await expect(failing).rejects.toThrow("changed my mind");
    const rows = await database.run("read", (sql) => sql`select n from t order by n`);
    expect([...rows]).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test("a transaction sent at once waits for nothing before its commit is on its way", async () => {
    const database = await open({ url: proxyUrl, connectionsMax: 1 });
    const holder = await open();
    await holder.run("table", (sql) => sql`create table t (n int)`);
    await holder.run("row", (sql) => sql`insert into t values (1)`);
    const update = (n: number): Promise<unknown> =>
      database.transaction(
        "update",
        (sql) => Promise.all([1, n].map((to) => sql.unsafe("update t set n = $1", [to], PREPARED))),
        { isSentAtOnce: true },
      );
    // A connection prepares a statement when it runs it for the first time.
    await update(2);
    let updating: Promise<unknown> = Promise.resolve();
    const commits = () => proxy.sent().split("commit\0").length - 1;
    await holder.transaction("hold", async (sql) => {
      await sql`update t set n = 3`;
      const before = commits();
      updating = update(4);
      await expect.poll(commits).toBe(before + 1);
    });
    await updating;
    const rows = await holder.run("read", (sql) => sql`select n from t`);
    expect([...rows]).toEqual([{ n: 4 }]);
  });

  test.each([
    ["a statement fails", (sql: TransactionSql) => [sql`insert into t values (1 / 0)`]],
    ["a parameter is missing", (sql: TransactionSql) => [sql.unsafe("select $1::int", [UNKNOWN])]],
    [
      "its work throws",
      () => {
        throw new Error("changed my mind");
      },
    ],
  ])("a transaction sent at once stores nothing when %s, and says why", async (_why, failing) => {
    const database = await open({ connectionsMax: 1 });
    await database.run("table", (sql) => sql`create table t (n int)`);
    const store = database.transaction(
      "neither",
      (sql) => Promise.all([sql`insert into t values (1)`, ...failing(sql)]),
      { isSentAtOnce: true },
    );
    await expect(store).rejects.toThrow(/division by zero|parameter is undefined|changed my mind/);
    // On the same connection.
    const rows = await database.run("read", (sql) => sql`select n from t`);
    expect([...rows]).toEqual([]);
  });

  test("after its connection is lost, a transaction's later statements never run on another", async () => {
    const database = await open({ url: proxyUrl, connectionsMax: 1 });
    await database.run("table", (sql) => sql`create table t (n int)`);
    const outside = Promise.withResolvers<void>();
    let later: Promise<unknown> = Promise.resolve();
    const lost = database.transaction("lost", async (sql) => {
      await sql`insert into t values (1)`;
      proxy.cut();
      await outside.promise;
      later = sql`insert into t values (2)`.catch((error: unknown) => error);
      await later;
    });
    await expect(lost.catch(isTransient)).resolves.toBe(true);
    await database.run("reconnect", (sql) => sql`select 1`);
    outside.resolve();
    const rows = await database.run("read", (sql) => sql`select n from t`);
    expect([...rows]).toEqual([]);
  });
});

describe("connecting", () => {
  test("a cut connection fails its call as transient, and the next call reconnects", async () => {
    const database = await open({ url: proxyUrl, connectionsMax: 1 });
    const running = database.run("running", (sql) => sql`select pg_sleep(5)`);
    proxy.cut();
    await expect(running.catch(isTransient)).resolves.toBe(true);
    await expect(database.run("next", (sql) => sql`select 1`)).resolves.toHaveLength(1);
  });

  test("all connections can be opened ahead of the calls that need them", async () => {
    const database = await open({ connectionsMax: 4, applicationName: "ahead" });
    await database.openConnections();
    const connections = await database.run(
      "count",
      (sql) => sql`select from pg_stat_activity where application_name = 'ahead'`,
    );
    expect(connections).toHaveLength(4);
  });

  test("a server that comes up later is waited for", async () => {
    const { port } = proxy;
    await proxy.close();
    const target = { host: "127.0.0.1", port: Number(new URL(server.url).port) };
    const log = {
      ...quietLog,
      warn: () => void startTcpProxy(target, port).then((started) => (proxy = started)),
    };
    const database = await open({ url: proxyUrl, log });
    await expect(database.run("up", (sql) => sql`select 1`)).resolves.toHaveLength(1);
  });

  test("a server that stays away is an error that names it without its password", async () => {
    const url = "postgres://someone:geheim@127.0.0.1:1/db?password=geheim";
    const failing = open({ url, connectForMs: 300 });
    await expect(failing).rejects.toBeInstanceOf(DatabaseUnavailableError);
    const error: unknown = await failing.catch((caught: unknown) => caught);
    expect(String(error)).toContain("postgres://someone:***@127.0.0.1:1/db");
    expect(JSON.stringify(error) + String(error)).not.toContain("geheim");
  });

  test("a server that stays away is reported once, however often it is tried", async () => {
    const told: object[] = [];
    const log = { ...quietLog, warn: (fields: object) => void told.push(fields) };
    const url = "postgres://someone@127.0.0.1:1/db";
    await expect(open({ url, connectForMs: 900, log })).rejects.toThrow("still ECONNREFUSED");
    expect(told).toMatchObject([{ reason: "ECONNREFUSED" }]);
  });

  test("a wrong password is an error at once", async () => {
    const url = new URL(server.url);
    url.password = "wrong";
    await expect(open({ url: url.href })).rejects.toThrow("password authentication failed");
  });

  test("a password that is changed later fails calls as transient, until it is right again", async () => {
    const admin = postgres(server.url, { max: 1, onnotice: () => {} });
    const role = `login_${randomUUID().replaceAll("-", "")}`;
    await admin.unsafe(`create role ${role} login password 'first'`);
    const url = new URL(server.url);
    url.username = role;
    url.password = "first";
    const database = await open({ url: url.href, connectionsMax: 1 });

    await admin.unsafe(`alter role ${role} password 'second'`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
    const call = () => database.run("call", (sql) => sql`select 1`);
    const refused = async (): Promise<unknown> => {
      const error: unknown = await call().catch((caught: unknown) => caught);
      expect(isTransient(error)).toBe(true);
      return error;
    };
    await expect.poll(refused).toMatchObject({ code: "SERVER_REFUSES" });

    await admin.unsafe(`alter role ${role} password 'first'`);
    await expect.poll(() => call().catch(() => [])).toHaveLength(1);
    await database.close(1_000);
    await admin.unsafe(`drop role ${role}`);
    await admin.end({ timeout: 1 });
  });

  test("an invalid URL is an error that does not repeat it", async () => {
    const failing = open({ url: "postgres://u:geheim@[broken/db" });
    await expect(failing).rejects.toThrow("its URL is not valid");
    await expect(failing).rejects.not.toThrow("geheim");
  });

  test("behind a pooler nothing is sent that it refuses: no settings, no named statements", async () => {
    const database = await open({ url: `${proxyUrl}?prepare=false&channel_binding=prefer` });
    await database.run("parameters", (sql) => sql`select ${1}::int + ${2}::int as three`);
    // A start-up parameter's name ends with a NUL.
    expect(proxy.sent()).not.toMatch(/(?:_timeout|channel_binding)\0/);
    // Parse messages begin with the statement's name, which is empty.
    expect(proxy.sent()).toMatch(/P[^]{4}\0select \$1/);
  });
});
