import { callbackLimits } from "../../../src/delivery/delivery-settings.ts";
import { OwnedShards } from "../../../src/runtime/owned-shards.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { OperationalEvent } from "../../../src/core/delivery/operational-event.ts";
import { OperationalEvents } from "../../../src/delivery/operational/operational-events.ts";
import { type SigningKey, signingKey } from "../../../src/delivery/attempt/sign.ts";
import type {
  OutboundRequest,
  RequestOutcome,
} from "../../../src/outbound/exchange/request-outcome.ts";
import { openTestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { SIGNING_SECRET } from "../../support/gateway-environment.ts";
import { TestLimits } from "../../support/project-limits.ts";
import { PROJECT_ID, uuids } from "../../support/rows.ts";
import { answered } from "../loop-harness.ts";
import { testRuntime } from "../../support/runtime.ts";

const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
let clock: FakeClock;
let sent: OutboundRequest[];
let status: number;
let url: string | null;
let keys: SigningKey[];
/** The receiver's own handling of a request; null answers with `status`. */
let answer: ((request: OutboundRequest) => Promise<RequestOutcome>) | null;

beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());

beforeEach(async () => {
  await opened.database.run("empty", (sql) => sql`truncate operational_events`);
  clock = new FakeClock(Date.now());
  sent = [];
  status = 204;
  answer = null;
  keys = [signingKey("v1", SIGNING_SECRET)];
  url = "https://operations.test/hook?a=1";
});
/** The operational events of one node. */
function node(shardIds: readonly number[] = ALL_SHARDS): OperationalEvents {
  return new OperationalEvents(testRuntime({ clock, uuids }), {
    database: opened.database,
    userAgent: "Ringback/test",
    callbackTimeoutMs: 1000,
    shards: new OwnedShards(shardIds),
    settings: {
      of: () => ({ retryScheduleMs: [], signatures: ["v1"], limits: callbackLimits(1, null) }),
      operationsUrlOf: () => url,
    },
    signingKeys: { of: async () => keys },
    callbackClient: {
      async send(request) {
        sent.push(request);
        return answer === null ? answered(status) : answer(request);
      },
    },
  });
}

/** One round, and all that it sends. */
async function round(one: OperationalEvents): Promise<void> {
  await one.round();
  await one.settled();
}

const news = (more: Partial<OperationalEvent> = {}): OperationalEvent => ({
  projectId: PROJECT_ID,
  subject: "callback origin https://a.test",
  type: "callback_origin.failing",
  data: { callback_origin: "https://a.test" },
  ...more,
});

const recovered = news({ type: "callback_origin.recovered" });

test("a project keeps a bounded number of events, and another's are stored beside them", async () => {
  const limits = new TestLimits({ operational_events: 50 });
  const [one, other] = [node([]), uuids(clock.now(), 0)];
  one.keepTo(limits);
  const stored = async (projectId: string): Promise<number> => {
    const [row] = await opened.database.run(
      "look",
      (sql) =>
        sql<{ rows: number }[]>`
          select count(*)::int as rows from operational_events where project_id = ${projectId}`,
    );
    return row?.rows ?? 0;
  };
  for (let minute = 0; minute < 5; minute += 1) {
    for (let origin = 0; origin < 40; origin += 1) {
      one.publish(news({ subject: `callback origin ${minute} ${origin}` }));
    }
    one.publish(news({ projectId: other, subject: `callback origin ${minute}` }));
    await round(one);
    clock.advance(60_001);
  }
  // The second minute's are stored before they are counted.
  expect(await stored(PROJECT_ID)).toBe(80);
  expect(await stored(other)).toBe(5);
  expect(limits.refusals.length).toBe(120);
  await opened.database.run(
    "forget",
    (sql) => sql`delete from operational_events where project_id = ${PROJECT_ID}`,
  );
  await round(one);
  one.publish(news());
  await round(one);
  expect(await stored(PROJECT_ID)).toBe(1);
});

