import { randomBytes } from "node:crypto";
import type { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { checkedApp } from "../support/checked-app.ts";
import type { ApiServices } from "../../src/api/services.ts";
import { batchResponseSchema, newSubscriptionSchema } from "../../src/api/subscriptions/schema.ts";
import { parsePublicId } from "../../src/core/ids/ids.ts";
import { createSecretBox } from "../../src/runtime/secrets/secret-box.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";

const SECRET = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.acceptOutcome = null;
});

describe("POST /v1/subscriptions", () => {
  it("a stored subscription has the documented defaults", async () => {
    const body = { job_id: "../admin ✓", callback_url: CALLBACK_URL };
    const response = await api.request("POST", "/v1/subscriptions", { body });
    expect(response.status).toBe(201);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-request-id")).toMatch(/^[\w-]+$/);
    const subscription = (await response.json()) as Json;
    expect(newSubscriptionSchema.parse(subscription)).toMatchObject({
      status: "active",
      job_id: "../admin ✓",
      provider: "pulse",
      connection: "default",
      callback_url: CALLBACK_URL,
      events: ["job.completed", "job.failed", "job.canceled", "job.expired", "job.timed_out"],
      payload: "full",
      metadata: {},
      job: { status: "pending", progress: null, poll_count: 0, ended_at: null },
    });
    const read = await api.request("GET", `/v1/subscriptions/${subscription.id}`);
    expect({ ...((await read.json()) as Json), warnings: [] }).toEqual(subscription);
  });

  it("a subscription that is stored has warnings of what to look at, singly and in a batch", async () => {
    const message = "new.example.com could not be resolved just now";
    const warnings = [{ code: "callback_host_unresolved", message }] as const;
    const check: ApiServices["checkCallbackUrl"] = async (_, text) => ({
      ok: true,
      url: new URL(text),
      warnings: text.includes("new.example.com") ? warnings : [],
    });
    const app = checkedApp({ ...api.services, checkCallbackUrl: check });
    const key = await api.addKey(["subscriptions:write"]);
    const post = async (path: string, body: object): Promise<Json> => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const request = { method: "POST", headers, body: JSON.stringify(body) };
      return (await app.request(path, request)).json();
    };
    const wish = { job_id: "warned", callback_url: "https://new.example.com/hook" };
    expect(newSubscriptionSchema.parse(await post("/v1/subscriptions", wish)).warnings).toEqual(
      warnings,
    );
    const fine = { job_id: "fine", callback_url: CALLBACK_URL };
    const batch = batchResponseSchema.parse(await post("/v1/subscriptions/batch", [wish, fine]));
    expect(batch.results).toMatchObject([
      { status: 201, subscription: { warnings } },
      { status: 201, subscription: { warnings: [] } },
    ]);
  });

  it("everything that was asked for is stored, the secret sealed", async () => {
    const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;
    const subscription = await api.subscribe({
      events: ["job.progress", "job.completed"],
      payload: "thin",
      secret,
      headers: { "X-Tenant": "acme", authorization: "Bearer theirs" },
      deadline_s: 60,
    });
    expect(subscription).toMatchObject({
      events: ["job.completed", "job.progress"],
      payload: "thin",
      job: { deadline_at: new Date(Date.parse(subscription.created_at) + 60_000).toISOString() },
    });
    const [row] = await api.sql(`select * from subscriptions where id = $1`, [
      parsePublicId("subscription", subscription.id),
    ]);
    expect(row.headers).not.toContain("theirs");
    const { id } = row;
    const headers = api.secretBox.open(row.headers, { column: "subscriptions.headers", id });
    expect(JSON.parse(headers)).toEqual({
      "x-tenant": "acme",
      authorization: "Bearer theirs",
    });
    expect(row.secret).not.toContain(secret);
    const place = { column: "subscriptions.secret", id } as const;
    expect(api.secretBox.open(row.secret, place)).toBe(secret);
    expect(JSON.stringify(subscription)).not.toContain("whsec_");
  });

  it.each([
    [{}, { retry_schedule_s: null, signatures: null }],
    [{ retry_schedule_s: [] }, { retry_schedule_s: [] }],
    [{ retry_schedule_s: [0.5, 60, 604_800] }, { retry_schedule_s: [0.5, 60, 604_800] }],
    [{ signatures: ["v1a", "v1"] }, { signatures: ["v1", "v1a"] }],
  ])("POST /v1/subscriptions shows the delivery settings: %j", async (wish, shown) => {
    const subscription = await api.subscribe(wish);
    expect(subscription).toMatchObject(shown);
    const again = await api.request("GET", `/v1/subscriptions/${subscription.id}`);
    expect(await again.json()).toMatchObject(shown);
  });

  it("metadata comes back digit by digit", async () => {
    const metadata = '{ "n": 12345678901234567890, "x": 1.0, "n": 2e400 , "\\u0000": "\\ud800" }';
    const body = `{"job_id": "a", "metadata": {}, "callback_url": "${CALLBACK_URL}", "metadata": ${metadata}}`;
    const response = await api.request("POST", "/v1/subscriptions", { body });
    expect(response.status).toBe(201);
    const text = await response.text();
    expect(text).toContain(`"metadata":${metadata}`);
    const { id } = JSON.parse(text);
    const again = await api.request("GET", `/v1/subscriptions/${id}`);
    expect(await again.text()).toContain(`"metadata":${metadata}`);
  });

  it("the callback URL is stored as it was parsed and checked", async () => {
    const subscription = await api.subscribe({ callback_url: "https://APP.example.com:443/a b" });
    expect(subscription.callback_url).toBe("https://app.example.com/a%20b");
  });

  it("watches one job for all its subscriptions, and delivers a late one", async () => {
    const first = await api.subscribe({ job_id: "shared" });
    const second = await api.subscribe({ job_id: "shared" });
    const rows = await api.sql(
      `select distinct job_row_id from subscriptions where id in ($1, $2)`,
      [parsePublicId("subscription", first.id), parsePublicId("subscription", second.id)],
    );
    expect(rows).toHaveLength(1);
    await api.end(first.id);
    expect(await api.subscribe({ job_id: "shared" })).toMatchObject({
      status: "delivering",
      job: { status: "completed" },
    });
  });

  it("a subscription is refused with 503 and Retry-After when too much waits", async () => {
    api.acceptOutcome = { kind: "overloaded" };
    const body = { job_id: "a", callback_url: CALLBACK_URL };
    const response = await api.request("POST", "/v1/subscriptions", { body });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await problemOf(response)).toMatchObject({ code: "overloaded" });
  });
});

