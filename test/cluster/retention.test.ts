import postgres from "postgres";
import { OwnedShards } from "../../src/runtime/owned-shards.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Retention } from "../../src/cluster/retention.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { type Database, openDatabase } from "../../src/store/db/database.ts";
import { openWriters } from "../support/writers.ts";
import { openTestDatabase } from "../support/database.ts";
import { quietLog } from "../support/quiet-log.ts";
import { acceptRow, attemptRow, completedRow, PROJECT_ID, uuids } from "../support/rows.ts";
import { type Seed, seedDeliveries } from "../support/seeded-deliveries.ts";
import { testRuntime } from "../support/runtime.ts";
import type { AcceptedRow } from "../../src/store/writes/accept-subscriptions.ts";

const DAY_MS = 24 * 3_600_000;
const KEPT_FOR_MS = 30 * DAY_MS;
const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);
const log = createLog({ level: "silent", format: "json" });

let database: Database;
let sql: postgres.Sql;
let url: string;
let drop: () => Promise<void>;
let nowMs: number;

beforeEach(async () => {
  const opened = await openTestDatabase();
  ({ database, drop, url } = opened);
  sql = postgres(url, { max: 4, onnotice: () => {} });
  nowMs = Date.now();
});
afterEach(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

function retention(of: Database = database): Retention {
  return new Retention(testRuntime({ log }), {
    database: of,
    shards: new OwnedShards(ALL_SHARDS),
    keptForMs: KEPT_FOR_MS,
  });
}

const OLD = 40 * DAY_MS;
const seed = (of: Partial<Seed> = {}) =>
  seedDeliveries(sql, {
    count: 1,
    projectId: PROJECT_ID,
    origins: ["https://receiver.test"],
    fromMs: nowMs - OLD,
    ...of,
  });

const TABLES = ["jobs", "subscriptions", "events", "deliveries", "attempts", "result_parts"];

async function counts(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const table of TABLES) {
    const [row] = await sql.unsafe(`select count(*)::int from ${table}`);
    found[table] = Number(row?.["count"]);
  }
  return found;
}

describe("rows that are past their retention", () => {
  test("a job past its retention is removed with everything that belongs to it, and a second round changes nothing", async () => {
    await seed({ count: 60 });
    await sql`
      insert into attempts (shard_id, delivery_id, number, started_at, duration_ms)
      select shard_id, id, number, created_at, 5 from deliveries, generate_series(1, 3) as number`;
    await sql`
      insert into result_parts
      select shard_id, id, number, 'part' from events, generate_series(1, 2) as number`;
    await retention().round();
    const nothing = Object.fromEntries(TABLES.map((table) => [table, 0]));
    expect(await counts()).toEqual(nothing);
    await retention().round();
    expect(await counts()).toEqual(nothing);
  });

  test("a job past its retention is removed in bounded steps, however many subscriptions it has", async () => {
    await seed();
    await sql`
      insert into subscriptions
      select shard_id, (left(id::text, 24) || 'f' || lpad(to_hex(number), 11, '0'))::uuid, project_id,
        job_row_id, callback_url, callback_origin, events, payload, metadata, headers, secret,
        closed_as, created_at
      from subscriptions, generate_series(1, 1700) as number`;
    await retention().round();
    expect(await counts()).toMatchObject({ jobs: 0, subscriptions: 0, events: 0, deliveries: 0 });
  });

  test("a job past its retention is removed even if it was unwatched", async () => {
    await seed({ count: 2 });
    await sql`
      update jobs set status = 'unwatched', ended_at = null, last_event_id = null,
        deadline_at = case when id = (select min(id::text)::uuid from jobs) then now() else deadline_at end`;
    await sql`update subscriptions set closed_as = 'canceled'`;
    await sql`delete from events`;
    await sql`update deliveries set status = 'canceled'`;
    await retention().round();
    // The other's deadline has just passed.
    expect(await counts()).toMatchObject({ jobs: 1 });
  });

  test("parts of a result without an event, and redeliveries, are removed after their retention", async () => {
    const id = uuids(nowMs - OLD, 5);
    await sql`insert into result_parts values (5, ${id}, 1, 'orphan')`;
    await sql`
      insert into redeliveries (shard_id, id, project_id, state, is_dry_run, status,
        created_before, per_second, position_id, created_at, finished_at)
      select 5, redelivery.id, ${PROJECT_ID}, state, false, 'gone', now(), 1, redelivery.id, now(), at
      from (values (${id}::uuid, 'completed', now() - interval '40 days'),
        (${uuids(nowMs - OLD, 5)}::uuid, 'completed', now()),
        (${uuids(nowMs - OLD, 5)}::uuid, 'running', null)) as redelivery (id, state, at)`;
    await retention().round();
    expect(await counts()).toMatchObject({ result_parts: 0 });
    expect(await sql`select from redeliveries`).toHaveLength(2);
  });
});

