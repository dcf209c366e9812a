import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConsumerClaims } from "../../src/delivery/waits/consumer-claims.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { testRuntime } from "../support/runtime.ts";
import { ApiFixture, CALLBACK_URL, type Json, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  api = await ApiFixture.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await api.close();
});

const INBOX = "/v1/inboxes/orders";
const MESSAGES = `${INBOX}/messages`;

/** A message in the inbox; returns its webhook-id. */
async function message(fields: object = {}, result = "1"): Promise<string> {
  const { id } = await subscribe(fields);
  const { deliveryId } = await api.end(id, { result });
  return `msg_${deliveryId?.replaceAll("-", "")}`;
}

async function subscribe(fields: object = {}): Promise<Json> {
  return api.subscribe({ callback_url: undefined, inbox: "orders", ...fields });
}

async function read(query = ""): Promise<Json> {
  const response = await api.request("GET", MESSAGES + query);
  expect(response.status).toBe(200);
  return response.json();
}

async function post(path: string, body: object, key?: string): Promise<Response> {
  return api.request("POST", INBOX + path, { body, ...(key !== undefined && { key }) });
}

async function ack(cursor: string, consumer = "worker"): Promise<void> {
  expect((await post(`/consumers/${consumer}/ack`, { cursor })).status).toBe(200);
}

const idsOf = (page: Json): string[] => page.data.map((one: Json) => one.webhook_id);

function untilWaiting(count: number): Promise<void> {
  return vi.waitFor(
    () => expect(api.limits.used(api.projectId, "requests_waiting")).toBe(count),
    60_000,
  );
}

describe("a subscription", () => {
  it("a subscription names an inbox instead of a callback URL, alone and in a batch, and shows it", async () => {
    const one = await subscribe({ metadata: { invoice: 17 } });
    expect(one).toMatchObject({ callback_url: null, inbox: "orders", status: "active" });
    const batch = await api.request("POST", "/v1/subscriptions/batch", {
      body: {
        subscriptions: [
          { job_id: "a", inbox: "orders" },
          { job_id: "b", inbox: "others" },
          { job_id: "c", inbox: "orders", callback_url: CALLBACK_URL },
        ],
      },
    });
    const { results } = (await batch.json()) as Json;
    expect(results.map(({ status }: Json) => status)).toEqual([201, 201, 422]);
    expect(results[1].subscription).toMatchObject({ inbox: "others", callback_url: null });
    const seen = await (await api.request("GET", `/v1/subscriptions/${one.id}`)).json();
    expect(seen).toMatchObject({ inbox: "orders", callback_url: null });
    const { data } = (await (await api.request("GET", "/v1/inboxes")).json()) as Json;
    expect(data.map(({ name }: Json) => name)).toEqual(["others", "orders"]);
  });

  it.each([
    ["neither", {}, "/callback_url"],
    ["both", { inbox: "orders", callback_url: CALLBACK_URL }, "/inbox"],
    ["waits between retries", { inbox: "orders", retry_schedule_s: [1] }, "/retry_schedule_s"],
    ["an empty name", { inbox: "" }, "/inbox"],
    ["a name with a slash", { inbox: "a/b" }, "/inbox"],
    ["a long name", { inbox: "a".repeat(65) }, "/inbox"],
    ["a name that begins with a dot", { inbox: ".." }, "/inbox"],
    ["no text", { inbox: 7 }, "/inbox"],
    ["null", { inbox: null }, "/inbox"],
  ])("a subscription with %s is refused", async (_, fields, pointer) => {
    const body = { job_id: "job", ...fields };
    const problem = await problemOf(await api.request("POST", "/v1/subscriptions", { body }));
    expect(problem).toMatchObject({ code: "validation_failed", errors: [{ pointer }] });
  });

  it("a subscription can't name an inbox by its stored form as a URL", async () => {
    const body = { job_id: "job", callback_url: "inbox:orders" };
    const problem = await problemOf(await api.request("POST", "/v1/subscriptions", { body }));
    expect(problem).toMatchObject({ code: "callback_url_refused" });
  });

  it("a subscription counts as delivered once its message is stored, and shows when that was read", async () => {
    const { id } = await subscribe();
    await api.end(id, { result: "1" });
    const [delivery] = await deliveriesOf(id);
    expect(delivery).toMatchObject({
      status: "delivered",
      inbox: "orders",
      callback_origin: null,
      attempt_count: 0,
      next_attempt_at: null,
      read_at: null,
    });
    const subscription = await (await api.request("GET", `/v1/subscriptions/${id}`)).json();
    expect(subscription).toMatchObject({ status: "delivered" });
    const { cursor } = await read();
    expect((await deliveriesOf(id))[0].read_at).toBeNull();
    await ack(cursor);
    expect((await deliveriesOf(id))[0].read_at).toBe(new Date(api.clock.now()).toISOString());
  });

  it("a subscription to a job that has ended gets its message from the statement that accepts it", async () => {
    const jobId = `job-${api.uuid()}`;
    const first = await api.subscribe({ job_id: jobId });
    await api.end(first.id, { result: "7" });
    const late = await subscribe({ job_id: jobId });
    expect(late.status).toBe("delivered");
    expect((await read()).data).toMatchObject([
      { body: expect.stringContaining(`"subscription_id":"${late.id}"`) },
    ]);
  });

  it("a subscription is refused beyond the inboxes and the unread bytes that the project may have", async () => {
    await subscribe();
    api.limits.own.set(api.projectId, { inboxes: 1 });
    const body = { job_id: "job", inbox: "more" };
    const refused = await api.request("POST", "/v1/subscriptions", { body });
    expect(await problemOf(refused)).toMatchObject({
      code: "project_limit_reached",
      limit: "inboxes",
    });
    expect((await api.request("PUT", "/v1/inboxes/more")).status).toBe(409);
    await subscribe();
  });

  async function deliveriesOf(id: string): Promise<Json> {
    const page = await api.request("GET", `/v1/subscriptions/${id}/deliveries`);
    return ((await page.json()) as Json).data;
  }
});

