import { afterEach, beforeEach, expect, test } from "vitest";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import { openDatabase, type PooledDatabase } from "../../src/store/db/database.ts";
import type { SubscriptionRecord } from "../../src/store/subscriptions/subscription-record.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type Pooler, startPooler } from "../support/pooler.ts";
import { quietLog } from "../support/quiet-log.ts";
import { acceptRow, completedRow } from "../support/rows.ts";
import { openWriters } from "../support/writers.ts";

let server: TestDatabase;
let pooler: Pooler;
const opened: PooledDatabase[] = [];

beforeEach(async () => {
  server = await createTestDatabase();
  pooler = await startPooler(server.url);
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close(0)));
  await pooler.close();
  await server.drop();
});

async function open(
  applicationName: string,
  { url = pooler.url, statementTimeoutMs = 20_000 } = {},
): Promise<PooledDatabase> {
  const database = await openDatabase({
    url,
    connectionsMax: 6,
    statementTimeoutMs,
    lockTimeoutMs: 300,
    applicationName,
    log: quietLog,
  });
  opened.push(database);
  return database;
}

async function acceptJobs(database: PooledDatabase, count: number): Promise<SubscriptionRecord[]> {
  const rows = Array.from({ length: count }, (_, index) => acceptRow(`job-${index}`));
  const accepted = await acceptSubscriptions(database, rows);
  return accepted.map((row) => {
    if (row.kind !== "accepted") throw new Error("not accepted");
    return row.subscription;
  });
}

test("a start without a word of the pooler fails at once and says what to add to the URL", async () => {
  const url = new URL(pooler.url);
  url.search = "";
  await expect(open("blunt", { url: url.href })).rejects.toThrow(
    /pooler refuses .* \?pooler=transaction .* \?prepare=false/,
  );
});

test.each(["pooler=transaction", "prepare=false"])(
  "with %s, many calls share few connections, each with its own limits",
  async (parameter) => {
    const url = new URL(pooler.url);
    url.search = parameter;
    const database = await open("many", { url: url.href });
    const limits = Array.from({ length: 60 }, (_, index) =>
      database.run("limits", (sql) =>
        sql.unsafe<{ index: number; limit: string }[]>(
          `select $1::int as index, current_setting('lock_timeout') as limit`,
          [index],
          { prepare: true },
        ),
      ),
    );
    const rows = (await Promise.all(limits)).flat();
    expect(rows.map(({ index, limit }) => [index, limit])).toEqual(
      Array.from({ length: 60 }, (_, index) => [index, "300ms"]),
    );
    // Nothing of that stays with a connection that others get.
    await expect.poll(() => pooler.borrowed).toBe(0);
  },
);

test("a node lost inside a transaction delays no ending of the others, and its own go on", async () => {
  // Shorter than usual: it bounds the silence in its transactions too.
  const lost = await open("lost", { statementTimeoutMs: 3_000 });
  const other = await open("other");
  const jobs = await acceptJobs(other, 40);
  const [locked, free] = [jobs.slice(0, 10), jobs.slice(10)];
  const isLost = pooler.loseWhoSends("update jobs as job set");
  const dying = openWriters(lost);
  // Behind the pooler its transaction holds the rows of ten jobs, and stays open.
  const never = Promise.allSettled(locked.map((job) => dying.recordEvent(completedRow(job))));
  await isLost;
  expect(pooler.borrowed).toBe(1);

  const writers = openWriters(other);
  const late = locked.map((job) => writers.recordEvent(completedRow(job)));
  const recorded = await Promise.all(free.map((job) => writers.recordEvent(completedRow(job))));
  expect(recorded.every((event) => event.recorded && event.owed.length === 1)).toBe(true);
  // The server ends the transaction; only then are these recorded, once each.
  const taken = await Promise.all(late);
  expect(taken.every((event) => event.recorded && event.owed.length === 1)).toBe(true);
  const [row] = await other.run("count", (sql) =>
    sql.unsafe<{ events: number; deliveries: number }[]>(
      `select (select count(*)::int from events) as events,
        (select count(*)::int from deliveries) as deliveries`,
    ),
  );
  expect(row).toEqual({ events: 40, deliveries: 40 });
  await writers.stop();
  await lost.close(0);
  await dying.stop();
  await never;
});
