import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DatabaseCondition } from "../../../src/core/readiness.ts";
import { createLog } from "../../../src/runtime/process/log.ts";
import { RequestDeadline } from "../../../src/runtime/request-deadline.ts";
import { openDatabase, type PooledDatabase } from "../../../src/store/db/database.ts";
import { DatabaseMonitor } from "../../../src/store/db/database-monitor.ts";
import { DatabaseAwayError, isTransient } from "../../../src/store/db/errors.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testRuntime } from "../../support/runtime.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

const silent = createLog({ level: "silent", format: "json" });

let server: TestDatabase;
let proxy: TcpProxy;
let clock: FakeClock;
let database: PooledDatabase;
let monitor: DatabaseMonitor;

beforeEach(async () => {
  server = await createTestDatabase();
  const url = new URL(server.url);
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(url.port) });
  url.port = String(proxy.port);
  clock = new FakeClock();
  database = await openDatabase({
    url: url.href,
    connectionsMax: 2,
    statementTimeoutMs: 600_000,
    applicationName: `monitored ${randomUUID()}`,
    clock,
    log: silent,
  });
  monitor = new DatabaseMonitor(testRuntime({ clock, log: silent }), database);
  await monitor.start();
});

afterEach(async () => {
  const stopped = monitor.stop();
  await clock.advanceSettling(2_000);
  await stopped;
  await database.close(0);
  await proxy.close();
  await server.drop();
});

async function becomes(condition: DatabaseCondition): Promise<void> {
  await vi.waitFor(() => expect(database.health.condition).toBe(condition), { timeout: 60_000 });
}

/** Lets the next probe begin, as soon as the one in progress has ended. */
async function becomesProbed(condition: DatabaseCondition): Promise<void> {
  await vi.waitFor(
    async () => {
      await clock.advanceSettling(1_000);
      expect(database.health.condition).toBe(condition);
    },
    // Probes are answered in real time, and must not run into their own time limit.
    { timeout: 60_000, interval: 500 },
  );
}

const requestFor = (forMs: number) => database.within(new RequestDeadline(clock, forMs));

test("a server that is gone is noticed by the first call that fails, and requests are refused at once until it is back", async () => {
  const { port } = proxy;
  await proxy.close();
  const failing = database.run("failing", (sql) => sql`select 1`);
  await expect(failing.catch(isTransient)).resolves.toBe(true);
  await becomes("unreachable");
  const refused = requestFor(5_000).run("refused", (sql) => sql`select 1`);
  await expect(refused).rejects.toBeInstanceOf(DatabaseAwayError);
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(new URL(server.url).port) }, port);
  await becomesProbed("ok");
  const back = requestFor(60_000).run("back", (sql) => sql`select 1 as one`);
  await expect(back).resolves.toMatchObject([{ one: 1 }]);
});

