import { OwnedShards } from "../../src/runtime/owned-shards.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { DeliveryLoop } from "../../src/delivery/delivery-loop.ts";
import { callbackLimits } from "../../src/delivery/delivery-settings.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import type { EventContent } from "../../src/core/delivery/event.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { DUE_ROWS_MAX } from "../../src/store/deliveries/find-due-deliveries.ts";
import { type OwedDelivery, recordEvents } from "../../src/store/writes/record-events.ts";
import { openWriters } from "../support/writers.ts";
import { openClient, serveHttp, serveTcp } from "../outbound/local-servers.ts";
import { Arrivals } from "../support/arrivals.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, completedRow } from "../support/rows.ts";
import { multiply } from "./multiply.ts";
import { openBox } from "../polling/jobs.ts";
import { testRuntime } from "../support/runtime.ts";

const OWED = 100_000;
const SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);
/** Of one measurement, a few milliseconds apart. */
const SAMPLES = 200;
const SAMPLE_GAP_MS = 3;

let database: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterAll(() => drop());

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
});

/** A job that has ended, and what it owes to so many subscriptions at this origin. */
async function owe(
  origin: string,
  count: number,
): Promise<{ owed: readonly OwedDelivery[]; event: EventContent }> {
  const target = { callbackUrl: `${origin}/hook`, callbackOrigin: origin };
  const jobId = `job-${Math.random()}`;
  const rows = Array.from({ length: count }, () => acceptRow(jobId, target));
  const [accepted] = await acceptSubscriptions(database, rows);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  const ending = completedRow(accepted.subscription);
  const [recorded] = await recordEvents(database, [ending]);
  const event = { ...ending, jobId, provider: "pulse", createdAt: null, updatedAt: null };
  return { owed: recorded?.owed ?? [], event };
}

/** Counts statements and the rows that they returned. */
function watchDatabase() {
  const counts = { statements: 0, rows: 0, lastPage: Infinity };
  const run = database.run.bind(database);
  const spy = vi.spyOn(database, "run").mockImplementation(async (name, work, options) => {
    const result = await run(name, work, options);
    if (!/due|of-origin|held-back/.test(name)) return result;
    const { length } = result as unknown[];
    if (name === "find-due-deliveries") counts.lastPage = length;
    counts.statements += 1;
    counts.rows += length;
    return result;
  });
  closing.push(async () => spy.mockRestore());
  return counts;
}

async function startLoop(): Promise<DeliveryLoop> {
  const log = createLog({ level: "silent", format: "json" });
  const client = openClient({ connectionsPerOriginMax: 100 });
  const writers = openWriters(database);
  const loop = new DeliveryLoop(testRuntime({ log, random: systemRandom }), {
    inboxFeed: { stored: () => {} },
    database,
    secretBox: openBox,
    userAgent: "Ringback/test",
    callbackTimeoutMs: 200,
    inlineResultBytesMax: 1000,
    breaker: { failuresInRowMax: 10, failingMsMin: 500, openMsInitial: 500, openMsMax: 1000 },
    shards: new OwnedShards(SHARDS),
    settings: {
      of: () => ({
        retryScheduleMs: [60_000, 60_000, 60_000],
        signatures: ["v1"],
        limits: callbackLimits(32, null),
      }),
    },
    resultLinks: { urlOf: (eventId) => eventId },
    signingKeys: { of: () => Promise.resolve([{ scheme: "v1", key: Buffer.alloc(32) }]) },
    callbackClient: client,
    writers,
    operationalEvents: { publish: () => undefined },
  });
  await loop.start();
  closing.push(
    () => writers.stop(),
    () => loop.stop(),
  );
  return loop;
}

test("a dead receiver to which 100,000 callbacks are owed costs little, and delays no other origin", async () => {
  const taken = new Arrivals<{ readonly id: string; readonly atMs: number }>("callbacks");
  const healthy = await serveHttp((request, response) => {
    request.resume();
    taken.push({ id: String(request.headers["webhook-id"]), atMs: performance.now() });
    response.end();
  });
  const dead = await serveTcp(() => undefined);
  const loop = await startLoop();
  /** The 99th percentile from a hand-over to its callback, in milliseconds. */
  const measure = async (): Promise<number> => {
    const before = taken.all.length;
    const { owed, event } = await owe(healthy.origin, SAMPLES);
    const handedOverAt = new Map<string, number>();
    for (const delivery of owed) {
      handedOverAt.set(publicId("delivery", delivery.id), performance.now());
      loop.enqueue([delivery], event, 13);
      await sleep(SAMPLE_GAP_MS);
    }
    const arrivals = (await taken.first(before + SAMPLES)).slice(before);
    const lags = arrivals.map(({ id, atMs }) => atMs - (handedOverAt.get(id) ?? 0));
    return lags.toSorted((a, b) => a - b)[Math.floor(SAMPLES * 0.99)] ?? Infinity;
  };
  await measure();
  // What else the machine does hits single measurements: the middle one of three counts, and then
  // the best of several, since what a dead receiver costs would show in all of them.
  const [, alone = 0] = [await measure(), await measure(), await measure()].toSorted(
    (a, b) => a - b,
  );
  const [one] = (await owe(dead.origin, 1)).owed;
  if (one !== undefined) await multiply(database, one, OWED);
  loop.reload();
  await vi.waitFor(() => expect(loop.outbox.failingOrigins).toHaveLength(1), { timeout: 60_000 });
  // Its reserve, and what was under way when it was found to fail.
  expect(loop.outbox.size).toBeLessThanOrEqual(64);
  expect(dead.sockets.length).toBeLessThan(300);

  const counts = watchDatabase();
  // All of it is looked at once, by its keys, after a start.
  await vi.waitFor(() => expect(counts.lastPage).toBeLessThan(DUE_ROWS_MAX), { timeout: 60_000 });
  Object.assign(counts, { statements: 0, rows: 0 });
  const startedAt = performance.now();
  let meanwhile = await measure();
  for (let more = 0; more < 2 || (more < 12 && meanwhile > 2 * alone); more += 1) {
    meanwhile = Math.min(meanwhile, await measure());
  }
  const seconds = (performance.now() - startedAt) / 1000;
  expect(meanwhile).toBeLessThanOrEqual(2 * alone);
  // A page a second of what waits for too long, and what a probe that failed makes room for.
  expect(counts.statements / seconds).toBeLessThan(20);
  expect(counts.rows / seconds).toBeLessThan(2 * DUE_ROWS_MAX);
  expect(loop.outbox.size).toBeLessThanOrEqual(33);
}, 240_000);
