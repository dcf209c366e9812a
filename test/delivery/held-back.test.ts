import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import type { Database } from "../../src/store/db/database.ts";
import { DUE_ROWS_MAX } from "../../src/store/deliveries/find-due-deliveries.ts";
import { openTestDatabase } from "../support/database.ts";
import { answered, LoopHarness } from "./loop-harness.ts";
import { multiply } from "./multiply.ts";

const MINUTE_S = 60;

let database: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterAll(() => drop());

let harness: LoopHarness;
beforeEach(async () => {
  await database.run(
    "empty",
    (sql) => sql`truncate jobs, subscriptions, events, deliveries, attempts`,
  );
  harness = new LoopHarness(database);
  harness.answer = () => answered(503);
  await harness.loop.start();
});
afterEach(() => harness.close());

async function countOf(condition: string): Promise<number> {
  const [row] = await database.run("count", (sql) =>
    sql.unsafe<{ count: number }[]>(`select count(*)::int from ${condition}`),
  );
  return row?.count ?? Number.NaN;
}

/** Rounds of reading for so many seconds, and all that they lead to. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    await harness.nextRead();
    await harness.settled();
  }
}

/**
 * Five seconds in a row, as many deliveries come to be owed whose first attempts fail; a minute later
 * their origin goes on failing.
 */
async function holdBack(eachSecond: number): Promise<void> {
  harness.retryScheduleMs = [MINUTE_S * 1000, MINUTE_S * 1000];
  for (let second = 1; second <= 5; second += 1) {
    await harness.owe(eachSecond);
    await pass(1);
  }
  harness.clock.advance((MINUTE_S - 10) * 1000);
  while (harness.originChanges.all.length === 0) await pass(1);
}

test("deliveries that a failing origin blocks are not attempted, and are sent when it answers, oldest first", async () => {
  await holdBack(40);
  await pass(8);
  const before = harness.sent.all.length;
  expect(before - 200).toBeLessThanOrEqual(33);
  harness.answer = () => answered(200);
  await pass(2 * MINUTE_S);
  expect(await countOf("deliveries where status = 'delivered'")).toBe(200);
  expect(await countOf("attempts")).toBe(harness.sent.all.length);
  expect(harness.originChanges.all.map(({ isFailing }) => isFailing)).toEqual([true, false]);
  const first = harness.sent.all.slice(0, 200).map(({ webhookId }) => webhookId);
  const caughtUp = harness.sent.all.slice(before).map(({ webhookId }) => first.indexOf(webhookId));
  const seconds = caughtUp.slice(0, 400 - before).map((place) => Math.floor(place / 40));
  expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
  expect(seconds.length).toBeGreaterThan(160);
});

test("deliveries that are blocked for longer than their schedule are exhausted, unattempted", async () => {
  await holdBack(20);
  await pass(5 * MINUTE_S);
  expect(await countOf("deliveries where status = 'exhausted'")).toBe(100);
  const given = "attempts where error_code = 'origin_failing'";
  expect(await countOf(`${given} and http_status is null and number = 2`)).toBeGreaterThan(60);
  expect(harness.sent.all.length).toBeLessThan(150);
  expect(harness.loop.outbox.size).toBe(0);
  // All projects are told; none has to find out by itself.
  expect(harness.exhausted).toHaveLength(100);
  expect(harness.exhausted).toContainEqual([expect.stringMatching(/^job-0/), "origin_failing"]);
});

test("however much is held back, a round looks at one page of it", async () => {
  harness.retryScheduleMs = [3600_000, 3600_000];
  const [delivery] = await harness.owe(1);
  if (delivery !== undefined) await multiply(database, delivery, 3 * DUE_ROWS_MAX);
  harness.answer = () => {
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    harness.clock.setTimer(900, () => resolve(answered(503)));
    return promise;
  };
  while (harness.originChanges.all.length === 0) await harness.nextRead();
  const pagesSoFar = () =>
    harness.reads.all.filter((name) => name === "find-due-deliveries").length;
  const pages: number[] = [];
  for (let second = 0; second < 40; second += 1) {
    const before = pagesSoFar();
    await harness.nextRead();
    pages.push(pagesSoFar() - before);
  }
  // One for what falls due, and one of the sweep that comes every 30 s.
  expect(Math.max(...pages)).toBe(2);
  expect(pages.filter((count) => count === 2)).toHaveLength(3);
  expect(harness.loop.outbox.size).toBeLessThanOrEqual(32);
});

test("a delivery that was never handed over is found by a sweep, though the reading has passed it", async () => {
  harness.answer = () => answered(200);
  await harness.owe(1);
  await pass(2);
  await database.run("lose", async (sql) => {
    await sql`update deliveries set status = 'pending', finished_at = null, next_attempt_at = now() - interval '1 hour' where status = 'delivered'`;
  });
  await pass(5);
  expect(harness.sent.all).toHaveLength(1);
  await pass(30);
  expect(harness.sent.all).toHaveLength(2);
});
