import postgres from "postgres";
import { OwnedShards } from "../../src/runtime/owned-shards.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RedeliveryRunner } from "../../src/delivery/redelivery-runner.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { deleteSubscription } from "../../src/store/subscriptions/delete-subscription.ts";
import {
  cancelRedelivery,
  createRedelivery,
  findRedelivery,
  type NewRedelivery,
  type RedeliveryRecord,
} from "../../src/store/deliveries/redeliveries.ts";
import { openTestDatabase } from "../support/database.ts";
import { PROJECT_ID, uuids } from "../support/rows.ts";
import { seedDeliveries } from "../support/seeded-deliveries.ts";
import { testRuntime } from "../support/runtime.ts";

const DAY_MS = 24 * 3_600_000;
const ORIGIN = "https://receiver.test";
const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);

let database: PooledDatabase;
let sql: postgres.Sql;
let drop: () => Promise<void>;
const runners: RedeliveryRunner[] = [];

beforeEach(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 2, onnotice: () => {} });
});
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.stop()));
  await sql.end({ timeout: 1 });
  await drop();
});

function runner(
  handedOn: { id: string }[] = [],
  afterStep: () => Promise<void> = async () => {},
): RedeliveryRunner {
  const made = new RedeliveryRunner(testRuntime({ random: () => 0 }), {
    database,
    shards: new OwnedShards(ALL_SHARDS),
    perSecondDefault: 100,
    async redelivered(deliveries) {
      handedOn.push(...deliveries);
      await afterStep();
    },
  });
  runners.push(made);
  return made;
}

async function create(wish: Partial<NewRedelivery> = {}): Promise<string> {
  const nowMs = Date.now();
  const id = uuids(nowMs, 3);
  await createRedelivery(
    database,
    {
      id,
      projectId: PROJECT_ID,
      isDryRun: false,
      perSecond: 10_000,
      nowMs,
      status: "exhausted",
      eventType: null,
      errorCode: null,
      callbackOrigin: null,
      createdAfterMs: null,
      createdBeforeMs: nowMs,
      ...wish,
    },
    10,
  );
  return id;
}

async function look(id: string): Promise<RedeliveryRecord> {
  const found = await findRedelivery(database, { projectId: PROJECT_ID, id });
  if (found === null) throw new Error("not there");
  return found;
}

/** Carries one out from beginning to end. */
async function carryOut(wish: Partial<NewRedelivery> = {}): Promise<RedeliveryRecord> {
  const id = await create(wish);
  await runner().begin({ projectId: PROJECT_ID, id }, 10_000);
  return look(id);
}

const seed = (of: Partial<Parameters<typeof seedDeliveries>[1]> = {}) =>
  seedDeliveries(sql, {
    count: 1,
    projectId: PROJECT_ID,
    origins: [ORIGIN],
    fromMs: Date.now() - DAY_MS,
    ...of,
  });

const pending = async () =>
  (await sql`select callback_origin as origin from deliveries where status = 'pending'`).map(
    ({ origin }) => String(origin),
  );

