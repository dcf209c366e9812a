import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/store/db/database.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { ownIdentity } from "../../src/runtime/process/process-identity.ts";
import { renewLease } from "../../src/store/nodes.ts";
import { setByDatabase } from "../../src/store/db/read-clock.ts";
import { openTestDatabase } from "../support/database.ts";
import { uuids } from "../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});

afterAll(() => drop());

const newId = () => uuids(Date.now(), 0);

async function renew(id: string, liveJobs: Record<string, number>, leaseMs = 60_000) {
  const node = {
    id,
    address: "http://node.test",
    identity: ownIdentity(),
    liveJobs: new Map(Object.entries(liveJobs)),
  };
  return (await renewLease(database, node, leaseMs, 10_000)).liveJobsElsewhere;
}

test("a renewal tells what the other live nodes watch, in all, as they said last", async () => {
  const [first, second, third, dead] = [newId(), newId(), newId(), newId()];
  expect(await renew(first, { p: 1 })).toEqual(new Map());
  await renew(second, { p: 10, q: 3 });
  await renew(second, { p: 20, q: 3 });
  await renew(dead, { p: 1000 }, -1);
  expect(await renew(third, {})).toEqual(
    new Map([
      ["p", 21],
      ["q", 3],
    ]),
  );
  expect(await renew(first, { p: 1 })).toEqual(
    new Map([
      ["p", 20],
      ["q", 3],
    ]),
  );
});

test("the database's clock sets one that is an hour off, to within the way there and back", async () => {
  const clock = new SystemClock({
    wall: () => Date.now() - 3_600_000,
    monotonic: () => performance.now(),
  });
  expect(Math.abs(clock.now() - Date.now())).toBeGreaterThan(3_000_000);
  const sentAtMs = performance.now();
  await setByDatabase(clock, database);
  const tripMs = performance.now() - sentAtMs;
  // The test's database is on this machine.
  const beforeMs = Date.now();
  const nowMs = clock.now();
  expect(nowMs).toBeGreaterThan(beforeMs - tripMs - 5);
  expect(nowMs).toBeLessThan(Date.now() + tripMs + 5);
  expect(Math.abs(clock.systemAheadMs() + 3_600_000)).toBeLessThan(tripMs + 5);
});