describe("Idempotency-Key", () => {
  const create = (key: string, wish: object) =>
    api.request("POST", "/v1/subscriptions", {
      body: { callback_url: CALLBACK_URL, ...wish },
      headers: { "idempotency-key": key },
    });

  it("Idempotency-Key answers the same request with the same subscription, however it is written", async () => {
    const first = await create("k1", { job_id: "idem", events: ["job.failed"], secret: SECRET });
    const again = await create("k1", { secret: SECRET, events: ["job.failed"], job_id: "idem" });
    expect(again.status).toBe(201);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    expect(await again.json()).toEqual(await first.json());
  });

  it("Idempotency-Key takes metadata for the same that is spread out differently", async () => {
    const text = (metadata: string) =>
      `{"job_id":"spread","callback_url":"${CALLBACK_URL}","metadata":${metadata}}`;
    const headers = { "idempotency-key": "k2" };
    const post = (body: string) => api.request("POST", "/v1/subscriptions", { body, headers });
    const first = await post(text('{"a":[1.0, 2]}'));
    const again = await post(text('{ "a": [1.0,2] }'));
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await again.text()).toBe(await first.text());
  });

  it.each([
    [{ job_id: "other" }],
    [{ metadata: { a: 1 } }],
    [{ secret: SECRET.replace("BwcH", "CAgI") }],
    [{ deadline_s: 5 }],
    [{ retry_schedule_s: [5] }],
    [{ signatures: ["v1a"] }],
    [{ fetch_result: true }],
  ])("an Idempotency-Key refuses a different request, such as %j", async (change) => {
    const key = JSON.stringify(change);
    await create(key, { job_id: "idem", secret: SECRET });
    const response = await create(key, { job_id: "idem", secret: SECRET, ...change });
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({ code: "idempotency_conflict" });
  });

  it("Idempotency-Key is stored with a keyed hash of its request, that is known under the ring's older keys too", async () => {
    const wish = { job_id: "keyed", callback_url: CALLBACK_URL };
    const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
    const post = async (...ring: Buffer[]) => {
      const services = { ...api.services, secretBox: createSecretBox(ring) };
      const key = await api.addKey(["subscriptions:write"]);
      return checkedApp(services).request("/v1/subscriptions", {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "idempotency-key": "keyed",
        },
        body: JSON.stringify(wish),
      });
    };
    const stored = () => api.sql(`select request_hash from idempotency_keys where key = 'keyed'`);
    expect((await post(oldKey)).status).toBe(201);
    const [row] = await stored();
    expect(row.request_hash).toMatch(/^h1\.[\w-]{43}$/);
    const again = await post(newKey, oldKey);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    // Another ring would have stored something else, so the text alone does not tell the hash.
    expect((await post(newKey)).status).toBe(409);
  });

  it("a key of an older release, whose hash was plain, is still known", async () => {
    const box = { ...api.secretBox, digests: (_: string, text: string): [string] => [text] };
    const key = await api.addKey(["subscriptions:write"]);
    const request = (app: Hono) =>
      app.request("/v1/subscriptions", {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "idempotency-key": "older",
        },
        body: JSON.stringify({ job_id: "older", callback_url: CALLBACK_URL }),
      });
    expect((await request(checkedApp({ ...api.services, secretBox: box }))).status).toBe(201);
    const [row] = await api.sql(`select request_hash from idempotency_keys where key = 'older'`);
    expect(row.request_hash).toMatch(/^[0-9a-f]{64}$/);
    const again = await request(api.app);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  it.each(["x".repeat(256), "é"])(
    "Idempotency-Key must be printable and short, unlike %s",
    async (key) => {
      const response = await create(key, { job_id: "idem" });
      expect(response.status).toBe(400);
      const { errors } = await problemOf(response);
      expect(errors).toEqual([{ header: "Idempotency-Key", detail: expect.any(String) }]);
    },
  );

  it("a key of 255 characters is taken", async () => {
    expect((await create("x".repeat(255), { job_id: "idem" })).status).toBe(201);
  });
});
