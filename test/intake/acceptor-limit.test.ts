import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Acceptor } from "../../src/intake/acceptor.ts";
import { LiveJobs } from "../../src/intake/live-jobs.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import type { Database } from "../../src/store/db/database.ts";
import { findIdempotencyKey } from "../../src/store/subscriptions/find-idempotency-key.ts";
import { isJobKnown } from "../../src/store/jobs/find-job.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import type { Writers } from "../../src/store/writes/writers.ts";
import { openWriters } from "../support/writers.ts";
import { openTestDatabase } from "../support/database.ts";
import { noLimit } from "./no-limit.ts";
import { TestLimits } from "../support/project-limits.ts";
import { acceptRow, completedRow, PROJECT_ID, uuids } from "../support/rows.ts";
import { testRuntime } from "../support/runtime.ts";
import type { AcceptRequest } from "../../src/store/writes/accept-subscriptions.ts";

const MAX = 3;

let database: Database;
let drop: () => Promise<void>;
let sql: postgres.Sql;
let writers: Writers;
let acceptor: Acceptor;
let liveJobs: LiveJobs;
let owns: boolean;
const watched = new Map<string, number>();

beforeAll(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 1 });
});

afterAll(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

beforeEach(async () => {
  await sql`truncate jobs, subscriptions, events, deliveries, mailbox, idempotency_keys`;
  const log = createLog({ level: "silent", format: "json" });
  const clock = systemClock;
  writers = openWriters(database);
  owns = true;
  watched.clear();
  const held = new Set<string>();
  liveJobs = new LiveJobs({ jobsByProject: watched });
  acceptor = new Acceptor(testRuntime({ clock, uuids, log }), {
    liveJobs,
    health: noLimit.health,
    limits: new TestLimits({ live_jobs: MAX }),
    usage: noLimit.usage,
    lookups: {
      isJobKnown: (job) => isJobKnown(database, job),
      findUsedKey: (key) => findIdempotencyKey(database, key),
    },
    shards: { has: () => owns },
    writers,
    poller: {
      watchAccepted(job) {
        held.add(job.id);
        watched.set(PROJECT_ID, held.size);
      },
    },
    deliveryLoop: { enqueue: () => undefined, deliver: () => Promise.resolve() },
    commands: { send: () => Promise.resolve() },
  });
});

afterEach(() => writers.stop());

function accept(jobId: string, changes: Partial<AcceptRequest> = {}) {
  return acceptor.accept({ ...acceptRow(jobId), sealFor: null, ...changes });
}

async function kindsOf(outcomes: readonly ReturnType<typeof accept>[]): Promise<string[]> {
  return (await Promise.all(outcomes)).map(({ kind }) => kind);
}

async function fill(): Promise<void> {
  for (let job = 0; job < MAX; job += 1) await accept(`job-${job}`);
}

describe("a project that has as many live jobs as it may", () => {
  test("a project at its limit of live jobs is refused more, and nothing of a refused request is stored", async () => {
    await fill();
    expect(await accept("one-more")).toEqual({ kind: "too_many_live_jobs", max: MAX });
    const [row] = await sql`select count(*)::int as count from subscriptions`;
    expect(row).toEqual({ count: MAX });
  });

  test("a project at its limit of live jobs may subscribe again to a live or ended job", async () => {
    const first = await accept("ends");
    if (first.kind !== "accepted") throw new Error(first.kind);
    await recordEvents(database, [completedRow(first.subscription)]);
    await fill();
    expect(await kindsOf([accept("job-0"), accept("ends")])).toEqual(["accepted", "accepted"]);
  });

  test("a project at its limit of live jobs may repeat an accepted request", async () => {
    const repeatable = { idempotencyKey: "once", requestHash: "same" };
    await accept("job-0", repeatable);
    await fill();
    expect(await accept("job-0", repeatable)).toMatchObject({ kind: "replayed" });
  });

  test("a project at its limit of live jobs may add one after an unwatched job is dropped, but not that one again", async () => {
    await fill();
    const gone = await accept("job-0");
    if (gone.kind !== "accepted") throw new Error(gone.kind);
    await sql`update jobs set status = 'unwatched' where job_id = 'job-0'`;
    expect(await accept("job-0")).toMatchObject({ kind: "too_many_live_jobs" });
    watched.set(PROJECT_ID, MAX - 1);
    expect(await accept("job-0")).toMatchObject({ kind: "accepted" });
  });
});

describe("wishes that come together", () => {
  test("concurrent subscriptions are accepted exactly up to the limit", async () => {
    const kinds = await kindsOf(Array.from({ length: 20 }, (_, job) => accept(`job-${job}`)));
    expect(kinds.filter((kind) => kind === "accepted")).toHaveLength(MAX);
    expect(kinds.filter((kind) => kind === "too_many_live_jobs")).toHaveLength(20 - MAX);
  });

  test("concurrent subscriptions to one new job count as one", async () => {
    const kinds = await kindsOf(Array.from({ length: 20 }, () => accept("the-same")));
    expect(new Set(kinds)).toEqual(new Set(["accepted"]));
    expect(liveJobs.of(PROJECT_ID)).toBe(1);
  });
});

test("jobs that are given to another node count here before that node reports them", async () => {
  owns = false;
  const kinds = [];
  for (let job = 0; job < MAX + 2; job += 1) kinds.push(...(await kindsOf([accept(`job-${job}`)])));
  expect(kinds.filter((kind) => kind === "accepted")).toHaveLength(MAX);
  await accept("job-0");
  expect(liveJobs.of(PROJECT_ID)).toBe(MAX);
});
