import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ProjectUsage } from "../../src/intake/project-usage.ts";
import { ChangeSignal } from "../../src/runtime/change-signal.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import type { Database } from "../../src/store/db/database.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import {
  type AcceptRow,
  acceptSubscriptions,
} from "../../src/store/writes/accept-subscriptions.ts";
import {
  countProjectUsage,
  readProjectUsage,
  subscriptionBytes,
} from "../../src/store/projects/project-usage.ts";
import { openTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { TestLimits } from "../support/project-limits.ts";
import { acceptRow, completedRow } from "../support/rows.ts";
import { testRuntime } from "../support/runtime.ts";

const ATTACKER = "00000000-0000-7000-8000-00000000000a";
const NEIGHBOR = "00000000-0000-7000-8000-00000000000b";

let database: Database;
let drop: () => Promise<void>;
let clock: FakeClock;
let limits: TestLimits;
let usage: ProjectUsage;

beforeAll(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
});
afterAll(() => drop());

beforeEach(async () => {
  await sql(`truncate jobs, subscriptions, events, deliveries, project_usage, projects`);
  await sql(
    `insert into projects (id, name, created_at)
     values ('${ATTACKER}', 'attacker', now()), ('${NEIGHBOR}', 'neighbor', now())`,
  );
  clock = new FakeClock();
  limits = new TestLimits();
  usage = node(true);
});

function node(owns: boolean, changes?: ChangeSignal): ProjectUsage {
  const log = createLog({ level: "silent", format: "json" });
  return new ProjectUsage(testRuntime({ clock, log }), {
    changes,
    database,
    limits,
    inlineResultBytesMax: 1024,
    shards: { has: () => owns },
  });
}

function sql(text: string): Promise<unknown> {
  return database.run("test", (client) => client.unsafe(text));
}

/** Stores and counts subscriptions, as an accept does. */
async function accept(
  projectId: string,
  jobIds: readonly string[],
  overrides: Partial<AcceptRow> = {},
) {
  // At one time, as what comes together: the job is made with the earliest.
  const nowMs = Date.now();
  const rows = jobIds.map((jobId) => acceptRow(jobId, { projectId, nowMs, ...overrides }));
  const accepted = await acceptSubscriptions(database, rows);
  for (const row of rows) usage.accepted(projectId, subscriptionBytes(row));
  return { rows, accepted };
}

/** Counts until no number holds what was accepted before both as accepted and as counted. */
async function countTwice(): Promise<void> {
  for (let count = 0; count < 2; count += 1) {
    clock.advance(10_000);
    await usage.refresh();
  }
}

/** A job without parameters, whose text is `{}`. */
const JOB_BYTES = 1024 + 2;

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

describe("live subscriptions", () => {
  test("live subscriptions count at once; ended ones free room with a later count", async () => {
    limits.own.set(ATTACKER, { live_subscriptions: 3 });
    const { rows } = await accept(ATTACKER, ["a"]);
    await accept(ATTACKER, ["a", "b"]);
    expect(usage.reached(ATTACKER, false)).toBe("live_subscriptions");
    expect(usage.reached(NEIGHBOR, false)).toBeNull();
    await usage.refresh();
    expect(usage.reached(ATTACKER, false)).toBe("live_subscriptions");
    const [job] = rows;
    if (job === undefined) throw new Error("none");
    await recordEvents(database, [completedRow(job)]);
    await countTwice();
    expect(limits.used(ATTACKER, "live_subscriptions")).toBe(1);
    expect(usage.reached(ATTACKER, false)).toBeNull();
  });

  test("live subscriptions are known to a node that counts nothing itself, also after a restart", async () => {
    limits.own.set(ATTACKER, { live_subscriptions: 20 });
    await accept(ATTACKER, names("job", 20));
    await usage.refresh();
    const other = node(false);
    await other.start();
    await other.stop();
    expect(other.reached(ATTACKER, false)).toBe("live_subscriptions");
    expect(other.reached(NEIGHBOR, false)).toBeNull();
  });
});

test("deliveries owed and bytes kept reach limits of their own", async () => {
  const { rows } = await accept(ATTACKER, names("job", 4));
  const result = { result: `"${"x".repeat(98)}"`, resultBytes: 100 };
  await recordEvents(
    database,
    rows.map((row) => Object.assign(completedRow(row), result)),
  );
  await countTwice();
  expect(limits.used(ATTACKER, "owed_deliveries")).toBe(4);
  const ofRows = rows.reduce((bytes, row) => bytes + JOB_BYTES + subscriptionBytes(row), 0);
  expect(limits.used(ATTACKER, "stored_bytes")).toBe(400 + ofRows);
  limits.own.set(ATTACKER, { owed_deliveries: 4 });
  expect(usage.reached(ATTACKER, false)).toBe("owed_deliveries");
  limits.own.set(ATTACKER, { stored_bytes: 400 + ofRows });
  expect(usage.reached(ATTACKER, false)).toBe("stored_bytes");
  limits.own.clear();
  await sql(`update deliveries set status = 'delivered', next_attempt_at = null`);
  await sql(`delete from events`);
  clock.advance(10_000);
  await usage.refresh();
  expect(limits.used(ATTACKER, "owed_deliveries")).toBe(0);
  expect(limits.used(ATTACKER, "stored_bytes")).toBe(ofRows);
  await sql(`delete from jobs`);
  await sql(`delete from subscriptions`);
  clock.advance(10_000);
  await usage.refresh();
  expect(limits.used(ATTACKER, "stored_bytes")).toBe(0);
  expect(limits.used(NEIGHBOR, "stored_bytes")).toBe(0);
});

