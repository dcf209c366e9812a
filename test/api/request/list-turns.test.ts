import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkedApp } from "../../support/checked-app.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { ApiFixture, problemOf } from "../api-fixture.ts";

const LISTS = 40;

let api: ApiFixture;
let attacker: string;
let neighbor: string;
/** The lists that wait for the database, and what lets one of them go on. */
let reading: (() => void)[];
let app: ReturnType<typeof checkedApp>;

beforeAll(async () => {
  api = await ApiFixture.open();
  for (const name of ["attacker", "neighbor"]) {
    const projectId = api.uuid();
    await api.addProject(projectId, name);
    const key = await api.addKey(["subscriptions:read"], { projectId });
    if (name === "attacker") attacker = key;
    else neighbor = key;
  }
});
afterAll(() => api.close());

beforeEach(() => {
  reading = [];
  app = checkedApp({
    ...api.services,
    database: { within: (deadline) => heldUp(api.services.database.within(deadline)) },
  });
});

/** Every list of deliveries waits until the test lets it go on; everything else passes. */
function heldUp(database: Database): Database {
  return {
    async run(name, ...call) {
      if (name === "find-deliveries") {
        await new Promise<void>((resolve) => void reading.push(resolve));
      }
      return database.run(name, ...call);
    },
    transaction: (...call) => database.transaction(...call),
  };
}

function list(key: string): Promise<Response> {
  const headers = { authorization: `Bearer ${key}` };
  return Promise.resolve(
    app.request("/v1/deliveries?callback_origin=https://a.example", { headers }),
  );
}

/** Resolves once so many lists read the database. */
async function untilReading(count: number): Promise<void> {
  await expect.poll(() => reading.length, { timeout: 60_000 }).toBe(count);
}

describe("forty filtered lists of one project at once", () => {
  test("forty filtered lists of one project take two connections, so another project's list is read at once", async () => {
    const lists = Array.from({ length: LISTS }, () => list(attacker));
    await untilReading(2);
    const other = list(neighbor);
    await untilReading(3);
    reading[2]?.();
    expect((await other).status).toBe(200);
    // All of them come to an end, two at a time.
    for (let read = 0; read < LISTS + 1; read += 1) {
      await expect.poll(() => reading[read], { timeout: 60_000 }).toBeDefined();
      expect(reading.length - read).toBeLessThanOrEqual(3);
      reading[read]?.();
    }
    for (const answer of await Promise.all(lists)) expect(answer.status).toBe(200);
  });

  test("filtered lists that wait too long are refused with the reason", async () => {
    const lists = Array.from({ length: 3 }, () => list(attacker));
    await untilReading(2);
    await api.clock.advanceSettling(3_000);
    const refused = await Promise.race(lists);
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(await problemOf(refused)).toMatchObject({
      code: "too_many_requests",
      limit: "lists_running",
      allowed: 2,
    });
    expect(api.limits.refusals).toEqual(["lists_running"]);
    for (const proceed of reading) proceed();
    await Promise.all(lists);
  });
});