const told = () =>
  sent.map(({ body }) => {
    const { type, data } = JSON.parse(String(body));
    return [type, data.occurrences];
  });

const rows = () => opened.database.run("test", (sql) => sql`select * from operational_events`);

describe("news", () => {
  test("an operational event is sent soon, signed, with its own id", async () => {
    const one = node();
    one.publish(news());
    await round(one);
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
    await round(one);
    expect(sent).toHaveLength(1);
  });

  test("an operational event of one subject is sent once a minute, however often it occurs and on however many nodes", async () => {
    const nodes = [node(), node([]), node([])];
    for (let step = 0; step < 30; step += 1) {
      for (const one of nodes) for (const _ of [1, 2, 3, 4, 5]) one.publish(news());
      for (const one of nodes) await round(one);
      clock.advance(5_000);
    }
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(sent.length).toBeLessThanOrEqual(3);
    const times = told();
    expect(times[0]).toEqual(["callback_origin.failing", 5]);
    // The next ones say how often it was since.
    expect(times[1]?.[1]).toBeGreaterThan(50);
  });

  test("an operational event that was overtaken before it was sent is dropped, and the last one is sent", async () => {
    const one = node();
    one.publish(news());
    await round(one);
    one.publish(recovered);
    one.publish(news());
    one.publish(recovered);
    await round(one);
    expect(told()).toEqual([["callback_origin.failing", 1]]);
    clock.advance(60_000);
    await round(one);
    expect(told()).toEqual([
      ["callback_origin.failing", 1],
      ["callback_origin.recovered", 1],
    ]);
  });

  test("an operational event of another subject does not wait", async () => {
    const one = node();
    one.publish(news());
    one.publish(news({ subject: "connection 1", type: "connection.paused", data: {} }));
    await round(one);
    const types = told().map(([type]) => String(type));
    expect(new Set(types)).toEqual(new Set(["callback_origin.failing", "connection.paused"]));
  });

  test("an operational event that every node sees is sent by one of them", async () => {
    const nodes = [node(ALL_SHARDS.slice(0, 128)), node(ALL_SHARDS.slice(128))];
    for (const one of nodes) {
      one.publishOnce(news());
      one.publishOnce(null);
    }
    for (const one of nodes) await round(one);
    expect(told()).toEqual([["callback_origin.failing", 1]]);
  });

  test("an operational event costs nothing when no project wants it", async () => {
    url = null;
    const one = node();
    one.publish(news());
    await round(one);
    expect(await rows()).toHaveLength(0);
  });

  test("an unknown status is kept for a project without an operations URL, and never sent", async () => {
    const unknown = news({ subject: "provider pulse", type: "provider.unknown_status", data: {} });
    url = null;
    const one = node();
    one.publish(unknown);
    await round(one);
    clock.advance(60_000);
    one.publish(unknown);
    one.publish(unknown);
    await round(one);
    expect(await rows()).toMatchObject([
      { settled_as: "unwanted", due_at: null, occurrences: 3, attempt_count: 0 },
    ]);
    url = "https://operations.test/hook";
    clock.advance(60_000);
    await round(one);
    expect(sent).toEqual([]);
    // Later events are sent.
    one.publish(unknown);
    await round(one);
    expect(told()).toMatchObject([["provider.unknown_status", expect.any(Number)]]);
    expect(await rows()).toMatchObject([{ settled_as: "delivered", sent_to: url }]);
  });
});

