import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../src/store/db/database.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { errorCode, isTransient } from "../../src/store/db/errors.ts";
import { createTestDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { quietLog } from "../support/quiet-log.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

/*
 * Connections are lost while statements run. An error that is thrown outside of a promise, or a
 * rejection that is handled by none, fails the run: vitest sees to that.
 */

const CUTS = 300;
const WRITERS = 6;

let server: TestDatabase;
let proxy: TcpProxy;
let proxyUrl: string;
let admin: postgres.Sql;
let database: PooledDatabase;

beforeEach(async () => {
  server = await createTestDatabase();
  const url = new URL(server.url);
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(url.port) });
  url.port = String(proxy.port);
  proxyUrl = url.href;
  admin = postgres(server.url, { max: 1, onnotice: () => {} });
  await admin`create table writes (id uuid primary key, part int not null)`;
  await admin`create table parts (id uuid, part int, primary key (id, part))`;
});

afterEach(async () => {
  await database.close(1_000);
  await proxy.close();
  await admin.end({ timeout: 1 });
  await server.drop();
});

async function open(url: string): Promise<PooledDatabase> {
  database = await openDatabase({
    url,
    connectionsMax: 4,
    statementTimeoutMs: 10_000,
    applicationName: "loss",
    log: quietLog,
  });
  return database;
}

/** Writes rows, three statements to a transaction, and repeats each until it was confirmed. */
async function write(
  until: () => boolean,
  onBegun: () => void,
  confirmed: string[],
): Promise<void> {
  while (!until()) {
    const id = randomUUID();
    for (let isWritten = false; !isWritten;) {
      try {
        await database.transaction("write", async (sql) => {
          onBegun();
          await sql`insert into writes values (${id}, 0) on conflict do nothing`;
          await sql`insert into parts values (${id}, 1), (${id}, 2) on conflict do nothing`;
          await sql`select pg_sleep(0.002)`;
          await sql`update writes set part = 2 where id = ${id}`;
        });
        isWritten = true;
      } catch (error) {
        if (!isTransient(error) || isClosed(error)) throw error;
      }
    }
    confirmed.push(id);
  }
}

/** Reads through the same connections, with parameters that are prepared again on each of them. */
async function read(until: () => boolean): Promise<void> {
  while (!until()) {
    try {
      await database.run("read", (sql) =>
        Promise.all([
          sql`select count(*)::int from writes where part = ${2}::int`,
          sql`select pg_sleep(${0.001}::float8)`,
        ]),
      );
    } catch (error) {
      if (!isTransient(error) || isClosed(error)) throw error;
    }
  }
}

/** Repeating a call would go on after the test, should it fail. */
function isClosed(error: unknown): boolean {
  return errorCode(error) === "CONNECTION_ENDED";
}

const cut = {
  fin: () => proxy.cutOne(Math.random(), "fin"),
  rst: () => proxy.cutOne(Math.random(), "rst"),
  terminate: async () => {
    const ended = await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'loss' and datname = current_database()
        and state in ('active', 'idle in transaction') order by random() limit 1`;
    return ended.length > 0;
  },
};

test.each(["fin", "rst", "terminate"] as const)(
  "connections are lost during statements, by %s, hundreds of times: the process lives, nothing is lost",
  async (how) => {
    await open(proxyUrl);
    let cuts = 0;
    let begun = 0;
    const isOver = (): boolean => cuts >= CUTS / 3;
    const confirmed: string[] = [];
    const load = [
      ...Array.from({ length: WRITERS }, () => write(isOver, () => (begun += 1), confirmed)),
      read(isOver),
      read(isOver),
    ];
    while (!isOver()) {
      // Never faster than connections are opened.
      const before = begun;
      await expect.poll(() => begun, { interval: 1, timeout: 60_000 }).toBeGreaterThan(before);
      await sleep(Math.random() * 3);
      if (await cut[how]()) cuts += 1;
    }
    await Promise.all(load);
    const [row] = await admin<{ whole: number; halves: number }[]>`
      select count(*) filter (where part = 2 and parts = 2)::int as whole,
        count(*) filter (where part <> 2 or parts <> 2)::int as halves
      from (select part, (select count(*) from parts where parts.id = writes.id) as parts from writes)`;
    expect(row).toEqual({ whole: confirmed.length, halves: 0 });
    await expect(database.run("after", (sql) => sql`select 1`)).resolves.toHaveLength(1);
  },
);

test("connections are lost while they are being opened: the calls fail as transient, later ones pass", async () => {
  await open(proxyUrl);
  let isOver = false;
  let transient = 0;
  const call = async (): Promise<void> => {
    while (!isOver) {
      // Each call is on a connection of its own making.
      proxy.cut();
      await database
        .run("call", (sql) => sql`select ${"a"}::text`)
        .catch((error: unknown) => {
          if (!isTransient(error) || isClosed(error)) throw error;
          transient += 1;
        });
    }
  };
  const calls = Array.from({ length: 4 }, call);
  const cutting = (async () => {
    for (let cuts = 0; cuts < CUTS / 3; cuts += 1) {
      await sleep(Math.random() * 3);
      proxy.cut();
    }
    isOver = true;
  })();
  await Promise.all([...calls, cutting]);
  expect(transient).toBeGreaterThan(0);
  await expect(database.run("after", (sql) => sql`select 1`)).resolves.toHaveLength(1);
});

test("a server without a free connection is used through those that are open", async () => {
  const role = `limited_${randomUUID().replaceAll("-", "")}`;
  await admin.unsafe(`create role ${role} login password 'p' connection limit 2`);
  await admin.unsafe(`grant all on all tables in schema public to ${role}`);
  const url = new URL(server.url);
  url.username = role;
  url.password = "p";
  await open(url.href);
  const calls = Array.from({ length: 40 }, () =>
    database.run("call", (sql) => sql`select pg_sleep(0.01), pg_backend_pid() as pid`),
  );
  const pids = (await Promise.all(calls)).map(([row]) => row?.["pid"] as number);
  expect(new Set(pids).size).toBeLessThanOrEqual(2);
  await database.close(1_000);
  await admin.unsafe(`drop owned by ${role}; drop role ${role}`);
});

test("a server that has no connection at all says so in every call, as transient", async () => {
  const role = `none_${randomUUID().replaceAll("-", "")}`;
  await admin.unsafe(`create role ${role} login password 'p'`);
  const url = new URL(server.url);
  url.username = role;
  url.password = "p";
  await open(url.href);
  await admin.unsafe(`alter role ${role} connection limit 0`);
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`;
  await expect
    .poll(
      async () =>
        Promise.all(
          Array.from({ length: 10 }, () =>
            database
              .run("call", (sql) => sql`select 1`)
              .catch((error: unknown) => errorCode(error)),
          ),
        ),
      { timeout: 60_000 },
    )
    .toEqual(Array(10).fill("53300"));
  await admin.unsafe(`alter role ${role} connection limit -1`);
  await expect
    .poll(() => database.run("call", (sql) => sql`select 1`).catch(() => []), { timeout: 60_000 })
    .toHaveLength(1);
  await database.close(1_000);
  await admin.unsafe(`drop role ${role}`);
});

test("a transaction whose statement failed unnoticed is an error, not a commit", async () => {
  await open(server.url);
  const failing = database.transaction("unnoticed", async (sql) => {
    await sql`insert into writes values (${randomUUID()}, 1)`;
    await sql`select 1 / 0`.catch(() => {});
  });
  await expect(failing).rejects.toThrow("was rolled back");
});
