import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { OwnedShards } from "../../src/runtime/owned-shards.ts";
import { DeliveryLoop } from "../../src/delivery/delivery-loop.ts";
import { callbackLimits } from "../../src/delivery/delivery-settings.ts";
import type { EventContent } from "../../src/core/delivery/event.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { systemRandom } from "../../src/runtime/runtime.ts";
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
const ROUNDS = 10;
/** Fewer than a lane may have in progress, so that each may begin at once. */
const CALLBACKS_PER_ROUND = 20;
/** Long enough to say how many statements there are in a second. */
const RATE_MS = 3_000;

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
    // Far longer than the healthy receiver takes, even on a busy machine.
    callbackTimeoutMs: 3_000,
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
  const taken = new Arrivals<string>("callbacks");
  const healthy = await serveHttp((request, response) => {
    request.resume();
    taken.push(String(request.headers["webhook-id"]));
    response.end();
  });
  const dead = await serveTcp(() => undefined);
  const loop = await startLoop();
  const [one] = (await owe(dead.origin, 1)).owed;
  if (one !== undefined) await multiply(database, one, OWED);
  loop.reload();
  await vi.waitFor(() => expect(loop.outbox.failingOrigins).toHaveLength(1), { timeout: 60_000 });
  // Its reserve, and what was in progress when it was found to fail.
  expect(loop.outbox.size).toBeLessThanOrEqual(64);
  expect(dead.sockets.length).toBeLessThan(300);

  const counts = watchDatabase();
  // All of it is looked at once, by its keys, after a start.
  await vi.waitFor(() => expect(counts.lastPage).toBeLessThan(DUE_ROWS_MAX), { timeout: 60_000 });
  Object.assign(counts, { statements: 0, rows: 0 });
  const startedAt = performance.now();
  let handedOver = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const { owed, event } = await owe(healthy.origin, CALLBACKS_PER_ROUND);
    const readsBefore = counts.statements;
    for (const delivery of owed) {
      loop.enqueue([delivery], event, 13);
      // Its attempt begins in the same turn: it waits for no lane, no space and no statement.
      expect(loop.outbox.stateOf(delivery.id)).toBe("sending");
    }
    expect(counts.statements).toBe(readsBefore);
    handedOver += owed.length;
    await taken.first(handedOver);
    await vi.waitFor(() => expect(owed.some(({ id }) => loop.outbox.holds(id))).toBe(false), {
      timeout: 60_000,
    });
  }
  const ids = new Set(taken.all);
  expect([ids.size, taken.all.length]).toEqual([handedOver, handedOver]);
  await vi.waitFor(() => expect(performance.now() - startedAt).toBeGreaterThan(RATE_MS), {
    timeout: 60_000,
    interval: 100,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  // A page a second of what waits for too long, and what a probe that failed makes room for.
  expect(counts.statements / seconds).toBeLessThan(20);
  expect(counts.rows / seconds).toBeLessThan(2 * DUE_ROWS_MAX);
  expect(loop.outbox.size).toBeLessThanOrEqual(33);
}, 240_000);
