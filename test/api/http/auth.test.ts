import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicId } from "../../../src/core/ids/ids.ts";
import { ApiFixture, CALLBACK_URL, problemOf, EMPTY_LIST } from "../api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

describe("a key", () => {
  const get = (headers: Record<string, string>) =>
    api.app.request("/v1/providers", { headers: new Headers(headers) });

  it.each(["rb_unknown", "", "Basic cmI6", "Bearer", "Bearer ", `Bearer ${"x".repeat(2000)}`])(
    "given as %j is refused",
    async (authorization) => {
      const response = await get({ authorization });
      expect(response.status).toBe(401);
      await problemOf(response);
    },
  );

  it("a key is taken with the scheme in any case", async () => {
    const key = await api.addKey(["subscriptions:read"]);
    expect((await get({ authorization: `bearer ${key}` })).status).toBe(200);
  });

  it("a key is refused once it has expired, even where it was just used", async () => {
    const expiresAtMs = api.clock.now() + 10_000;
    const key = await api.addKey(["admin"], { expiresAtMs });
    expect((await api.request("GET", "/v1/providers", { key })).status).toBe(200);
    api.clock.setNow(expiresAtMs);
    expect((await api.request("GET", "/v1/providers", { key })).status).toBe(401);
  });

  it("a key opens nothing of another project", async () => {
    const key = await api.addKey(["admin"], { projectId: api.uuid() });
    const subscription = await api.subscribe();
    const { eventId, deliveryId } = await api.end(subscription.id, { result: "1" });
    const [{ id: connectionId }] = await api.sql(`select id from connections limit 1`);
    const event = publicId("event", eventId);
    const delivery = publicId("delivery", deliveryId ?? "");
    const connection = publicId("connection", connectionId);
    for (const [method, path] of [
      ["GET", `/v1/subscriptions/${subscription.id}`],
      ["DELETE", `/v1/subscriptions/${subscription.id}`],
      ["POST", `/v1/subscriptions/${subscription.id}/poll`],
      ["GET", `/v1/subscriptions/${subscription.id}/deliveries`],
      ["GET", `/v1/deliveries/${delivery}`],
      ["POST", `/v1/deliveries/${delivery}/redeliver`],
      ["GET", `/v1/events/${event}`],
      ["GET", `/v1/events/${event}/result`],
      ["GET", `/v1/connections/${connection}`],
      ["DELETE", `/v1/connections/${connection}`],
    ] as const) {
      const response = await api.request(method, path, { key });
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: "not_found" });
    }
    const patch = { body: { state: "paused" }, key };
    expect((await api.request("PATCH", `/v1/connections/${connection}`, patch)).status).toBe(404);
    for (const path of ["/v1/subscriptions", "/v1/deliveries", "/v1/connections"]) {
      const response = await api.request("GET", path, { key });
      expect(await response.json()).toEqual(EMPTY_LIST);
    }
    const body = { job_id: "a", callback_url: CALLBACK_URL };
    const refused = await api.request("POST", "/v1/subscriptions", { body, key });
    expect(await problemOf(refused)).toMatchObject({ code: "unknown_connection" });
  });
});
