import { shardsIn } from "../../support/shards.ts";
import { setImmediate as nextTurn } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type HeldJobs, Sweep } from "../../../src/cluster/shards/sweep.ts";
import { type PackedUuids, packUuids } from "../../../src/core/ids/packed-uuids.ts";
import { SHARD_COUNT } from "../../../src/core/ids/ids.ts";
import { acceptSubscriptions } from "../../../src/store/writes/accept-subscriptions.ts";
import type { JobCheckpoint } from "../../../src/store/writes/checkpoint-jobs.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { type LiveJob, loadJobs } from "../../../src/store/jobs/load-jobs.ts";
import { recordEvents } from "../../../src/store/writes/record-events.ts";
import { Arrivals } from "../../support/arrivals.ts";
import { openTestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { acceptRow, completedRow } from "../../support/rows.ts";
import { testRuntime } from "../../support/runtime.ts";

const SECOND_MS = 1000;
const ROUND_S = 30;
const ACCEPTED_MEANWHILE = "019a0000-0000-7000-8100-000000000001";

let database: Database;
let drop: () => Promise<void>;
let sql: postgres.Sql;
let clock: FakeClock;
let sweep: Sweep;
let owned: number[];
let memory: FakeMemory;
/** One entry for each shard whose rows were read. */
let reads: Arrivals<null>;
/** Every reading of a shard's rows waits for this after it was made. */
let readGate: Promise<void>;

/** The jobs in memory. */
class FakeMemory implements HeldJobs {
  readonly jobs = new Map<string, number>();
  readonly watched: { readonly job: LiveJob; readonly firstPoll: string }[] = [];
  readonly unwatched: string[] = [];
  readonly inspected: { readonly shardId: number; readonly checkpointsMax: number }[] = [];
  checkpoints: JobCheckpoint[] = [];

  heldIds(shardId: number): PackedUuids {
    return packUuids([...this.jobs].filter(([, shard]) => shard === shardId).map(([id]) => id));
  }

  holds(_shardId: number, id: string): boolean {
    return this.jobs.has(id);
  }

  watch(job: LiveJob, firstPoll: string): void {
    this.jobs.set(job.id, job.shardId);
    this.watched.push({ job, firstPoll });
  }

  unwatch(_shardId: number, id: string): void {
    this.jobs.delete(id);
    this.unwatched.push(id);
  }

  inspectShard(shardId: number, checkpointsMax: number): JobCheckpoint[] {
    this.inspected.push({ shardId, checkpointsMax });
    const mine = this.checkpoints.filter((one) => one.shardId === shardId).slice(0, checkpointsMax);
    this.checkpoints = this.checkpoints.filter((one) => !mine.includes(one));
    return mine;
  }
}

beforeAll(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 1 });
  const run = database.run.bind(database);
  vi.spyOn(database, "run").mockImplementation(async (name, work, options) => {
    const result = await run(name, work, options);
    if (name === "load-live-job-ids") {
      await readGate;
      reads.push(null);
    }
    return result;
  });
});

