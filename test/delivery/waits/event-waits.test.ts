import { afterEach, beforeEach, expect, test } from "vitest";
import { EventWaits } from "../../../src/delivery/waits/event-waits.ts";
import type { Database, PooledDatabase } from "../../../src/store/db/database.ts";
import { acceptSubscriptions } from "../../../src/store/writes/accept-subscriptions.ts";
import { recordEvents } from "../../../src/store/writes/record-events.ts";
import { openTestDatabase, type TestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { acceptRow, completedRow, PROJECT_ID } from "../../support/rows.ts";
import { testRuntime } from "../../support/runtime.ts";

const OTHER_PROJECT_ID = "01900000-0000-7000-8000-0000000000ff";
const NEVER = new AbortController().signal;

let scene: TestDatabase & { readonly database: PooledDatabase };
let clock: FakeClock;
let statements: number;
let waits: EventWaits;

beforeEach(async () => {
  scene = await openTestDatabase();
  clock = new FakeClock();
  statements = 0;
  const counted: Database = {
    run(name, work, options) {
      statements += 1;
      return scene.database.run(name, work, options);
    },
    transaction: (name, work, options) => scene.database.transaction(name, work, options),
  };
  waits = new EventWaits(testRuntime({ clock }), counted);
});
afterEach(() => scene.drop());

async function endJob(jobId: string): Promise<string> {
  const row = acceptRow(jobId);
  await acceptSubscriptions(scene.database, [row]);
  const ending = completedRow(row);
  await recordEvents(scene.database, [ending]);
  return ending.eventId;
}

const wait = (projectId: string, afterId: string) =>
  waits.wait({ projectId, afterId }, { timeoutMs: 60_000, signal: NEVER });

test("one statement serves all requests that wait, and none is sent while nothing waits", async () => {
  await waits.round();
  expect(statements).toBe(0);
  const waiting = Array.from({ length: 2_000 }, () => wait(PROJECT_ID, ""));
  const elsewhere = wait(OTHER_PROJECT_ID, "");
  await waits.round();
  expect(waits.size).toBe(2_001);
  const eventId = await endJob("job-1");
  await waits.round();
  expect(statements).toBe(2);
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(["settled"]));
  expect(waits.size).toBe(1);
  const again = wait(PROJECT_ID, eventId);
  await waits.round();
  expect(waits.size).toBe(2);
  clock.advance(60_000);
  expect(await again).toBe("timed_out");
  expect(await elsewhere).toBe("timed_out");
});

test("a stop ends the waits, and later ones are short", async () => {
  const before = wait(PROJECT_ID, "");
  waits.beginStopping();
  expect(await before).toBe("stopping");
  const after = wait(PROJECT_ID, "");
  clock.advance(1_000);
  expect(await after).toBe("stopping");
});
