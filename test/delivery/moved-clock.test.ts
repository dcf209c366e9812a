import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SigningKeys } from "../../src/delivery/attempt/signing-keys.ts";
import type { Database } from "../../src/store/db/database.ts";
import { openTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { answered, LoopHarness } from "./loop-harness.ts";

const HOUR_MS = 3_600_000;
const V1 = ["v1"] as const;

let database: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterAll(() => drop());

describe.each([
  ["back", -HOUR_MS],
  ["forward", HOUR_MS],
])("a clock set %s by an hour", (_, byMs) => {
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

  const move = (): void => harness.clock.setNow(harness.clock.now() + byMs);

  test("a clock that is set back or forward moves no retry that waits in memory", async () => {
    harness.retryScheduleMs = [1500];
    harness.answer = () => answered(500);
    for (const delivery of await harness.owe(1)) await harness.handOver(delivery);
    await harness.over(1);
    move();
    harness.answer = () => answered(200);
    harness.clock.advance(1000);
    expect(harness.sent.all).toHaveLength(1);
    harness.clock.advance(1000);
    await harness.over(2);
  });

  test("a clock that is set back or forward hides nothing from the reading of due deliveries", async () => {
    // The reader has come to this one's time before the clock is moved.
    await harness.owe(1);
    await harness.nextRead();
    await harness.over(1);
    move();
    await harness.owe(1);
    await harness.nextRead();
    await harness.over(2);
    expect(harness.sent.all).toHaveLength(2);
  });
});

test("a clock that is put back holds up no sweep of what was missed", async () => {
  await database.run(
    "empty",
    (sql) => sql`truncate jobs, subscriptions, events, deliveries, attempts`,
  );
  const harness = new LoopHarness(database);
  await harness.loop.start();
  await harness.owe(1);
  await harness.nextRead();
  await harness.over(1);
  harness.clock.setNow(harness.clock.now() - 1500);
  // Due before what was read last, which only a sweep looks at.
  await harness.owe(1, -60_000);
  for (let second = 0; second < 31; second += 1) await harness.nextRead();
  await harness.over(2);
  expect(harness.sent.all).toHaveLength(2);
  await harness.close();
});

test("keys are read again after two seconds, whatever is done to the clock", async () => {
  const clock = new FakeClock();
  let reads = 0;
  const keys = new SigningKeys(clock, () => {
    reads += 1;
    const signing = { scheme: "v1", key: Buffer.from([reads]) } as const;
    return Promise.resolve([{ signing, expiresAtMs: null }]);
  });
  await keys.of("project", V1);
  clock.setNow(clock.now() - HOUR_MS);
  clock.advance(1999);
  await keys.of("project", V1);
  expect(reads).toBe(1);
  clock.advance(1);
  expect(await keys.of("project", V1)).toMatchObject([{ key: Buffer.from([2]) }]);
});
