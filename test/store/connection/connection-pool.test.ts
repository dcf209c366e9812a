import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CallOptions } from "../../../src/store/db/bounded-calls.ts";
import { openDatabase } from "../../../src/store/db/database.ts";
import type { PooledDatabase } from "../../../src/store/db/database.ts";
import { createTestDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { quietLog } from "../../support/quiet-log.ts";

const MINUTE_MS = 60_000;

let server: TestDatabase;
let clock: FakeClock;
let database: PooledDatabase;

beforeEach(async () => {
  server = await createTestDatabase();
  clock = new FakeClock();
});

afterEach(async () => {
  await database.close(1_000);
  await server.drop();
});

async function open(random: number): Promise<void> {
  database = await openDatabase({
    url: server.url,
    connectionsMax: 2,
    statementTimeoutMs: 30_000,
    applicationName: "pool",
    log: quietLog,
    clock,
    random: () => random,
  });
}

async function pid(options?: CallOptions): Promise<number> {
  const [row] = await database.run(
    "pid",
    (sql) => sql<{ pid: number }[]>`select pg_backend_pid() as pid`,
    options,
  );
  return row?.pid ?? 0;
}

describe("a connection", () => {
  test.each([
    [0, 7],
    [0.99, 9.5],
  ])(
    "that is used all the time ends within ten minutes (jitter %f: %f min)",
    async (random, minutes) => {
      await open(random);
      const first = await pid();
      for (let minute = 1; minute < minutes; minute += 1) {
        clock.advance(MINUTE_MS);
        expect(await pid()).toBe(first);
      }
      clock.advance(MINUTE_MS);
      expect(await pid()).not.toBe(first);
    },
  );

  test("an old connection is ended after its transaction, not within", async () => {
    await open(0);
    const first = await pid();
    const pids = await database.transaction("long", async (sql) => {
      const before = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      clock.advance(20 * MINUTE_MS);
      const after = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      return [before[0]?.pid, after[0]?.pid];
    });
    expect(pids).toEqual([first, first]);
    expect(await pid()).not.toBe(first);
  });

  test("a connection that is idle for four minutes is ended", async () => {
    await open(0.5);
    await database.openConnections();
    const last = await pid();
    for (let second = 0; second < 250; second += 10) {
      clock.advance(10_000);
      // Keeps the oldest one busy; the other one is not needed.
      expect(await pid()).toBe(last);
    }
    const isAlone = async (): Promise<boolean> => {
      const rows = await database.run(
        "count",
        (sql) => sql`select from pg_stat_activity where application_name = 'pool'`,
      );
      return rows.length === 1;
    };
    await expect.poll(isAlone).toBe(true);
  });
});

test("calls that come one by one find the same connection, whichever was given back last", async () => {
  await open(0.5);
  await database.openConnections();
  const first = await pid();
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const others: Promise<void>[] = [];
  await database.run("first", async () => {
    others.push(database.run("other", () => over));
  });
  end();
  await Promise.all(others);
  expect(await pid()).toBe(first);
});

test("frequent calls return to the connection of their last call, apart from calls that come one by one", async () => {
  await open(0.5);
  await database.openConnections();
  const oldest = await pid();
  const frequent = { isFrequent: true };
  const home = await pid(frequent);
  expect(home).not.toBe(oldest);
  const held = Promise.withResolvers<void>();
  const holding = database.run("other", () => held.promise, frequent);
  // The other call has the connection: this one moves, and stays where it has planned its statement.
  expect(await pid(frequent)).toBe(oldest);
  held.resolve();
  await holding;
  expect(await pid(frequent)).toBe(oldest);
});

test("closing the database ends with the last connection, not with the time that calls may take", async () => {
  await open(0);
  await pid();
  await expect(database.close(3_600_000)).resolves.toBeUndefined();
});
