import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationalNews } from "../../src/core/operational-event.ts";
import { OperationalEvents } from "../../src/delivery/operational-events.ts";
import { type SigningKey, signingKey } from "../../src/delivery/sign-callback.ts";
import type { OutboundRequest } from "../../src/outbound/request-outcome.ts";
import { createLog } from "../../src/runtime/log.ts";
import { forgetOperationalEvents } from "../../src/store/operational-events.ts";
import { openTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { PROJECT_ID, uuids } from "../support/rows.ts";
import { answered } from "./loop-harness.ts";

const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
let clock: FakeClock;
let sent: OutboundRequest[];
let status: number;
let url: string | null;
let keys: SigningKey[];

beforeEach(async () => {
  opened = await openTestDatabase();
  clock = new FakeClock(Date.now());
  sent = [];
  status = 204;
  keys = [signingKey("v1", SIGNING_SECRET)];
  url = "https://operations.test/hook?a=1";
});
afterEach(() => opened.drop());

/** What a node has of it. */
function node(shardIds: readonly number[] = ALL_SHARDS): OperationalEvents {
  return new OperationalEvents({
    database: opened.database,
    clock,
    log: createLog({ level: "silent", format: "json" }),
    uuids,
    userAgent: "Ringback/test",
    callbackTimeoutMs: 1000,
    ownedShards: () => shardIds,
    urlOf: () => url,
    signingKeys: async () => keys,
    async send(request) {
      sent.push(request);
      return answered(status);
    },
  });
}

const news = (more: Partial<OperationalNews> = {}): OperationalNews => ({
  projectId: PROJECT_ID,
  subject: "callback origin https://a.test",
  type: "callback_origin.failing",
  data: { callback_origin: "https://a.test" },
  ...more,
});

const recovered = news({ type: "callback_origin.recovered" });

const told = () =>
  sent.map(({ body }) => {
    const { type, data } = JSON.parse(String(body));
    return [type, data.occurrences];
  });

const rows = () => opened.database.run("test", (sql) => sql`select * from operational_events`);

describe("news", () => {
  test("is told soon, signed, under an id of its own", async () => {
    const one = node();
    one.tell(news());
    await one.round();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      method: "POST",
      origin: "https://operations.test",
      path: "/hook?a=1",
      headers: {
        "webhook-id": expect.stringMatching(/^ope_[0-9a-f]{32}$/),
        "webhook-signature": expect.stringMatching(/^v1,/),
      },
    });
    await one.round();
    expect(sent).toHaveLength(1);
  });

  test("of one subject is told once a minute, however often it comes and on however many nodes", async () => {
    const nodes = [node(), node([]), node([])];
    for (let second = 0; second < 150; second += 1) {
      for (const one of nodes) one.tell(news());
      for (const one of nodes) await one.round();
      clock.advance(1000);
    }
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(sent.length).toBeLessThanOrEqual(3);
    const times = told();
    expect(times[0]).toEqual(["callback_origin.failing", 1]);
    // The next ones say how often it was since.
    expect(times[1]?.[1]).toBeGreaterThan(50);
  });

  test("that is overtaken before it could be told is not told, and the last is", async () => {
    const one = node();
    one.tell(news());
    await one.round();
    one.tell(recovered);
    one.tell(news());
    one.tell(recovered);
    await one.round();
    expect(told()).toEqual([["callback_origin.failing", 1]]);
    clock.advance(60_000);
    await one.round();
    expect(told()).toEqual([
      ["callback_origin.failing", 1],
      ["callback_origin.recovered", 1],
    ]);
  });

  test("of another subject waits for nobody", async () => {
    const one = node();
    one.tell(news());
    one.tell(news({ subject: "connection 1", type: "connection.paused", data: {} }));
    await one.round();
    const types = told().map(([type]) => String(type));
    expect(new Set(types)).toEqual(new Set(["callback_origin.failing", "connection.paused"]));
  });

  test("that every node sees is told by one of them", async () => {
    const nodes = [node(ALL_SHARDS.slice(0, 128)), node(ALL_SHARDS.slice(128))];
    for (const one of nodes) {
      one.tellOnce(news());
      one.tellOnce(null);
    }
    for (const one of nodes) await one.round();
    expect(told()).toEqual([["callback_origin.failing", 1]]);
  });

  test("costs nothing where nobody wants to know", async () => {
    url = null;
    const one = node();
    one.tell(news());
    await one.round();
    expect(await rows()).toHaveLength(0);
  });
});

describe("news that is not taken", () => {
  test("is tried again under the same id, also by the next node, until it is", async () => {
    status = 500;
    const first = node();
    first.tell(news());
    await first.round();
    await first.round();
    expect(sent).toHaveLength(1);
    clock.advance(10_000);
    status = 204;
    await node().round();
    expect(sent).toHaveLength(2);
    expect(sent[1]?.headers["webhook-id"]).toBe(sent[0]?.headers["webhook-id"]);
    clock.advance(600_000);
    await node().round();
    expect(sent).toHaveLength(2);
  });

  test("is given up after six attempts, or at once after a 410", async () => {
    status = 500;
    const one = node();
    one.tell(news());
    for (let hour = 0; hour < 12; hour += 1) {
      await one.round();
      clock.advance(3_600_000);
    }
    expect(sent).toHaveLength(6);
    status = 410;
    one.tell(recovered);
    await one.round();
    clock.advance(24 * 3_600_000);
    await one.round();
    expect(sent).toHaveLength(7);
  });

  test("is not sent unsigned", async () => {
    const one = node();
    keys = [];
    one.tell(news());
    await one.round();
    expect(sent).toEqual([]);
    keys = [signingKey("v1", SIGNING_SECRET)];
    clock.advance(10_000);
    await one.round();
    expect(sent).toHaveLength(1);
  });

  test("is dropped when the project does not want it any more", async () => {
    status = 500;
    const one = node();
    one.tell(news());
    await one.round();
    url = null;
    clock.advance(10_000);
    await one.round();
    url = "https://operations.test/";
    await one.round();
    expect(sent).toHaveLength(1);
  });
});

test("a node that stops leaves its news to the others", async () => {
  const one = node([]);
  await one.start();
  one.tell(news());
  await one.stop();
  await node().round();
  expect(told()).toEqual([["callback_origin.failing", 1]]);
});

test("what was told long ago is forgotten", async () => {
  const one = node();
  one.tell(news());
  await one.round();
  expect(await forgetOperationalEvents(opened.database, ALL_SHARDS)).toBe(0);
  await opened.database.run(
    "test",
    (sql) => sql`update operational_events set occurred_at = now() - interval '25 hours'`,
  );
  expect(await forgetOperationalEvents(opened.database, ALL_SHARDS)).toBe(1);
});
