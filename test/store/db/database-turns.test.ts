import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RequestDeadline } from "../../../src/runtime/request-deadline.ts";
import type { PooledDatabase } from "../../../src/store/db/database.ts";
import { isNotBegun, NoDatabaseTurnError } from "../../../src/store/db/errors.ts";
import { openTestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Groups may use three of the four connections of a test's database. */
const CALLS_OF_GROUPS_MAX = 3;
const PER_GROUP_MAX = 2;

let database: PooledDatabase;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
  database.callsPerGroupMax = () => PER_GROUP_MAX;
});
afterAll(() => drop());

/** A call of a group that holds its connection until it is let go. */
function hold(group: string, request?: RequestDeadline) {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const call = database.within(request, group).run("hold", async (sql) => {
    await sql.unsafe("select 1");
    begun.resolve();
    await end.promise;
  });
  return { call, begun: begun.promise, end: end.resolve };
}

const ask = (group?: string) =>
  database.within(undefined, group).run("ask", (sql) => sql.unsafe("select 1"));

describe("a group that makes more calls than it may", () => {
  test("a group that makes more calls than it may waits for its own, and keeps neither another group nor the gateway waiting", async () => {
    const loud = Array.from({ length: 200 }, () => hold("loud"));
    await Promise.all(loud.slice(0, PER_GROUP_MAX).map(({ begun }) => begun));
    expect(database.callsOf("loud")).toBe(PER_GROUP_MAX);
    expect(await ask("quiet")).toHaveLength(1);
    expect(await ask()).toHaveLength(1);
    expect(database.waiting).toBe(0);
    for (const { end } of loud) end();
    await Promise.all(loud.map(({ call }) => call));
    expect(database.callsOf("loud")).toBe(0);
  });

  test("a group that makes more calls than it may leaves connections for the gateway together with all others", async () => {
    const held = Array.from({ length: 2 * CALLS_OF_GROUPS_MAX }, (_, index) =>
      hold(`group ${index}`),
    );
    await Promise.all(held.slice(0, CALLS_OF_GROUPS_MAX).map(({ begun }) => begun));
    expect(await ask()).toHaveLength(1);
    for (const { end } of held) end();
    await Promise.all(held.map(({ call }) => call));
  });

  test("a group that makes more calls than it may is refused when its turn does not come in time, and nothing was sent", async () => {
    const clock = new FakeClock();
    const held = Array.from({ length: PER_GROUP_MAX }, () => hold("loud"));
    await Promise.all(held.map(({ begun }) => begun));
    const request = new RequestDeadline(clock, 1_000);
    const refused = hold("loud", request).call.catch((error: unknown) => error);
    await clock.advanceSettling(1_000);
    const error = await refused;
    expect(error).toBeInstanceOf(NoDatabaseTurnError);
    expect(isNotBegun(error)).toBe(true);
    expect(request.hasBegunWork).toBe(false);
    for (const { end } of held) end();
    await Promise.all(held.map(({ call }) => call));
    expect(await ask("loud")).toHaveLength(1);
  });

  test("a group that makes more calls than it may is refused at once when too many of its calls wait", async () => {
    const held = Array.from({ length: PER_GROUP_MAX + 1_000 }, () => hold("loud"));
    await expect(ask("loud")).rejects.toBeInstanceOf(NoDatabaseTurnError);
    expect(await ask("quiet")).toHaveLength(1);
    for (const { end } of held) end();
    await Promise.all(held.map(({ call }) => call));
  });
});

test("a call that its request has given up counts until it is over", async () => {
  const clock = new FakeClock();
  const request = new RequestDeadline(clock, 1_000);
  const abandoned = hold("loud", request);
  await abandoned.begun;
  const givenUp = abandoned.call.catch(() => "given up");
  await clock.advanceSettling(1_000);
  expect(await givenUp).toBe("given up");
  expect(database.callsOf("loud")).toBe(1);
  abandoned.end();
  await expect.poll(() => database.callsOf("loud"), { timeout: 60_000 }).toBe(0);
});
