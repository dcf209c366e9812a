import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/store/database.ts";
import { renewLease } from "../../src/store/node-leases.ts";
import { openTestDatabase } from "../support/database.ts";
import { uuids } from "../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});

afterAll(() => drop());

const newId = () => uuids(Date.now(), 0);

function renew(id: string, liveJobs: Record<string, number>, leaseMs = 60_000) {
  const node = { id, address: "http://node.test", liveJobs: new Map(Object.entries(liveJobs)) };
  return renewLease(database, node, leaseMs, 10_000);
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
