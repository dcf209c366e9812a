import { OwnedShards } from "../../src/runtime/owned-shards.ts";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FanOutRunner } from "../../src/delivery/fan-out-runner.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { deleteSubscription } from "../../src/store/subscriptions/delete-subscription.ts";
import { type OwedDelivery, recordEvents } from "../../src/store/writes/record-events.ts";
import { type CrowdedJob, crowdedJob } from "../support/crowd.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, completedRow, PROJECT_ID, uuids } from "../support/rows.ts";
import { openWriters } from "../support/writers.ts";
import { testRuntime } from "../support/runtime.ts";

const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);
const OTHER_PROJECT = uuids(Date.now(), 0);
const WAIT = { timeout: 120_000, interval: 20 };
/** Deliveries created by the statement that records the ending. */
const FIRST = 1_000;

let database: Database;
let sql: postgres.Sql;
let drop: () => Promise<void>;
const runners: FanOutRunner[] = [];
/** The deliveries of each step, in order. */
let steps: (readonly OwedDelivery[])[];

beforeEach(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 2, onnotice: () => {} });
  steps = [];
});
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.stop()));
  await sql.end({ timeout: 1 });
  await drop();
});

function runner(onStep: (owed: readonly OwedDelivery[]) => void = () => {}): FanOutRunner {
  const made = new FanOutRunner(testRuntime(), {
    database,
    inlineResultBytesMax: 1_000,
    shards: new OwnedShards(ALL_SHARDS),
    deliveryLoop: {
      enqueue(owed, event) {
        expect(event).toMatchObject({ type: "job.completed", result: '{"answer":42}' });
        steps.push(owed);
        onStep(owed);
      },
    },
  });
  runners.push(made);
  return made;
}

async function end(job: CrowdedJob) {
  const [recorded] = await recordEvents(database, [completedRow(job)]);
  const { fanOut = null } = recorded ?? {};
  if (fanOut === null) throw new Error("no fan-out");
  return fanOut;
}

const crowd = (jobId: string, subscriptions: number, projectId = PROJECT_ID) =>
  crowdedJob({ database, sql }, jobId, subscriptions, { projectId });

async function allThrough(): Promise<void> {
  await vi.waitFor(async () => expect(await sql`select from fan_outs`).toHaveLength(0), WAIT);
}

async function deliveries() {
  const [row] = await sql`
    select count(*)::int, count(distinct subscription_id)::int as subscriptions from deliveries`;
  return row;
}

test("while the callbacks of a job with 20,000 subscriptions are created, a second project's jobs have every other turn", async () => {
  const big = await end(await crowd("big", 20_000));
  const small = [
    await end(await crowd("small-1", 1_300, OTHER_PROJECT)),
    await end(await crowd("small-2", 1_100, OTHER_PROJECT)),
  ];
  const one = runner();
  for (const key of [big, ...small]) one.begin(key);
  await allThrough();
  await one.stop();
  const projects = steps.map(([first]) => (first?.projectId === OTHER_PROJECT ? "other" : "big"));
  const last = projects.lastIndexOf("other");
  expect(projects.filter((project) => project === "other").length).toBeGreaterThan(2);
  // Until its jobs were through, no two turns in a row were the big one's, but for the turn of the smaller job that is
  // through first: if its former step was just full, that turn finds nothing more to owe.
  const inARow = projects.slice(1, last).filter((of, at) => of === "big" && projects[at] === of);
  expect(inARow.length).toBeLessThanOrEqual(1);
  expect(projects.slice(last + 1).length).toBeGreaterThan(10);
  expect(await deliveries()).toEqual({ count: 22_400, subscriptions: 22_400 });
});

test("ordinary jobs are accepted, ended and owed between the steps of a big one", async () => {
  const key = await end(await crowd("big", 20_000));
  const writers = openWriters(database);
  const one = runner();
  one.begin(key);
  for (let lives = 0; lives < 20; lives += 1) {
    const accepted = await writers.accept(
      acceptRow(`small-${lives}`, { projectId: OTHER_PROJECT }),
    );
    if (accepted.kind !== "accepted") throw new Error("not accepted");
    const { owed, fanOut } = await writers.recordEvent(completedRow(accepted.subscription));
    expect(owed).toHaveLength(1);
    expect(fanOut).toBeNull();
  }
  // Position, not time: the big one was not through when the last of them was owed.
  expect(steps.flat().length).toBeLessThan(20_000 - FIRST);
  await allThrough();
  await writers.stop();
  expect(await deliveries()).toEqual({ count: 20_020, subscriptions: 20_020 });
});

test("a fan-out that a lost runner left in the middle is finished by another one, each delivery once", async () => {
  const key = await end(await crowd("big", 20_000));
  const first = runner(() => {
    if (steps.length === 5) void first.stop();
  });
  first.begin(key);
  await vi.waitFor(() => expect(steps).toHaveLength(5), WAIT);
  await first.stop();
  const before = steps.flat().length;
  expect(await sql`select from fan_outs`).toHaveLength(1);
  // It is found by itself.
  await runner().start();
  await allThrough();
  expect(steps.flat().length).toBe(20_000 - FIRST);
  expect(new Set(steps.flat().map(({ id }) => id)).size).toBe(20_000 - FIRST);
  expect(before).toBeLessThan(20_000 - FIRST);
  expect(await deliveries()).toEqual({ count: 20_000, subscriptions: 20_000 });
});

test("subscriptions that come and go during a fan-out hear it once, or nothing", async () => {
  const job = await crowd("big", 5_000);
  const ids = (await sql`select id::text from subscriptions order by id`).map(({ id }) =>
    String(id),
  );
  const key = await end(job);
  runner().begin(key);
  const late = Array.from({ length: 40 }, () => acceptRow("big"));
  const leaving = ids.filter((_, index) => index % 50 === 0);
  await Promise.all([
    ...late.map((row) => acceptSubscriptions(database, [row])),
    ...leaving.map((id) => deleteSubscription(database, { projectId: PROJECT_ID, id, nowMs: 1 })),
  ]);
  await allThrough();
  const [row] = await sql`
    select count(*) filter (where closed_as is null and delivery.status = 'pending')::int as owed,
      count(*) filter (where closed_as = 'canceled' and coalesce(delivery.status, 'canceled') = 'canceled')::int as left,
      count(*)::int
    from subscriptions as subscription left join deliveries as delivery
      on delivery.shard_id = subscription.shard_id and delivery.subscription_id = subscription.id`;
  expect(row).toEqual({ owed: 4_940, left: 100, count: 5_040 });
});

test("a job that somebody holds locked waits, and the others go on", async () => {
  const locked = await end(await crowd("locked", 1_500));
  const free = await end(await crowd("free", 1_500));
  const one = runner();
  await sql.begin(async (holder) => {
    await holder`select from jobs where id = ${locked.jobRowId} for update`;
    one.begin(locked);
    one.begin(free);
    await vi.waitFor(async () => expect(await holder`select from fan_outs`).toHaveLength(1), WAIT);
    // The row goes first, then what is held of it in memory.
    await vi.waitFor(() => expect(one.size).toBe(1), WAIT);
  });
  await one.start();
  await allThrough();
  expect(await deliveries()).toEqual({ count: 3_000, subscriptions: 3_000 });
});
