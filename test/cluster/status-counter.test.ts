import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { StatusCounter } from "../../src/cluster/status-counter.ts";
import type { Database, PooledDatabase } from "../../src/store/db/database.ts";
import { openTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { testRuntime } from "../support/runtime.ts";

const PROJECT_ID = "019b76da-9800-7000-8000-000000000001";

let database: PooledDatabase;
let drop: () => Promise<void>;
/** How often everything was counted. */
let counts = 0;

beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
  await database.run(
    "project",
    (sql) =>
      sql`insert into projects (id, name, created_at) values (${PROJECT_ID}, 'counted', now())`,
  );
});
afterAll(() => drop());
beforeEach(async () => {
  counts = 0;
  await database.run("forget", (sql) => sql`delete from project_stats`);
});

/** The database, noting each count; a count waits for `gate`. */
function notingCounts(gate: Promise<void> = Promise.resolve()): Database {
  return {
    async run(name, work, options) {
      if (name === "count-project-stats") {
        counts += 1;
        await gate;
      }
      return database.run(name, work, options);
    },
    transaction: (name, work, options) => database.transaction(name, work, options),
  };
}

function openCounter(gate?: Promise<void>): { clock: FakeClock; counter: StatusCounter } {
  // The stored time of a count is the database's.
  const clock = new FakeClock(Date.now());
  return { clock, counter: new StatusCounter(testRuntime({ clock }), notingCounts(gate)) };
}

test("rows are counted when somebody asks, once for all who ask at the same time", async () => {
  const { counter } = openCounter();
  expect(counts).toBe(0);
  const asked = await Promise.all(
    Array.from({ length: 5 }, () => counter.countsOf(database, PROJECT_ID)),
  );
  expect(asked.map((stats) => stats?.counts.jobs.byStatus)).toEqual(asked.map(() => ({})));
  expect(counts).toBe(1);
});

test("fresh counts are returned without counting, older ones at once while they are counted again", async () => {
  const { clock, counter } = openCounter();
  await counter.countsOf(database, PROJECT_ID);
  await counter.countsOf(database, PROJECT_ID);
  expect(counts).toBe(1);
  clock.advance(30_000);
  expect(await counter.countsOf(database, PROJECT_ID)).not.toBeNull();
  await counter.stop();
  expect(counts).toBe(2);
});

test("counts of more than a minute ago are waited for, two seconds at most", async () => {
  const gate = Promise.withResolvers<void>();
  const { clock, counter } = openCounter(gate.promise);
  const asked = counter.countsOf(database, PROJECT_ID);
  await expect.poll(() => counts).toBe(1);
  clock.advance(2_000);
  expect(await asked).toBeNull();
  gate.resolve();
  await counter.stop();
});

test("counting takes at most a hundredth of the time", async () => {
  const gate = Promise.withResolvers<void>();
  const { clock, counter } = openCounter(gate.promise);
  const asked = counter.countsOf(database, PROJECT_ID);
  await expect.poll(() => counts).toBe(1);
  clock.advance(1_500);
  gate.resolve();
  expect(await asked).not.toBeNull();
  clock.advance(140_000);
  await counter.countsOf(database, PROJECT_ID);
  expect(counts).toBe(1);
  clock.advance(60_000);
  await counter.countsOf(database, PROJECT_ID);
  expect(counts).toBe(2);
});

test("a stopped counter begins no count, and its stop waits for one in progress", async () => {
  const gate = Promise.withResolvers<void>();
  const { counter } = openCounter(gate.promise);
  const asked = counter.countsOf(database, PROJECT_ID);
  await expect.poll(() => counts).toBe(1);
  let stopped = false;
  const stopping = counter.stop().then(() => {
    stopped = true;
  });
  await database.run("turn", (sql) => sql`select 1`);
  expect(stopped).toBe(false);
  gate.resolve();
  await stopping;
  await asked;
  await database.run("forget", (sql) => sql`delete from project_stats`);
  expect(await counter.countsOf(database, PROJECT_ID)).toBeNull();
  expect(counts).toBe(1);
});