test("the metadata, callback URL, headers and secret of a subscription count at once, as later, until they are removed", async () => {
  const texts = {
    callbackUrl: `https://receiver.test/${"u".repeat(2_000)}`,
    metadata: `"${"€".repeat(1_365)}"`,
    headers: "h".repeat(3_000),
    secret: "s".repeat(100),
  };
  limits.own.set(ATTACKER, { stored_bytes: 10_000 });
  const { rows } = await accept(ATTACKER, ["large"], texts);
  const [row] = rows;
  if (row === undefined) throw new Error("none");
  const bytes = 1024 + Buffer.byteLength(Object.values(texts).join(""));
  expect(subscriptionBytes(row)).toBe(bytes);
  expect(limits.used(ATTACKER, "stored_bytes")).toBe(bytes);
  expect(usage.reached(ATTACKER, false)).toBe("stored_bytes");
  await countTwice();
  expect(limits.used(ATTACKER, "stored_bytes")).toBe(JOB_BYTES + bytes);
  expect(usage.reached(ATTACKER, false)).toBe("stored_bytes");
  await sql(`delete from subscriptions`);
  clock.advance(10_000);
  await usage.refresh();
  expect(limits.used(ATTACKER, "stored_bytes")).toBe(JOB_BYTES + 1024);
  expect(usage.reached(ATTACKER, false)).toBeNull();
});

test("jobs that have ended count by the bytes of their rows, whatever their results", async () => {
  const { rows } = await accept(ATTACKER, names("job", 3));
  await recordEvents(
    database,
    rows.map((row) => completedRow(row, { result: null, resultBytes: 0 })),
  );
  await sql(`update deliveries set status = 'delivered', next_attempt_at = null`);
  await countTwice();
  expect(limits.used(ATTACKER, "live_subscriptions")).toBe(0);
  expect(limits.used(ATTACKER, "owed_deliveries")).toBe(0);
  limits.own.set(ATTACKER, { stored_bytes: 3 * 2 * 1024 });
  expect(usage.reached(ATTACKER, false)).toBe("stored_bytes");
  expect(usage.reached(NEIGHBOR, false)).toBeNull();
});

test("nothing is counted again while nothing changes, once what was accepted is counted twice", async () => {
  const changes = new ChangeSignal();
  usage = node(true, changes);
  const countedAt = async () => (await readProjectUsage(database))[0]?.countedAtMs;
  const refreshed = async (fingerprint: string) => {
    clock.advance(10_000);
    changes.saw(fingerprint, clock.monotonic());
    const before = await countedAt();
    await usage.refresh();
    return (await countedAt()) !== before;
  };
  await refreshed("before");
  const counted: boolean[] = [];
  for (let round = 0; round < 6; round += 1) counted.push(await refreshed("after"));
  expect(counted).toEqual([true, true, true, true, false, false]);
  expect(await refreshed("later")).toBe(true);
  // A failed look says nothing.
  for (let round = 0; round < 6; round += 1) await refreshed("later");
  changes.wake();
  clock.advance(10_000);
  const before = await countedAt();
  await usage.refresh();
  expect(await countedAt()).not.toBe(before);
});

test("many rows are counted by a sample of them", async () => {
  await sql(
    `insert into events (shard_id, id, project_id, job_row_id, provider, job_id, type, occurred_at, result_bytes)
     select 1, gen_random_uuid(), '${NEIGHBOR}', gen_random_uuid(), 'pulse', 'j', 'job.completed', now(), 10
     from generate_series(1, 20000)`,
  );
  await sql(`analyze events`);
  await countProjectUsage(database, 1024, 5_000);
  const counted = (await readProjectUsage(database)).find(
    ({ projectId }) => projectId === NEIGHBOR,
  );
  const bytes = counted?.storedBytes ?? 0;
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(400_000);
});

test("a job tells how many subscriptions were made to it", async () => {
  const first = await accept(ATTACKER, ["a", "a", "b"]);
  const second = await accept(ATTACKER, ["a"]);
  const counts = [...first.accepted, ...second.accepted].map((row) =>
    row.kind === "accepted" ? row.subscriptionCount : null,
  );
  // The subscription that created the job is counted alone, without those beside it.
  expect(counts.toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([1, 1, 2, 3]);
});
