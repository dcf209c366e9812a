import { afterEach, beforeEach, expect, test } from "vitest";
import { EndingWaits } from "../../../src/delivery/waits/ending-waits.ts";
import type { WaitOutcome } from "../../../src/delivery/waits/wait-group.ts";
import {
  type AcceptRow,
  acceptSubscriptions,
} from "../../../src/store/writes/accept-subscriptions.ts";
import type { Database, PooledDatabase } from "../../../src/store/db/database.ts";
import { deleteSubscription } from "../../../src/store/subscriptions/delete-subscription.ts";
import { recordEvents } from "../../../src/store/writes/record-events.ts";
import { openTestDatabase, type TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testRuntime } from "../../support/runtime.ts";
import { acceptRow, completedRow, PROJECT_ID } from "../../support/rows.ts";

const MINUTE_MS = 60_000;
const NEVER = new AbortController().signal;

let scene: TestDatabase & { readonly database: PooledDatabase };
let clock: FakeClock;
let statements: number;
/** Runs before each statement. */
let beforeStatement: () => Promise<void>;
let ownsAll: boolean;
let waits: EndingWaits;

beforeEach(async () => {
  scene = await openTestDatabase();
  clock = new FakeClock();
  statements = 0;
  beforeStatement = async () => {};
  ownsAll = false;
  const counted: Database = {
    async run(name, work, options) {
      await beforeStatement();
      statements += 1;
      return scene.database.run(name, work, options);
    },
    transaction: (name, work, options) => scene.database.transaction(name, work, options),
  };
  waits = new EndingWaits(testRuntime({ clock }), counted, { has: () => ownsAll });
});
afterEach(() => scene.drop());

async function subscribed(jobIds: readonly string[]): Promise<AcceptRow[]> {
  const rows = jobIds.map((jobId) => acceptRow(jobId));
  await acceptSubscriptions(scene.database, rows);
  return rows;
}

async function subscribedTo(jobId: string): Promise<AcceptRow> {
  const row = acceptRow(jobId);
  await acceptSubscriptions(scene.database, [row]);
  return row;
}

function waitFor(row: AcceptRow, signal = NEVER): Promise<WaitOutcome> {
  const { shardId, subscriptionId: id, jobRowId } = row;
  return waits.wait({ shardId, id, jobRowId }, MINUTE_MS, signal);
}

const end = (rows: readonly AcceptRow[]) =>
  recordEvents(
    scene.database,
    rows.map((row) => completedRow(row)),
  );

/** The outcome if there is one already, else null. */
function now(wait: Promise<WaitOutcome>): Promise<WaitOutcome | null> {
  return Promise.race([wait, new Promise<null>((resolve) => setImmediate(() => resolve(null)))]);
}

test("thousands of waits share one query, and no query runs while there are none", async () => {
  await waits.round();
  expect(statements).toBe(0);
  const rows = await subscribed(Array.from({ length: 2_500 }, (_, index) => `job-${index}`));
  const waiting = rows.flatMap((row) => [waitFor(row), waitFor(row)]);
  await waits.round();
  // 2,000 subscriptions a statement; 5,000 requests.
  expect(statements).toBe(2);
  await end(rows.slice(0, 400));
  await waits.round();
  expect(statements).toBe(4);
  expect(await Promise.all(waiting.slice(0, 800))).toEqual(Array(800).fill("settled"));
  expect(await now(Promise.race(waiting.slice(800)))).toBeNull();
  waits.beginStopping();
  await Promise.all(waiting);
  await waits.round();
  expect(statements).toBe(4);
}, 120_000);

test("an ending that this node records is told without a statement", async () => {
  ownsAll = true;
  const row = await subscribedTo("mine");
  const wait = waitFor(row);
  waits.ended("another");
  expect(await now(wait)).toBeNull();
  waits.ended(row.jobRowId);
  expect(await wait).toBe("settled");
  expect(statements).toBe(0);
});

test("an ending between the look of a request and its wait is seen in the next round", async () => {
  ownsAll = true;
  const row = await subscribedTo("mine");
  await end([row]);
  const wait = waitFor(row);
  await waits.round();
  expect(await wait).toBe("settled");
});

test("who begins to wait during a round is looked at in the next one", async () => {
  ownsAll = true;
  const row = await subscribedTo("mine");
  const waiting = [waitFor(row)];
  beforeStatement = async () => {
    beforeStatement = async () => {};
    waiting.push(waitFor(row));
  };
  await waits.round();
  await end([row]);
  await waits.round();
  expect(await Promise.all(waiting)).toEqual(["settled", "settled"]);
});

test("a job of this node is looked at seldom, in case that its ending was not heard", async () => {
  ownsAll = true;
  const row = await subscribedTo("mine");
  const wait = waitFor(row);
  await waits.round();
  await waits.round();
  expect(statements).toBe(1);
  await end([row]);
  for (let round = 0; round < 10; round += 1) await waits.round();
  expect(await wait).toBe("settled");
  expect(statements).toBe(2);
});

test("the look for endings does not wake up every round while no request waits, and soon when one does", async () => {
  await waits.start();
  expect(clock.nextTimerMs).toBeGreaterThan(10_000);
  const row = await subscribedTo("soon");
  const wait = waitFor(row);
  expect(clock.nextTimerMs).toBeLessThanOrEqual(400);
  await end([row]);
  clock.advance(400);
  expect(await wait).toBe("settled");
  await waits.stop();
});

test("a subscription that is closed settles as well", async () => {
  const row = await subscribedTo("given-up");
  const wait = waitFor(row);
  const key = { projectId: PROJECT_ID, id: row.subscriptionId, nowMs: Date.now() };
  await deleteSubscription(scene.database, key);
  await waits.round();
  expect(await wait).toBe("settled");
});

test("a database that is away fails a round, and what is waited for is found in a later one", async () => {
  const row = await subscribedTo("through-an-outage");
  const wait = waitFor(row);
  beforeStatement = () => Promise.reject(new Error("away"));
  await expect(waits.round()).rejects.toThrow("away");
  await end([row]);
  beforeStatement = async () => {};
  await waits.round();
  expect(await wait).toBe("settled");
});

test("a wait ends with its time, with its client, and with the node, and leaves nothing behind", async () => {
  const row = await subscribedTo("long");
  const timed = waitFor(row);
  clock.advance(MINUTE_MS);
  expect(await timed).toBe("timed_out");
  const client = new AbortController();
  const left = waitFor(row, client.signal);
  client.abort();
  expect(await left).toBe("left");
  expect(await waitFor(row, client.signal)).toBe("left");
  const stopped = waitFor(row);
  waits.beginStopping();
  expect(await stopped).toBe("stopping");
  const after = waitFor(row);
  clock.advance(1_000);
  expect(await after).toBe("stopping");
  await waits.round();
  expect(statements).toBe(0);
  expect(clock.timers).toBe(0);
});