describe("redelivered deliveries", () => {
  test("a redelivery sends all that match, each once, with the whole schedule again and the same webhook-id", async () => {
    await seed({ count: 1234 });
    const before = await sql`select id from deliveries order by id`;
    const handedOn: { id: string }[] = [];
    const id = await create();
    await runner(handedOn).begin({ projectId: PROJECT_ID, id }, 10_000);
    expect(await look(id)).toMatchObject({
      state: "completed",
      matched: 1234,
      redelivered: 1234,
      skipped: 0,
      finishedAtMs: expect.any(Number),
    });
    expect(handedOn.map((one) => one.id).toSorted()).toEqual(before.map((one) => one["id"]));
    const [row] = await sql`
      select count(*)::int, min(attempts_before), max(attempts_before), count(finished_at)::int as over
      from deliveries where status = 'pending' and next_attempt_at > now() - interval '1 minute'`;
    expect(row).toEqual({ count: 1234, min: 12, max: 12, over: 0 });
    const oldestFirst = await sql`select id from deliveries order by next_attempt_at, id`;
    expect(oldestFirst).toEqual(before);
  });

  test("a redelivery sends only what its filters match", async () => {
    const nowMs = Date.now();
    const wanted = "https://wanted.test";
    await seed({ origins: [wanted], fromMs: nowMs - 5 * DAY_MS, count: 2 });
    await seed({ origins: ["https://other.test"], fromMs: nowMs - 5 * DAY_MS + 1000 });
    await seed({ origins: [wanted], fromMs: nowMs - 9 * DAY_MS });
    await seed({ origins: [wanted], fromMs: nowMs - 1 * DAY_MS });
    await seed({ origins: [wanted], fromMs: nowMs - 5 * DAY_MS + 2000, status: "delivered" });
    await seed({
      origins: [wanted],
      fromMs: nowMs - 5 * DAY_MS + 3000,
      projectId: uuids(nowMs, 0),
    });
    const filter = {
      callbackOrigin: wanted,
      createdAfterMs: nowMs - 6 * DAY_MS,
      createdBeforeMs: nowMs - 4 * DAY_MS,
    };
    expect(await carryOut({ ...filter, eventType: "job.failed" })).toMatchObject({ matched: 0 });
    expect(await carryOut({ ...filter, eventType: "job.completed" })).toMatchObject({
      matched: 2,
      redelivered: 2,
    });
    expect(await pending()).toEqual([wanted, wanted]);
  });

  test("a redelivery sends only what failed for the given reason at its latest attempt", async () => {
    await seed({ count: 3, attempts: 2 });
    await sql`
      insert into attempts (shard_id, delivery_id, number, started_at, duration_ms, error_code)
      select shard_id, id, number, now(), 1,
        case when number = attempt_count and rank = 1 then 'connect_refused' else 'response_timeout' end
      from (select *, row_number() over (order by id) as rank from deliveries) as delivery,
        generate_series(1, 2) as number`;
    expect(await carryOut({ errorCode: "dns_failed" })).toMatchObject({ matched: 0 });
    expect(await carryOut({ errorCode: "connect_refused" })).toMatchObject({ redelivered: 1 });
    expect(await carryOut({ errorCode: "response_timeout" })).toMatchObject({ redelivered: 2 });
  });

  test("a redelivery skips deliveries of a deleted subscription", async () => {
    await seed({ count: 3 });
    const [one] = await sql`select id from subscriptions limit 1`;
    await sql`update subscriptions set closed_as = 'canceled' where id = ${one?.["id"]}`;
    expect(await carryOut()).toMatchObject({ matched: 3, redelivered: 2, skipped: 1 });
    expect(await pending()).toHaveLength(2);
  });

  test("a redelivery includes nothing that was created, or failed again, after its request", async () => {
    const nowMs = Date.now();
    await seed({ count: 2, fromMs: nowMs - DAY_MS });
    await seed({ fromMs: nowMs + 1000 });
    const [again] = await sql`select id from deliveries order by id limit 1`;
    await sql`update deliveries set finished_at = ${new Date(nowMs + 500)} where id = ${again?.["id"]}`;
    expect(await carryOut({ nowMs, createdBeforeMs: nowMs })).toMatchObject({ redelivered: 1 });
  });

  test("a redelivery brings pending deliveries forward", async () => {
    await seed({ status: "pending" });
    await sql`update deliveries set next_attempt_at = now() + interval '1 day'`;
    expect(await carryOut({ status: "pending" })).toMatchObject({ redelivered: 1 });
    expect(await sql`select from deliveries where next_attempt_at < now()`).toHaveLength(1);
  });
});

test("a dry run counts and changes nothing", async () => {
  await seed({ count: 6000 });
  expect(await carryOut({ isDryRun: true })).toMatchObject({
    state: "completed",
    matched: 6000,
    redelivered: 0,
    skipped: 0,
  });
  expect(await pending()).toEqual([]);
});

test("however many nodes carry it out at once, none is taken twice or left out", async () => {
  await seed({ count: 3000 });
  const id = await create();
  const handedOn: { id: string }[] = [];
  await Promise.all(
    [1, 2, 3].map(async () => {
      const one = runner(handedOn);
      await one.start();
      await one.begin({ projectId: PROJECT_ID, id }, 10_000);
    }),
  );
  await vi.waitFor(async () => expect((await look(id)).state).toBe("completed"), {
    timeout: 60_000,
    interval: 20,
  });
  expect(await look(id)).toMatchObject({ matched: 3000, redelivered: 3000 });
  expect(new Set(handedOn.map((one) => one.id)).size).toBe(3000);
  expect(handedOn).toHaveLength(3000);
});

test("it goes no faster than asked, and no further once canceled", async () => {
  await seed({ count: 300 });
  const id = await create({ perSecond: 20 });
  const handedOn: { id: string }[] = [];
  // After the first step: the next one waits for this.
  const one = runner(handedOn, async () => {
    await cancelRedelivery(database, { projectId: PROJECT_ID, id, nowMs: Date.now() });
  });
  await one.begin({ projectId: PROJECT_ID, id }, 60_000);
  expect(handedOn).toHaveLength(20);
  const [row] = await sql`
    select extract(epoch from max(next_attempt_at) - min(next_attempt_at))::float8 as spread
    from deliveries where status = 'pending'`;
  expect(row?.["spread"]).toBeCloseTo(19 / 20, 1);
  expect(await look(id)).toMatchObject({ state: "canceled", matched: 20, redelivered: 20 });
  expect(await pending()).toHaveLength(20);
});

test("a subscription that is deleted during a redelivery is sent nothing more, whichever comes first", async () => {
  await seed({ count: 400 });
  const id = await create();
  const subscriptions = await sql<{ id: string }[]>`select id from subscriptions order by id`;
  const nowMs = Date.now();
  await Promise.all([
    runner().begin({ projectId: PROJECT_ID, id }, 10_000),
    ...subscriptions.map((one) =>
      deleteSubscription(database, { projectId: PROJECT_ID, id: one.id, nowMs }),
    ),
  ]);
  expect((await look(id)).state).toBe("completed");
  const breaches = await sql`
    select from deliveries join subscriptions using (shard_id)
    where subscriptions.id = subscription_id and closed_as = 'canceled' and status = 'pending'`;
  expect(breaches).toHaveLength(0);
});
