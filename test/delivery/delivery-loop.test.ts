import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { publicId } from "../../src/core/ids/ids.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import type { Database } from "../../src/store/db/database.ts";
import { openTestDatabase } from "../support/database.ts";
import { completedRow, uuids } from "../support/rows.ts";
import { answered, LANE_CONCURRENCY, LoopHarness } from "./loop-harness.ts";
import { owed } from "./owed.ts";

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
  await harness.loop.start();
});
afterEach(() => harness.close());

/** Makes the receiver hang until the returned function is called. */
function hang(): (outcome: RequestOutcome) => void {
  const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
  harness.answer = () => promise;
  return resolve;
}

test("while no name server answers, nothing counts as attempted, and one goes ahead now and then", async () => {
  const failure = { code: "dns_failed", message: "No name server answered" } as const;
  harness.answer = () => Promise.resolve({ kind: "failed", failure, durationMs: 1 });
  const owed = await harness.owe(LANE_CONCURRENCY + 20);
  for (const delivery of owed) await harness.handOver(delivery);
  await harness.clock.advanceSettling(60_000);
  // Those before the first outcome, and one after each pause of 1, 2, 4, … seconds.
  expect(harness.sent.all.length).toBeGreaterThanOrEqual(6);
  expect(harness.sent.all.length).toBeLessThan(LANE_CONCURRENCY + 10);
  expect(harness.recorded.all).toHaveLength(0);
  expect(harness.originChanges.all).toEqual([]);

  const { length: before } = harness.sent.all;
  harness.answer = () => Promise.resolve(answered(200));
  await harness.clock.advanceSettling(60_000);
  await harness.over(owed.length);
  expect(harness.sent.all).toHaveLength(before + owed.length);
  expect(harness.recorded.all.map(({ attemptCount }) => attemptCount)).toEqual(owed.map(() => 0));
});

test.each([
  { connections: "open", isConnected: true, perTurn: 32 },
  { connections: "new", isConnected: false, perTurn: 8 },
])(
  "callbacks that fall due at once begin a few at a time, on $connections connections $perTurn between looks at the sockets",
  async ({ isConnected, perTurn }) => {
    harness.isConnected = isConnected;
    const end = hang();
    const COUNT = 200;
    for (let index = 0; index < COUNT; index += 1) {
      const callbackOrigin = `https://receiver-${index}.test`;
      harness.loop.outbox.admit(owed(harness.clock.now(), { callbackOrigin }));
    }
    const begunByTurn: number[] = [];
    for (let begun = 0; begun < COUNT;) {
      await nextTurn();
      begunByTurn.push(harness.sent.all.length - begun);
      begun = harness.sent.all.length;
    }
    end(answered(200));
    // Those that began at once, and those of the turn that this test waited for, come first.
    expect(Math.max(...begunByTurn)).toBeLessThanOrEqual(2 * perTurn);
    expect(Math.max(...begunByTurn.slice(1))).toBe(perTurn);
  },
);