describe("a receiver that does not answer", () => {
  const OTHER_PROJECT_ID = uuids(Date.now(), 0);
  let letGo: () => void;
  beforeEach(() => {
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    letGo = () => resolve(answered(204));
    answer = () => (sent.length > 1 ? Promise.resolve(answered(204)) : promise);
  });

  test("an unresponsive receiver of operational events delays its own project only", async () => {
    const one = node();
    one.publish(news());
    await one.round();
    one.publish(news({ subject: "another" }));
    one.publish(news({ projectId: OTHER_PROJECT_ID, type: "connection.paused" }));
    await one.round();
    await vi.waitFor(() => expect(told().at(-1)?.[0]).toBe("connection.paused"), {
      timeout: 60_000,
    });
    expect(sent).toHaveLength(2);
    letGo();
    await one.settled();
    await round(one);
    expect(sent).toHaveLength(3);
  });

  test("an unresponsive receiver gets no further events until it answers, and then only new ones", async () => {
    const one = node();
    one.publish(news());
    one.publish(news());
    await one.round();
    // By another node, which knows nothing of this minute.
    const another = node([]);
    for (const _ of [1, 2, 3]) another.publish(news());
    await round(another);
    letGo();
    await one.settled();
    await round(one);
    expect(sent).toHaveLength(1);
    clock.advance(60_000);
    await round(one);
    expect(told()).toEqual([
      ["callback_origin.failing", 2],
      ["callback_origin.failing", 3],
    ]);
  });
});

describe("news that is not taken", () => {
  test("an undelivered operational event is not followed by another of its subject within the minute", async () => {
    status = 500;
    const one = node();
    one.publish(news());
    await round(one);
    clock.advance(1000);
    const another = node();
    another.publish(recovered);
    await round(another);
    expect(sent).toHaveLength(1);
    clock.advance(59_000);
    await round(another);
    expect(told().at(-1)).toEqual(["callback_origin.recovered", 1]);
  });

  test("an operational event cut off by a stop is not the receiver's failure, and the next node sends it", async () => {
    const one = node();
    const failure = { code: "aborted", message: "The gateway is stopping" } as const;
    answer = async () => ({ kind: "failed", failure, durationMs: 1 });
    one.publish(news());
    await round(one);
    answer = null;
    await round(node());
    expect(sent).toHaveLength(2);
    expect(sent[1]?.headers["webhook-id"]).toBe(sent[0]?.headers["webhook-id"]);
  });

  test("an undelivered operational event is repeated with the same id, also by the next node", async () => {
    status = 500;
    const first = node();
    first.publish(news());
    await round(first);
    await round(first);
    expect(sent).toHaveLength(1);
    clock.advance(10_000);
    status = 204;
    await round(node());
    expect(sent).toHaveLength(2);
    expect(await rows()).toMatchObject([
      { settled_as: "delivered", http_status: 204, last_error: null, attempt_count: 2 },
    ]);
    expect(sent[1]?.headers["webhook-id"]).toBe(sent[0]?.headers["webhook-id"]);
    clock.advance(600_000);
    await round(node());
    expect(sent).toHaveLength(2);
  });

  test("an undelivered operational event is given up after six attempts, or at once after a 410", async () => {
    status = 500;
    const one = node();
    one.publish(news());
    for (let hour = 0; hour < 12; hour += 1) {
      await round(one);
      clock.advance(3_600_000);
    }
    expect(sent).toHaveLength(6);
    expect(await rows()).toMatchObject([
      { settled_as: "exhausted", sent_to: url, http_status: 500, attempt_count: 6 },
    ]);
    status = 410;
    one.publish(recovered);
    await round(one);
    clock.advance(24 * 3_600_000);
    await round(one);
    expect(sent).toHaveLength(7);
  });

  test("an operational event is never sent unsigned", async () => {
    const one = node();
    keys = [];
    one.publish(news());
    await round(one);
    expect(sent).toEqual([]);
    keys = [signingKey("v1", SIGNING_SECRET)];
    clock.advance(10_000);
    await round(one);
    expect(sent).toHaveLength(1);
  });

  test("an operational event is dropped when the project no longer wants it", async () => {
    status = 500;
    const one = node();
    one.publish(news());
    await round(one);
    url = null;
    clock.advance(10_000);
    await round(one);
    url = "https://operations.test/";
    await round(one);
    expect(sent).toHaveLength(1);
  });
});

test("a node that stops leaves its news to the others", async () => {
  const one = node([]);
  await one.start();
  one.publish(news());
  await one.stop();
  await round(node());
  expect(told()).toEqual([["callback_origin.failing", 1]]);
});