afterAll(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

beforeEach(async () => {
  await sql`truncate jobs, subscriptions, events, deliveries`;
  clock = new FakeClock();
  owned = Array.from({ length: SHARD_COUNT }, (_, shardId) => shardId);
  memory = new FakeMemory();
  reads = new Arrivals("reads of shards");
  readGate = Promise.resolve();
  sweep = new Sweep(testRuntime({ clock }), {
    database,
    shards: shardsIn(() => owned),
    watches: memory,
    jobs: { load: (keys) => loadJobs(database, keys) },
  });
  await sweep.start();
});

afterEach(() => sweep.stop());

/** A committed job that no memory knows of. */
async function acceptedJob(jobId: string): Promise<{ id: string; shardId: number }> {
  const [accepted] = await acceptSubscriptions(database, [acceptRow(jobId)]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  return { id: accepted.subscription.jobRowId, shardId: accepted.subscription.shardId };
}

/** Lets a whole round pass over one shard alone, which is quicker than over all. */
async function sweepShard(shardId: number): Promise<void> {
  owned = owned.includes(shardId) ? [shardId] : [];
  const before = reads.all.length;
  for (let second = 0; second < ROUND_S; second += 1) await clock.advanceSettling(SECOND_MS);
  if (owned.length === 0) return;
  await reads.first(before + 1);
  await settled();
}

/** Until the round in progress is over: the next one is planned. */
async function settled(): Promise<void> {
  await vi.waitFor(() => expect(clock.timers).toBe(1), { timeout: 60_000, interval: 5 });
}

function checkpointOf(
  job: { id: string; shardId: number },
  changes: Partial<JobCheckpoint> = {},
): JobCheckpoint {
  return {
    ...job,
    status: "processing",
    seen: true,
    pollCount: 8,
    lastPolledAtMs: clock.now(),
    lastOutcome: "upstream_fault",
    lastError: "HTTP 500",
    progress: '{"n":1.0}',
    ...changes,
  };
}

describe("within a round of 30 seconds", () => {
  test("within a round of 30 seconds every shard is checked once, a few each second", async () => {
    owned = [0, 1, 29, 30, 59, 255];
    for (let second = 1; second <= ROUND_S; second += 1) {
      await clock.advanceSettling(SECOND_MS);
      const due = owned.filter((shardId) => shardId % ROUND_S <= second && shardId % ROUND_S > 0);
      if (second === ROUND_S) due.push(0, 30);
      // One statement reads all shards of a second.
      const slices = new Set(due.map((shardId) => shardId % ROUND_S)).size;
      await reads.first(slices);
      await settled();
      expect(reads.all).toHaveLength(slices);
    }
    expect(memory.inspected.map(({ shardId }) => shardId).sort((a, b) => a - b)).toEqual(owned);
  });

  test("the sweep finds a job whose hand-over was missed, and spreads its first poll", async () => {
    const job = await acceptedJob("missed");
    await sweepShard(job.shardId);
    expect(memory.watched).toMatchObject([
      { job: { ...job, jobId: "missed", status: "pending" }, firstPoll: "spread" },
    ]);
  });

  test("the sweep drops a job that ended or was released elsewhere", async () => {
    const live = await acceptedJob("live");
    const ended = await acceptedJob("ended");
    for (const { id, shardId } of [live, ended]) memory.jobs.set(id, shardId);
    const { id: jobRowId, shardId } = ended;
    await recordEvents(database, [completedRow({ shardId, jobRowId })]);
    await sweepShard(live.shardId);
    owned = [ended.shardId];
    await sweepShard(ended.shardId);
    expect(memory.unwatched).toEqual([ended.id]);
    expect(memory.watched).toEqual([]);
  });

  test("shards with many jobs are read one at a time, however many there are in a second", async () => {
    owned = [1, 31, 61];
    for (let number = 0; number < 9_000; number += 1) {
      memory.jobs.set(`00000000-0000-7001-8000-${String(number).padStart(12, "0")}`, 31);
    }
    await clock.advanceSettling(SECOND_MS);
    await reads.first(3);
    await settled();
    expect(reads.all).toHaveLength(3);
    expect(memory.unwatched).toHaveLength(9_000);
  });

  test("the sweep keeps a job that is accepted while its shard's rows are read", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    readGate = promise;
    owned = [1];
    await clock.advanceSettling(SECOND_MS);
    memory.jobs.set(ACCEPTED_MEANWHILE, 1);
    resolve();
    await reads.first(1);
    await settled();
    expect(memory.unwatched).toEqual([]);
  });

  test("the sweep watches nothing of a shard that was lost while its rows were read", async () => {
    const job = await acceptedJob("lost");
    const { promise, resolve } = Promise.withResolvers<void>();
    readGate = promise;
    owned = [job.shardId];
    for (let second = 0; second < ROUND_S; second += 1) await clock.advanceSettling(SECOND_MS);
    await nextTurn();
    owned = [];
    resolve();
    await reads.first(1);
    await settled();
    expect(memory.watched).toEqual([]);
  });

  test("the sweep leaves shards of other nodes alone", async () => {
    const job = await acceptedJob("foreign");
    owned = owned.filter((shardId) => shardId !== job.shardId);
    await sweepShard(job.shardId);
    expect(memory.watched).toEqual([]);
    expect(memory.inspected).toEqual([]);
  });
});

describe("checkpoints", () => {
  const stored = async (id: string) => {
    const [row] = await sql`
      select status, seen, poll_count, last_error, progress, ended_at from jobs where id = ${id}`;
    return row;
  };

  test("checkpoints are written for people to read", async () => {
    const job = await acceptedJob("seen");
    memory.jobs.set(job.id, job.shardId);
    memory.checkpoints = [checkpointOf(job)];
    await sweepShard(job.shardId);
    expect(await stored(job.id)).toMatchObject({
      status: "processing",
      seen: true,
      poll_count: 8,
      last_error: "HTTP 500",
      progress: '{"n":1.0}',
    });
  });

  test("a checkpoint never touches an ended job, nor sets one back to pending", async () => {
    const ended = await acceptedJob("ended");
    const { id: jobRowId, shardId } = ended;
    await recordEvents(database, [completedRow({ shardId, jobRowId })]);
    const moving = await acceptedJob("moving");
    await sql`update jobs set status = 'processing' where id = ${moving.id}`;
    memory.checkpoints = [checkpointOf(ended), checkpointOf(moving, { status: "pending" })];
    await sweep.stop();
    expect(await stored(ended.id)).toMatchObject({ status: "completed", poll_count: 1 });
    expect(await stored(moving.id)).toMatchObject({ status: "processing", poll_count: 8 });
  });

  test("checkpoints are written at a stop, without waiting for a round", async () => {
    const jobs = await Promise.all(["one", "two", "three"].map((jobId) => acceptedJob(jobId)));
    memory.checkpoints = jobs.map((job) => checkpointOf(job));
    await sweep.stop();
    for (const { id } of jobs) expect(await stored(id)).toMatchObject({ poll_count: 8 });
  });

  test("checkpoints are bounded: the rest waits for the next round", async () => {
    owned = [1, 31, 61];
    memory.checkpoints = Array.from({ length: 3000 }, (_, number) =>
      checkpointOf({
        id: `00000000-0000-7001-8000-${String(number).padStart(12, "0")}`,
        shardId: 1,
      }),
    );
    await clock.advanceSettling(SECOND_MS);
    await reads.first(1);
    await settled();
    expect(memory.inspected.map(({ checkpointsMax }) => checkpointsMax)).toEqual([2000, 0, 0]);
    expect(memory.checkpoints).toHaveLength(1000);
  });
});
