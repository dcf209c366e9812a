import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicId } from "../../src/core/ids.ts";
import type { Scope } from "../../src/store/schema.ts";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

const ID = "0".repeat(12) + "7" + "0".repeat(19);
const ROUTES: [method: string, path: string, scope: Scope][] = [
  ["POST", "/v1/subscriptions", "subscriptions:write"],
  ["POST", "/v1/subscriptions/batch", "subscriptions:write"],
  ["GET", "/v1/subscriptions", "subscriptions:read"],
  ["GET", `/v1/subscriptions/sub_${ID}`, "subscriptions:read"],
  ["DELETE", `/v1/subscriptions/sub_${ID}`, "subscriptions:write"],
  ["POST", `/v1/subscriptions/sub_${ID}/poll`, "subscriptions:write"],
  ["GET", `/v1/subscriptions/sub_${ID}/deliveries`, "subscriptions:read"],
  ["GET", "/v1/deliveries", "subscriptions:read"],
  ["GET", `/v1/deliveries/msg_${ID}`, "subscriptions:read"],
  ["POST", `/v1/deliveries/msg_${ID}/redeliver`, "subscriptions:write"],
  ["POST", "/v1/redeliveries", "subscriptions:write"],
  ["POST", "/v1/callbacks/test", "subscriptions:write"],
  ["GET", "/v1/redeliveries", "subscriptions:read"],
  ["GET", `/v1/redeliveries/red_${ID}`, "subscriptions:read"],
  ["DELETE", `/v1/redeliveries/red_${ID}`, "subscriptions:write"],
  ["GET", `/v1/events/evt_${ID}`, "subscriptions:read"],
  ["GET", `/v1/events/evt_${ID}/result`, "subscriptions:read"],
  ["GET", "/v1/connections", "admin"],
  ["POST", "/v1/connections", "admin"],
  ["GET", `/v1/connections/con_${ID}`, "admin"],
  ["PATCH", `/v1/connections/con_${ID}`, "admin"],
  ["DELETE", `/v1/connections/con_${ID}`, "admin"],
  ["GET", "/v1/providers", "subscriptions:read"],
  ["GET", "/v1/providers/acme", "subscriptions:read"],
  ["PUT", "/v1/providers/acme", "admin"],
  ["DELETE", "/v1/providers/acme", "admin"],
  ["POST", "/v1/providers/acme/try", "admin"],
  ["GET", "/v1/signing-secrets", "admin"],
  ["POST", "/v1/signing-secrets/rotate", "admin"],
  ["POST", "/v1/signing-keys/rotate", "admin"],
  ["GET", "/v1/project", "admin"],
  ["PATCH", "/v1/project", "admin"],
  ["GET", "/v1/api-keys", "admin"],
  ["POST", "/v1/api-keys", "admin"],
  ["DELETE", `/v1/api-keys/key_${ID}`, "admin"],
];

/** Documentation, which editors fetch, and public keys. */
const OPEN_ROUTES = [
  "GET /v1/providers/schema",
  "GET /v1/signing-keys",
  "GET /v1/signing-keys/jwks",
];

describe("every route", () => {
  it("is in this list", () => {
    const known = ROUTES.map(
      ([method, path]) =>
        `${method} ${path.replace(/(sub|msg|evt|con|key|red)_0+70+/, ":id").replace("acme", ":name")}`,
    );
    const served = api.app.routes
      .filter((route) => route.path.startsWith("/v1/"))
      .map((route) => `${route.method} ${route.path}`);
    expect([...known, ...OPEN_ROUTES].sort()).toEqual(served.sort());
  });

  it.each(OPEN_ROUTES)("%s needs no key", async (route) => {
    const [method = "", path = ""] = route.split(" ");
    expect((await api.request(method, path, { key: null })).status).toBe(200);
  });

  it.each(ROUTES)("%s %s needs a key with %s", async (method, path, scope) => {
    const anonymous = await api.request(method, path, { key: null });
    expect(anonymous.status).toBe(401);
    expect(anonymous.headers.get("www-authenticate")).toContain("Bearer");
    expect(await problemOf(anonymous)).toMatchObject({ code: "unauthorized" });

    for (const held of ["subscriptions:write", "subscriptions:read"] as const) {
      if (held === scope) continue;
      const refused = await api.request(method, path, { key: await api.addKey([held]) });
      expect(refused.status).toBe(403);
      const problem = await problemOf(refused);
      expect(problem).toMatchObject({ code: "insufficient_scope" });
      expect(problem.detail).toContain(scope);
    }
    const allowed = await api.request(method, path, { key: await api.addKey([scope]) });
    expect([401, 403]).not.toContain(allowed.status);
  });
});

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

  it("is taken with the scheme in any case", async () => {
    const key = await api.addKey(["subscriptions:read"]);
    expect((await get({ authorization: `bearer ${key}` })).status).toBe(200);
  });

  it("is refused once it has expired, even where it was just used", async () => {
    const expiresAtMs = api.clock.now() + 10_000;
    const key = await api.addKey(["admin"], { expiresAtMs });
    expect((await api.request("GET", "/v1/providers", { key })).status).toBe(200);
    api.clock.setNow(expiresAtMs);
    expect((await api.request("GET", "/v1/providers", { key })).status).toBe(401);
  });

  it("opens nothing of another project", async () => {
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
      expect(await response.json()).toEqual({ data: [], next_cursor: null });
    }
    const body = { job_id: "a", callback_url: CALLBACK_URL };
    const refused = await api.request("POST", "/v1/subscriptions", { body, key });
    expect(await problemOf(refused)).toMatchObject({ code: "unknown_connection" });
  });
});