describe("GET /v1/inboxes/{name}/messages", () => {
  it("GET /v1/inboxes/{name}/messages returns callbacks as they would be sent, each signed as of now", async () => {
    const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    await message({ metadata: { invoice: 17 }, headers: { "X-Tenant": "acme" } }, '{"a":1.10}');
    await message({ secret }, `"${"x".repeat(200)}"`);
    api.clock.advance(3_600_000);
    const { data, done } = await read();
    expect(done).toBe(true);
    vi.setSystemTime(api.clock.now());
    const [first, second] = data;
    expect(first.headers).toMatchObject({
      "webhook-id": first.webhook_id,
      "content-type": "application/json",
      "x-tenant": "acme",
      traceparent: expect.any(String),
    });
    expect(first.body).toContain('"result":{"a":1.10}');
    const event = new Webhook(SIGNING_SECRET).verify(first.body, first.headers);
    expect(event).toMatchObject({ type: "job.completed", data: { metadata: { invoice: 17 } } });
    expect(new Webhook(secret).verify(second.body, second.headers)).toMatchObject({
      data: { result_url: expect.any(String) },
    });
  });

  it("GET /v1/inboxes/{name}/messages continues after the last acknowledged message", async () => {
    const ids = [await message(), await message(), await message()];
    const first = await read("?consumer=worker&limit=2");
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    expect(first.done).toBe(false);
    expect(idsOf(await read("?consumer=worker&limit=2"))).toEqual(ids.slice(0, 2));
    await ack(first.data[0].cursor);
    expect(idsOf(await read("?consumer=worker"))).toEqual(ids.slice(1));
    await ack(first.cursor);
    const last = await read("?consumer=worker");
    expect(idsOf(last)).toEqual(ids.slice(2));
    expect(idsOf(await read("?consumer=another"))).toEqual(ids);
    expect(idsOf(await read())).toEqual(ids);
    expect(idsOf(await read(`?cursor=${first.cursor}`))).toEqual(ids.slice(2));
    await ack(last.cursor);
    expect(await read("?consumer=worker")).toEqual({ data: [], cursor: last.cursor, done: true });
    // An acknowledgment of less moves nothing back.
    await ack(first.cursor);
    expect(await read("?consumer=worker")).toMatchObject({ data: [] });
  });

  it("GET /v1/inboxes/{name}/messages waits for a message, and answers without one after its time", async () => {
    await subscribe();
    const empty = api.request("GET", `${MESSAGES}?wait_s=5`);
    await untilWaiting(1);
    api.clock.advance(5_000);
    expect(await (await empty).json()).toMatchObject({ data: [], done: true });
    const waiting = api.request("GET", `${MESSAGES}?wait_s=30&consumer=worker`);
    await untilWaiting(1);
    const id = await message();
    await api.inboxFeed.round();
    expect(idsOf((await (await waiting).json()) as Json)).toEqual([id]);
    await untilWaiting(0);
  });

  it("GET /v1/inboxes/{name}/messages refuses a second reader of a consumer that waits, on its node and on another", async () => {
    await subscribe();
    const waiting = api.request("GET", `${MESSAGES}?wait_s=30&consumer=worker`);
    await untilWaiting(1);
    for (const query of ["?consumer=worker", "?consumer=worker&wait_s=1"]) {
      expect(await problemOf(await api.request("GET", MESSAGES + query))).toMatchObject({
        code: "consumer_busy",
        detail: expect.stringContaining("worker"),
      });
    }
    expect((await read("?consumer=another")).data).toEqual([]);
    const { database, clock } = api;
    const elsewhere = new ConsumerClaims(testRuntime({ clock }), database, api.uuid());
    const consumer = { projectId: api.projectId, name: "orders", consumer: "worker" };
    await lease(api.consumerClaims.nodeId, 12_000);
    expect(await elsewhere.claim(database, consumer)).toBeNull();
    // A node that is lost loses its claims with its lease.
    api.clock.advance(13_000);
    const release = await elsewhere.claim(database, consumer);
    await lease(elsewhere.nodeId, 12_000);
    api.clock.advance(20_000);
    await waiting;
    await lease(elsewhere.nodeId, 12_000);
    const busy = await api.request("GET", `${MESSAGES}?consumer=worker`);
    expect(await problemOf(busy)).toMatchObject({ code: "consumer_busy" });
    await release?.();
    expect((await read("?consumer=worker")).data).toEqual([]);
  });

  it("GET /v1/inboxes/{name}/messages claims its consumer only while it waits, also when its client leaves", async () => {
    await subscribe();
    const client = new AbortController();
    const key = await api.addKey(["subscriptions:read"]);
    const waiting = api.app.request(`${MESSAGES}?wait_s=30&consumer=worker`, {
      headers: { authorization: `Bearer ${key}` },
      signal: client.signal,
    });
    await untilWaiting(1);
    client.abort();
    await waiting;
    await untilWaiting(0);
    expect((await read("?consumer=worker")).data).toEqual([]);
    const rows = await api.sql(`select reader_id from inbox_consumers`);
    expect(rows).toEqual([{ reader_id: null }]);
  });

  it("GET /v1/inboxes/{name}/messages returns nothing to a key that was revoked while it waited", async () => {
    await subscribe();
    const key = await api.addKey(["subscriptions:read"]);
    const waiting = api.request("GET", `${MESSAGES}?wait_s=30`, { key });
    await untilWaiting(1);
    await message();
    await api.sql(`update api_keys set revoked_at = now(), updated_at = now()`);
    api.clock.advance(6_000);
    await api.inboxFeed.round();
    expect(await problemOf(await waiting)).toMatchObject({ code: "unauthorized" });
  });

  it("GET /v1/inboxes/{name}/messages limits a page by bytes, and returns at least one message", async () => {
    for (let index = 0; index < 4; index += 1) await message();
    await read();
    await api.sql(`
      update deliveries set inbox_position = inbox_position * 2000 where inbox_position > 0`);
    await api.sql(`update inboxes set last_position = last_position * 2000`);
    const page = await read();
    expect(page).toMatchObject({ data: [{}, {}], done: false });
    expect(await read(`?cursor=${page.cursor}`)).toMatchObject({ data: [{}, {}], done: true });
  });

  it("a key that may not acknowledge can read the messages of an inbox", async () => {
    const id = await message();
    const key = await api.addKey(["subscriptions:read"]);
    const page = (await (await api.request("GET", MESSAGES, { key })).json()) as Json;
    expect(idsOf(page)).toEqual([id]);
    for (const path of ["/consumers/worker/ack", "/consumers/worker/seek"]) {
      const refused = await post(path, { cursor: page.cursor }, key);
      expect(await problemOf(refused)).toMatchObject({ code: "insufficient_scope" });
    }
  });

  it("a message whose secret can't be read has no signature, and holds up none behind it", async () => {
    const ids = [await message({ secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" })];
    await api.sql(`update subscriptions set secret = 'broken'`);
    ids.push(await message());
    const { data } = await read();
    expect(data.map(({ webhook_id: id }: Json) => id)).toEqual(ids);
    expect(data[0].headers["webhook-signature"]).toBeUndefined();
    expect(data[1].headers["webhook-signature"]).toMatch(/^v1,/);
  });

  async function lease(nodeId: string, forMs: number): Promise<void> {
    const until = new Date(api.clock.now() + forMs).toISOString();
    await api.sql(
      `insert into nodes (id, address, started_at, lease_expires_at) values ($1, '', now(), $2::timestamptz)
       on conflict (id) do update set lease_expires_at = excluded.lease_expires_at`,
      [nodeId, until],
    );
  }
});

describe("a consumer", () => {
  it("a consumer seeks back and forward, by cursor and by time", async () => {
    const ids = [await message()];
    const { cursor } = await read("?consumer=worker");
    api.clock.advance(60_000);
    const between = new Date(api.clock.now()).toISOString();
    api.clock.advance(60_000);
    ids.push(await message(), await message());
    const all = await read("?consumer=worker");
    await ack(all.cursor);
    const seek = async (body: object): Promise<string[]> => {
      expect((await post("/consumers/worker/seek", body)).status).toBe(200);
      return idsOf(await read("?consumer=worker"));
    };
    expect(await seek({ cursor })).toEqual(ids.slice(1));
    expect(await seek({ after: between })).toEqual(ids.slice(1));
    expect(await seek({ after: "2020-01-01T00:00:00Z" })).toEqual(ids);
    expect(await seek({ after: "2100-01-01T00:00:00Z" })).toEqual([]);
    expect(await seek({ cursor: all.data[1].cursor })).toEqual(ids.slice(2));
  });

  it("a consumer finds each time among many messages, also when the first ones are removed", async () => {
    const times: number[] = [];
    for (let index = 0; index < 13; index += 1) {
      await message();
      await read();
      times.push(api.clock.now());
      api.clock.advance(1_000);
    }
    const behind = async (ms: number): Promise<number> => {
      await post("/consumers/worker/seek", { after: new Date(ms).toISOString() });
      return (await read("?consumer=worker")).data.length;
    };
    for (const [index, ms] of times.entries()) expect(await behind(ms)).toBe(12 - index);
    await api.sql(`delete from deliveries where id in (
      select id from deliveries order by inbox_position limit 5)`);
    expect(await behind(times[2] ?? 0)).toBe(8);
    expect(await behind(times[7] ?? 0)).toBe(5);
  });

  it("a consumer is listed and deleted", async () => {
    await message();
    const { cursor } = await read();
    await ack(cursor, "a");
    api.clock.advance(10);
    await post("/consumers/b/seek", { after: "2020-01-01T00:00:00Z" });
    const list = (await (await api.request("GET", `${INBOX}/consumers`)).json()) as Json;
    expect(list.data).toMatchObject([
      { name: "b", unread_bytes: expect.any(Number), is_reading: false, acked_at: null },
      { name: "a", unread_bytes: 0, cursor },
    ]);
    expect(list.data[0].unread_bytes).toBeGreaterThan(500);
    expect((await api.request("DELETE", `${INBOX}/consumers/a`)).status).toBe(204);
    expect((await api.request("DELETE", `${INBOX}/consumers/a`)).status).toBe(404);
    expect((await read("?consumer=a")).data).toHaveLength(1);
  });

  it("a consumer is refused cursors and names that are not of its inbox", async () => {
    await message();
    await message({ inbox: "others" });
    const { cursor } = (await (
      await api.request("GET", "/v1/inboxes/others/messages")
    ).json()) as Json;
    const own = await read();
    const cursors = [
      cursor,
      "x",
      `${own.cursor}x`,
      own.cursor.toLowerCase(),
      "A".repeat(32),
      "\u0000",
      "🦀",
    ];
    for (const bad of cursors) {
      for (const path of ["ack", "seek"]) {
        const refused = await post(`/consumers/worker/${path}`, { cursor: bad });
        expect(await problemOf(refused)).toMatchObject({ code: "invalid_cursor" });
      }
      const read = await api.request("GET", `${MESSAGES}?cursor=${encodeURIComponent(bad)}`);
      expect(await problemOf(read)).toMatchObject({ code: "invalid_cursor" });
    }
    for (const body of [
      {},
      { cursor: 7 },
      { cursor: "" },
      { after: 7 },
      { cursor: "a", after: "b" },
    ]) {
      const refused = await post("/consumers/worker/seek", body);
      expect(await problemOf(refused)).toMatchObject({ code: "validation_failed" });
    }
    for (const name of ["%20", "a%2Fb", "..", "a".repeat(65), "%00", "-", "%F0%9F%A6%80"]) {
      const refused = await post(`/consumers/${name}/ack`, { cursor: own.cursor });
      expect(refused.status).toBeGreaterThanOrEqual(400);
      expect(refused.status).toBeLessThan(500);
      const read = await api.request("GET", `${MESSAGES}?consumer=${name}`);
      expect(await problemOf(read)).toMatchObject({ code: "invalid_query" });
    }
  });

  it("a consumer is one of as many as the project may have", async () => {
    await message();
    const { cursor } = await read();
    await ack(cursor, "a");
    api.limits.own.set(api.projectId, { inbox_consumers: 1 });
    const refused = await post("/consumers/b/ack", { cursor });
    expect(await problemOf(refused)).toMatchObject({ limit: "inbox_consumers", allowed: 1 });
    const waiting = await api.request("GET", `${MESSAGES}?consumer=b&cursor=${cursor}&wait_s=1`);
    expect(await problemOf(waiting)).toMatchObject({ limit: "inbox_consumers" });
    await ack(cursor, "a");
  });
});

describe("an inbox", () => {
  it("an inbox gets a redelivered message again at its end, with the same webhook-id", async () => {
    const ids = [await message(), await message()];
    const { cursor } = await read("?consumer=worker");
    await ack(cursor);
    const [first] = ids;
    const again = await api.request("POST", `/v1/deliveries/${first}/redeliver`);
    expect(again.status).toBe(202);
    expect(await again.json()).toMatchObject({ status: "delivered", read_at: null });
    const next = await read("?consumer=worker");
    expect(idsOf(next)).toEqual([first]);
    expect(idsOf(await read())).toEqual([ids[1], first]);
    await ack(next.cursor);
    const seen = await (await api.request("GET", `/v1/deliveries/${first}`)).json();
    expect(seen).toMatchObject({ read_at: expect.any(String), attempts: [] });
  });

  it("an inbox is made by PUT, shown with what is unread, and deleted with its messages", async () => {
    expect((await api.request("GET", INBOX)).status).toBe(404);
    const made = await api.request("PUT", INBOX);
    expect(await made.json()).toMatchObject({ name: "orders", unread_bytes: 0 });
    expect((await api.request("PUT", INBOX)).status).toBe(200);
    expect((await api.request("PUT", "/v1/inboxes/%20")).status).toBe(422);
    await message({}, `"${"x".repeat(80)}"`);
    await read();
    const inbox = (await (await api.request("GET", INBOX)).json()) as Json;
    expect(inbox.unread_bytes).toBeGreaterThan(512 + 80);
    const { cursor } = await read();
    expect((await api.request("DELETE", INBOX)).status).toBe(204);
    expect((await api.request("DELETE", INBOX)).status).toBe(404);
    expect((await api.request("GET", MESSAGES)).status).toBe(404);
    const next = await message();
    const page = await read();
    expect(idsOf(page)).toEqual([next]);
    expect(idsOf(await read(`?cursor=${cursor}`))).toEqual([next]);
  });

  it("an inbox that does not exist differs from an empty one, and belongs to no other project", async () => {
    await message();
    const projectId = api.uuid();
    await api.addProject(projectId, "stranger");
    const key = await api.addKey(["admin"], { projectId });
    for (const path of ["", "/messages", "/consumers"]) {
      const refused = await api.request("GET", INBOX + path, { key });
      expect(await problemOf(refused)).toMatchObject({ code: "not_found" });
    }
    const { cursor } = await read();
    expect((await post("/consumers/worker/ack", { cursor }, key)).status).toBe(404);
    await api.request("PUT", INBOX, { key });
    const own = (await (await api.request("GET", MESSAGES, { key })).json()) as Json;
    expect(own.data).toEqual([]);
    const foreign = await post("/consumers/worker/ack", { cursor }, key);
    expect(await problemOf(foreign)).toMatchObject({ code: "invalid_cursor" });
  });
});