describe("rows that are kept, however old their job is", () => {
  test.each<[string, string]>([
    ["a live job", "update jobs set status = 'processing', ended_at = null"],
    ["a job that ended lately", "update jobs set ended_at = now()"],
    ["a delivery that is pending", "update deliveries set status = 'pending', finished_at = null"],
    ["a delivery that was sent again recently", "update deliveries set finished_at = now()"],
    ["a subscription that came lately", "update subscriptions set created_at = now()"],
    [
      "a job whose ending not all subscriptions are owed yet",
      `insert into fan_outs
        select shard_id, id, 'job.completed', project_id, last_event_id, 1, ended_at, id, id from jobs`,
    ],
  ])(
    "%s is kept however old its job is, with everything that belongs to it",
    async (_what, change) => {
      await seed({ count: 3 });
      await sql`
      insert into attempts (shard_id, delivery_id, number, started_at, duration_ms)
      select shard_id, id, 1, created_at, 5 from deliveries`;
      await sql`insert into result_parts select shard_id, id, 1, 'part' from events`;
      const before = await counts();
      await sql.unsafe(change);
      await retention().round();
      expect(await counts()).toEqual(before);
    },
  );

  test("a job that another transaction holds is kept until the next round", async () => {
    await seed();
    await sql.begin(async (other) => {
      await other`update jobs set status = status`;
      await retention().round();
      expect(await counts()).toMatchObject({ jobs: 1, subscriptions: 1, events: 1 });
    });
    await retention().round();
    expect(await counts()).toMatchObject({ jobs: 0, subscriptions: 0, events: 0 });
  });
});

test("under load all that is to go goes, nothing else does, and no statement takes long", async () => {
  await seed({ count: 3000 });
  await seed({ count: 500, fromMs: nowMs - 10 * DAY_MS });
  // Any statement that took this long would fail the round.
  const impatient = await openDatabase({
    url,
    connectionsMax: 2,
    statementTimeoutMs: 10_000,
    applicationName: "retention",
    log: quietLog,
  });
  const writers = openWriters(database);
  let goesOn = true;
  let lives = 0;
  const load = async (worker: number): Promise<void> => {
    for (let number = 0; goesOn || number < 20; number += 1) {
      const accepted: AcceptedRow = await writers.accept(acceptRow(`load-${worker}-${number}`));
      if (accepted.kind !== "accepted") throw new Error("not accepted");
      const { owed } = await writers.recordEvent(completedRow(accepted.subscription));
      for (const delivery of owed) await writers.recordAttempt(attemptRow(delivery));
      lives += 1;
    }
  };
  const loads = [1, 2, 3, 4].map(load);
  try {
    await retention(impatient).round();
  } finally {
    goesOn = false;
    await Promise.all(loads);
    await writers.stop();
    await impatient.close(1_000);
  }
  const [old] =
    await sql`select count(*)::int from jobs where ended_at < now() - interval '30 days'`;
  expect(old).toEqual({ count: 0 });
  const kept = 500 + lives;
  expect(await counts()).toMatchObject({
    jobs: kept,
    subscriptions: kept,
    events: kept,
    deliveries: kept,
    attempts: lives,
  });
});

test("a subscription to a job that is being removed gets a job that exists", async () => {
  const jobIds = Array.from({ length: 200 }, (_, index) => `again-${index}`);
  const old = jobIds.map((jobId) => acceptRow(jobId, { nowMs: nowMs - OLD }));
  const writers = openWriters(database);
  await Promise.all(old.map((row) => writers.accept(row)));
  await sql`
    update jobs set status = 'failed', ended_at = accepted_at, id = (
      lpad(to_hex(${nowMs - OLD}::bigint), 12, '0') || substr(replace(id::text, '-', ''), 13))::uuid`;
  await sql`
    update subscriptions set job_row_id = jobs.id from jobs
    where jobs.shard_id = subscriptions.shard_id`;
  const [, ...accepted] = await Promise.all([
    retention().round(),
    ...jobIds.map((jobId) => writers.accept(acceptRow(jobId))),
  ]);
  await writers.stop();
  expect(accepted).toHaveLength(jobIds.length);
  const stranded = await sql`
    select from subscriptions where not exists (
      select from jobs where jobs.shard_id = subscriptions.shard_id and jobs.id = job_row_id)`;
  expect(stranded).toHaveLength(0);
});
