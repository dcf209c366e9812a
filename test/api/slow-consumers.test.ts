import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";

/* A consumer that reads one message, is away for hours, and reads the next one. */

const MESSAGES = 12;
const HOUR_MS = 3_600_000;

let api: ApiFixture;
let ids: string[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  api = await ApiFixture.open();
  ids = [];
  for (let count = 0; count < MESSAGES; count += 1) ids.push(await message());
});
afterEach(async () => {
  vi.useRealTimers();
  await api.close();
});

async function message(): Promise<string> {
  const { id } = await api.subscribe({ callback_url: undefined, inbox: "orders" });
  const { deliveryId } = await api.end(id, { result: "1" });
  return `msg_${deliveryId?.replaceAll("-", "")}`;
}

async function read(query: string): Promise<Json> {
  const response = await api.request("GET", `/v1/inboxes/orders/messages?${query}`);
  expect(response.status).toBe(200);
  return response.json();
}

async function readOne(): Promise<string[]> {
  const page = await read("consumer=slow&limit=1");
  const path = "/v1/inboxes/orders/consumers/slow/ack";
  expect((await api.request("POST", path, { body: { cursor: page.cursor } })).status).toBe(200);
  return idsOf(page);
}

const idsOf = (page: Json): string[] => page.data.map((one: Json) => one.webhook_id);

/** Everything that the API holds for readers between their requests. */
async function held(): Promise<object> {
  return {
    waiting: api.limits.used(api.projectId, "requests_waiting"),
    watched: api.inboxFeed.size,
    connections: api.database.callsOf(api.projectId),
    claims: await api.sql("select name from inbox_consumers where reader_id is not null"),
  };
}

const NOTHING = { waiting: 0, watched: 0, connections: 0, claims: [] };

it("a slow consumer holds nothing between its messages, misses none, and delays no other consumer", async () => {
  const slow: string[] = [...(await readOne())];
  expect(await held()).toEqual(NOTHING);

  // Others get everything at once, and what comes while the slow one is away.
  expect(idsOf(await read("consumer=fast&limit=100"))).toEqual(ids);
  const waiting = read("consumer=fast&wait_s=30&cursor=" + (await read("limit=100")).cursor);
  await expect.poll(() => api.limits.used(api.projectId, "requests_waiting")).toBe(1);
  ids.push(await message());
  await api.inboxFeed.round();
  expect(idsOf(await waiting)).toEqual(ids.slice(-1));
  await expect.poll(held).toEqual(NOTHING);

  while (slow.length < ids.length) {
    api.clock.advance(HOUR_MS);
    slow.push(...(await readOne()));
    expect(await held()).toEqual(NOTHING);
  }
  expect(slow).toEqual(ids);
  expect((await read("consumer=slow")).data).toEqual([]);
});

it("a consumer that leaves too much unread has new subscriptions refused, which say what to do, and keeps what is there", async () => {
  api.acceptOutcome = { kind: "limit_reached", limit: "inbox_unread_bytes", allowed: 1_000 };
  const body = { job_id: "job", inbox: "orders" };
  const problem = await problemOf(await api.request("POST", "/v1/subscriptions", { body }));
  expect(problem).toMatchObject({
    code: "project_limit_exceeded",
    limit: "inbox_unread_bytes",
    allowed: 1_000,
    detail: expect.stringMatching(/acknowledge/i),
  });
  expect(await readOne()).toEqual(ids.slice(0, 1));
});