describe("owed deliveries", () => {
  test("owed deliveries named in the same turn are read with one query", async () => {
    const owed = await harness.owe(20);
    await Promise.all(owed.map(({ shardId, id }) => harness.loop.deliver([{ shardId, id }])));
    await harness.over(20);
    expect(harness.reads.all.filter((name) => name === "load-deliveries")).toHaveLength(1);
  });

  test("an owed delivery that was not handed over is read and sent", async () => {
    const [delivery] = await harness.owe(1);
    await harness.nextRead();
    const [sent] = await harness.sent.first(1);
    expect(sent?.webhookId).toBe(publicId("delivery", delivery?.id ?? ""));
    await harness.over(1);
    await harness.nextRead();
    expect(harness.sent.all).toHaveLength(1);
    expect(harness.loop.outbox.size).toBe(0);
  });

  test("an owed delivery that is both handed over and read is sent once", async () => {
    const answer = hang();
    for (const delivery of await harness.owe(3)) await harness.handOver(delivery);
    await harness.nextRead();
    await harness.nextRead();
    expect(harness.sent.all).toHaveLength(3);
    answer(answered(200));
    await harness.over(3);
    await harness.nextRead();
    expect(harness.sent.all).toHaveLength(3);
  });

  test("an owed delivery is not sent after an older one of its subscription was answered 410", async () => {
    const answer = hang();
    for await (const delivery of harness.oweInOrder()) await harness.handOver(delivery);
    expect(harness.sent.all).toHaveLength(1);
    expect(harness.loop.outbox.size).toBe(2);
    answer(answered(410));
    await harness.settled();
    await harness.nextRead();
    expect(harness.sent.all).toHaveLength(1);
    expect(harness.loop.outbox.size).toBe(0);
  });

  test("a delivery that is delivered while a read still shows it as waiting is sent once", async () => {
    const { promise, resolve: endRead } = Promise.withResolvers<void>();
    harness.readGate = promise;
    const [delivery] = await harness.owe(1);
    const read = harness.nextRead();
    if (delivery !== undefined) await harness.handOver(delivery);
    await harness.over(1);
    endRead();
    await read;
    expect(harness.sent.all).toHaveLength(1);
    expect(harness.loop.outbox.size).toBe(0);
  });

  test("all owed deliveries are sent, even more than an origin may hold in memory", async () => {
    const owed = await harness.owe(2500);
    while (new Set(harness.recorded.all.map(({ deliveryId }) => deliveryId)).size < owed.length) {
      await harness.nextRead();
      await harness.over(Math.min(owed.length, harness.recorded.all.length + 1));
    }
    expect(harness.recorded.all).toHaveLength(2500);
    expect(harness.sent.all).toHaveLength(2500);
  });

  test("owed deliveries with large results are read in steps of bounded size, named or found, and all are sent", async () => {
    const result = JSON.stringify("x".repeat(200_000));
    const owed = await harness.owe(100, 0, result);
    await harness.loop.deliver(owed.slice(0, 60));
    await harness.nextRead();
    await harness.over(100);
    expect(harness.sent.all).toHaveLength(100);
    expect(harness.sent.all.every(({ body }) => body.length > result.length)).toBe(true);
    // At most 8 MiB in each.
    expect(harness.reads.all.filter((name) => name === "load-deliveries").length).toBe(3);
  });

  test("owed deliveries are sent only for the node's own shards", async () => {
    const [delivery] = await harness.owe(1);
    harness.ownedShards = harness.ownedShards.filter((shardId) => shardId !== delivery?.shardId);
    await harness.nextRead();
    if (delivery !== undefined) await harness.loop.deliver([delivery]);
    expect(harness.sent.all).toEqual([]);
    harness.ownedShards.push(delivery?.shardId ?? -1);
    harness.loop.reload();
    await harness.sent.first(1);
  });
});

describe("failed deliveries", () => {
  test("a failed delivery that is due soon is sent again from memory", async () => {
    harness.answer = () => answered(500);
    await harness.owe(1);
    await harness.nextRead();
    await harness.over(1);
    expect(harness.loop.outbox.size).toBe(1);
    harness.clock.advance(499);
    await nextTurn();
    expect(harness.sent.all).toHaveLength(1);
    harness.clock.advance(1);
    await harness.over(2);
    const [first, second] = harness.sent.all;
    expect(second).toMatchObject({ webhookId: first?.webhookId, body: first?.body });
  });

  test("a failed delivery that is due later is sent again from the database", async () => {
    harness.answer = () => answered(500);
    await harness.owe(1);
    await harness.nextRead();
    await harness.over(1);
    harness.clock.advance(500);
    await harness.over(2);
    expect(harness.loop.outbox.size).toBe(0);
    for (let second = 0; second < 6; second += 1) await harness.nextRead();
    await harness.over(3);
    const [, second, third] = harness.sent.all;
    expect((third?.atMs ?? 0) - (second?.atMs ?? 0)).toBe(5000);
    // The schedule is used up.
    for (let second = 0; second < 40; second += 1) await harness.nextRead();
    expect(harness.sent.all).toHaveLength(3);
  });

  test("a delivery whose attempt could not be recorded is sent again", async () => {
    harness.recordFailure = new Error("the database is away");
    await harness.owe(1);
    await harness.nextRead();
    for (let second = 0; second < 40 && harness.sent.all.length < 2; second += 1) {
      await harness.nextRead();
    }
    await harness.over(1);
    expect(harness.sent.all).toHaveLength(2);
    expect(harness.sent.all[1]?.webhookId).toBe(harness.sent.all[0]?.webhookId);
  });

  test("a failed delivery is sent again soon, though its shard was released and read again during the attempt", async () => {
    const answer = hang();
    const [delivery] = await harness.owe(1);
    await harness.nextRead();
    await harness.sent.first(1);
    harness.loop.outbox.dropShard(delivery?.shardId ?? -1);
    // The second read reaches further than the retry.
    await harness.owe(1, 600);
    harness.answer = () => answered(200);
    harness.loop.reload();
    await harness.rounds.first(2);
    answer(answered(500));
    await harness.over(1);
    for (let second = 0; second < 3; second += 1) await harness.nextRead();
    await harness.over(3);
    const again = harness.sent.all.filter(
      ({ webhookId }) => webhookId === publicId("delivery", delivery?.id ?? ""),
    );
    expect(again).toHaveLength(2);
  });
});