test("a server that swallows everything is away 4.1 s after its last answer, and what hung gives its connections back once it is there again", async () => {
  await database.openConnections();
  proxy.freeze();
  const hung = [1, 2].map(() => database.run("hung", (sql) => sql`select 1`));
  const outcomes = Promise.allSettled(hung);
  // The first round trusts the answer to the call that opened the pool.
  await clock.advanceSettling(1_000);
  await clock.advanceSettling(1_000);
  await clock.advanceSettling(2_100);
  await becomes("unreachable");
  proxy.thaw();
  await becomesProbed("ok");
  // Both slots are held by calls whose own limits are minutes away.
  const next = requestFor(600_000).run("next", (sql) => sql`select 1 as one`);
  await clock.advanceSettling(1_000);
  await expect(next).resolves.toMatchObject([{ one: 1 }]);
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

/** How often the server was asked whether it is at work for calls that wait. */
const inquiries = (): number => proxy.sent().split("left join pg_stat_activity").length - 1;

test.each([
  { frozen: "all", statement: "a statement that never arrives" },
  { frozen: "answers", statement: "a statement whose rest the server waits for" },
] as const)(
  "$statement on a connection that died silently fails as soon as the server is known not to be at work for it",
  async ({ frozen }) => {
    await becomesProbed("ok");
    proxy.freezeFirst(frozen);
    const hung = database
      .run("hung", (sql) => sql.unsafe("select 1 as first", [], { prepare: true }))
      .catch(isTransient);
    let hasFailed: boolean | null = null;
    void hung.then((failed) => (hasFailed = failed === true));
    await vi.waitFor(
      async () => {
        await clock.advanceSettling(1_000);
        expect(hasFailed).toBe(true);
      },
      { timeout: 60_000, interval: 500 },
    );
    expect(database.health.condition).toBe("ok");
    await expect(database.run("next", (sql) => sql`select 1 as one`)).resolves.toMatchObject([
      { one: 1 },
    ]);
  },
);

/** The server processes of this many connections, all in use at the same time. */
const pids = (count: number): Promise<number[]> =>
  Promise.all(
    Array.from({ length: count }, () =>
      database.run("pid", async (sql) => {
        const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
        return row?.pid ?? 0;
      }),
    ),
  );

test.each([
  { other: "has answered since", isUsed: true },
  { other: "may have died with it", isUsed: false },
])(
  "when a connection died silently, an idle one that $other is kept: $isUsed",
  async ({ isUsed }) => {
    await database.openConnections();
    await becomesProbed("ok");
    const [, second] = await pids(2);
    proxy.freezeFirst("all");
    let hasFailed = false;
    const hung = database.run("hung", (sql) => sql`select 1`).catch(() => (hasFailed = true));
    await vi.waitFor(
      async () => {
        await clock.advanceSettling(1_000);
        if (isUsed) expect(await pids(1)).toEqual([second]);
        expect(hasFailed).toBe(true);
      },
      { timeout: 60_000, interval: 500 },
    );
    await hung;
    const [next] = await pids(1);
    expect(next === second).toBe(isUsed);
  },
);

test("a call that the server is at work for is left alone, however long it takes", async () => {
  await becomesProbed("ok");
  const admin = postgres(server.url, { max: 1 });
  try {
    await admin`select pg_advisory_lock(1)`;
    const waiting = database.run(
      "waiting",
      (sql) => sql.unsafe("select 1 as one from pg_advisory_lock(1)"),
      { lockTimeoutMs: 600_000 },
    );
    await vi.waitFor(
      async () => {
        await clock.advanceSettling(1_000);
        expect(inquiries()).toBeGreaterThan(5);
      },
      { timeout: 60_000, interval: 500 },
    );
    await admin`select pg_advisory_unlock(1)`;
    await expect(waiting).resolves.toMatchObject([{ one: 1 }]);
  } finally {
    await admin.end({ timeout: 1 });
  }
});

test("a database that became read-only is found out without a call", async () => {
  const admin = postgres(server.url, { max: 1 });
  try {
    const name = new URL(server.url).pathname.slice(1);
    await admin`alter database ${admin(name)} set default_transaction_read_only = on`;
    // As with a failover: the connections are new ones.
    proxy.cut();
    await becomesProbed("read_only");
    const read = requestFor(60_000).run("read", (sql) => sql`select 1 as one`);
    await expect(read).resolves.toMatchObject([{ one: 1 }]);
    await admin`set transaction_read_only = off`;
    await admin`alter database ${admin(name)} set default_transaction_read_only = off`;
    await becomesProbed("ok");
  } finally {
    await admin.end({ timeout: 1 });
  }
});

test("the disk is written to from time to time", async () => {
  const admin = postgres(server.url, { max: 1 });
  try {
    await vi.waitFor(
      async () => {
        await clock.advanceSettling(1_000);
        const [row] = await admin<{ bytes: number }[]>`
          select temp_bytes::float8 as bytes from pg_stat_database
          where datname = current_database()`;
        expect(row?.bytes).toBeGreaterThan(100_000);
      },
      { timeout: 60_000, interval: 500 },
    );
  } finally {
    await admin.end({ timeout: 1 });
  }
});
