import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  deliveryPageSchema,
  deliverySchema,
  deliveryWithAttemptsSchema,
} from "../../src/api/http/response-schemas.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.calls.length = 0;
});

/** A subscription whose job has ended, and its delivery. */
async function owe(wish: object = {}): Promise<{ subscription: Json; uuid: string; id: string }> {
  const subscription = await api.subscribe(wish);
  const { deliveryId } = await api.end(subscription.id);
  const uuid = deliveryId ?? "";
  return { subscription, uuid, id: publicId("delivery", uuid) };
}

async function read(id: string): Promise<Json> {
  const response = await api.request("GET", `/v1/deliveries/${id}`);
  expect(response.status).toBe(200);
  return deliveryWithAttemptsSchema.parse(await response.json());
}

describe("GET /v1/deliveries/{id}", () => {
  it("GET /v1/deliveries/{id} shows every attempt in order, with what the receiver said", async () => {
    const { id, uuid } = await owe();
    const nextAttemptAtMs = api.clock.now() + 5_000;
    await api.attempt(uuid, {
      status: "pending",
      httpStatus: 500,
      errorCode: "server_error_answer",
      responseExcerpt: 'broken "here"',
      nextAttemptAtMs,
    });
    expect(await read(id)).toMatchObject({
      status: "pending",
      attempt_count: 1,
      next_attempt_at: new Date(nextAttemptAtMs).toISOString(),
      finished_at: null,
    });
    await api.attempt(uuid, { httpStatus: null, errorCode: "dns_not_found", status: "exhausted" });
    const delivery = await read(id);
    expect(delivery).toMatchObject({
      status: "exhausted",
      attempt_count: 2,
      next_attempt_at: null,
    });
    expect(delivery.finished_at).not.toBeNull();
    expect(delivery.attempts).toMatchObject([
      {
        number: 1,
        http_status: 500,
        error_code: "server_error_answer",
        response_excerpt: 'broken "here"',
      },
      { number: 2, http_status: null, error_code: "dns_not_found", duration_ms: 12 },
    ]);
  });

  it("GET /v1/deliveries/{id} is 404 for an unknown id", async () => {
    const id = publicId("delivery", api.uuid());
    const response = await api.request("GET", `/v1/deliveries/${id}`);
    expect(response.status).toBe(404);
    expect((await problemOf(response)).detail).toContain(id);
  });
});

describe("GET /v1/deliveries", () => {
  it("GET /v1/deliveries filters by each of its parameters", async () => {
    const origin = "https://filter.example.com:8443";
    const first = await owe({ callback_url: `${origin}/a` });
    const second = await owe({ callback_url: `${origin}/b` });
    await api.attempt(first.uuid, {});
    const ids = async (query: string) => {
      const response = await api.request(
        "GET",
        `/v1/deliveries?callback_origin=${origin}&${query}`,
      );
      const page: Json = deliveryPageSchema.parse(await response.json());
      return page.data.map((one: Json) => one.id);
    };
    expect(await ids("")).toEqual([second.id, first.id]);
    expect(await ids("status=delivered")).toEqual([first.id]);
    expect(await ids("status=pending")).toEqual([second.id]);
    const { created_at: createdAt } = await read(first.id);
    expect(await ids(`created_after=${createdAt}`)).toEqual([second.id]);
    const all = await api.request("GET", "/v1/deliveries?limit=1");
    expect(await all.json()).toMatchObject({ data: [{}] });
  });

  it.each(["callback_origin=https://a.example/path", "callback_origin=%00", "status=sent"])(
    "GET /v1/deliveries refuses %s",
    async (query) => {
      const response = await api.request("GET", `/v1/deliveries?${query}`);
      expect(response.status).toBe(400);
      expect((await problemOf(response)).errors).toMatchObject([
        { parameter: query.slice(0, query.indexOf("=")) },
      ]);
    },
  );
});

describe("POST /v1/deliveries/{id}/redeliver", () => {
  const redeliver = (id: string) => api.request("POST", `/v1/deliveries/${id}/redeliver`);

  it.each([
    ["delivered", {}],
    ["exhausted", { status: "exhausted", httpStatus: 500 }],
    ["gone", { status: "gone", httpStatus: 410 }],
    ["pending", { status: "pending", nextAttemptAtMs: 4e12 }],
  ] as const)(
    "POST /v1/deliveries/{id}/redeliver sends a %s delivery again, at once and with the whole schedule",
    async (_status, attempt) => {
      const { id, uuid } = await owe();
      await api.attempt(uuid, attempt);
      const response = await redeliver(id);
      expect(response.status).toBe(202);
      expect(deliverySchema.parse(await response.json())).toMatchObject({
        id,
        status: "pending",
        attempt_count: 1,
        next_attempt_at: new Date(api.clock.now()).toISOString(),
        finished_at: null,
      });
      const [row] = await api.sql(`select attempts_before from deliveries where id = $1`, [uuid]);
      expect(row.attempts_before).toBe(1);
      expect(api.calls.at(-1)).toEqual(["redelivered", [expect.objectContaining({ id: uuid })]]);
      await api.attempt(uuid, {});
      expect((await read(id)).attempts).toMatchObject([{ number: 1 }, { number: 2 }]);
    },
  );

  it("POST /v1/deliveries/{id}/redeliver is 409 when the subscription was deleted", async () => {
    const { id, subscription } = await owe();
    await api.request("DELETE", `/v1/subscriptions/${subscription.id}`);
    api.calls.length = 0;
    const response = await redeliver(id);
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({ code: "subscription_closed" });
    expect(await read(id)).toMatchObject({ status: "canceled" });
    expect(api.calls).toEqual([]);
  });

  it("POST /v1/deliveries/{id}/redeliver is 404 for an unknown id", async () => {
    expect((await redeliver(publicId("delivery", api.uuid()))).status).toBe(404);
  });
});