describe("answered callbacks that are not recorded yet", () => {
  const holdRecords = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    harness.recordGate = promise;
    return resolve;
  };
  /** Owes so much, and expects so many attempts in all and no more. */
  const expectSent = async (owed: number, sent: number): Promise<void> => {
    await harness.owe(owed);
    await harness.nextRead();
    await harness.sent.first(sent);
    await nextTurn();
    expect(harness.sent.all).toHaveLength(sent);
  };

  test("up to a thousand answered callbacks may wait for their record without blocking others", async () => {
    const record = holdRecords();
    await expectSent(1100, 1000 + LANE_CONCURRENCY);
    expect(harness.loop.outbox.size).toBe(1100);
    record();
    await harness.over(1100);
    expect(harness.sent.all).toHaveLength(1100);
    expect(harness.loop.outbox.size).toBe(0);
  });

  test("unrecorded callbacks of one project leave places to others, however many it has", async () => {
    const record = holdRecords();
    await expectSent(1100, 1000 + LANE_CONCURRENCY);
    const event = {
      ...completedRow({ shardId: 0, jobRowId: "" }),
      jobId: "job",
      provider: "pulse",
    };
    const content = { ...event, createdAt: null, updatedAt: null };
    const projectId = uuids(harness.clock.now(), 0);
    const quiet = (await harness.owe(LANE_CONCURRENCY + 20)).map((of) =>
      Object.assign(of, { projectId }),
    );
    harness.loop.enqueue(quiet, content, 13);
    await harness.sent.first(1000 + LANE_CONCURRENCY + quiet.length);
    record();
    await harness.over(1100 + quiet.length);
  });

  test("an answered callback keeps its lane occupied once: no other attempt when its record fails", async () => {
    harness.recordFailure = new Error("the database is away");
    const record = holdRecords();
    await expectSent(1, 1);
    record();
    await nextTurn();
    const answer = hang();
    await expectSent(100, 1 + LANE_CONCURRENCY);
    answer(answered(200));
  });

  test("a failed callback keeps its place in the lane until it is recorded", async () => {
    const record = holdRecords();
    harness.answer = () => answered(500);
    await expectSent(100, LANE_CONCURRENCY);
    record();
  });
});

describe("stopping", () => {
  test("stopping waits until running attempts are recorded, and begins no others", async () => {
    const answer = hang();
    for (const delivery of await harness.owe(40)) await harness.handOver(delivery);
    await harness.sent.first(32);
    const order: string[] = [];
    const stopped = harness.loop.stop().then(() => order.push("stopped"));
    await nextTurn();
    order.push("answered");
    answer(answered(200));
    await stopped;
    expect(order).toEqual(["answered", "stopped"]);
    expect(harness.recorded.all).toHaveLength(32);
    expect(harness.sent.all).toHaveLength(32);
  });

  test("stopping records nothing of an attempt that it cuts off", async () => {
    harness.answer = () => ({
      kind: "failed",
      failure: { code: "aborted", message: "The gateway is stopping" },
      durationMs: 1,
    });
    const [delivery] = await harness.owe(1);
    if (delivery !== undefined) await harness.handOver(delivery);
    await harness.loop.stop();
    expect(harness.sent.all).toHaveLength(1);
    expect(harness.recorded.all).toEqual([]);
  });
});
