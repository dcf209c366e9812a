import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectionPageSchema, connectionSchema } from "../../src/api/connections/schema.ts";
import type { ConnectionLoad } from "../../src/polling/upstream/upstreams.ts";
import { parsePublicId, publicId } from "../../src/core/ids/ids.ts";
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

const CREDENTIAL = "pk-very-secret";
let names = 0;

function post(body: object): Promise<Response> {
  return api.request("POST", "/v1/connections", { body });
}

async function create(body: object = {}): Promise<Json> {
  // Ids of one millisecond have no order.
  api.clock.advance(1);
  names += 1;
  const named = { provider: "pulse", name: `c-${names}`, credential: CREDENTIAL, ...body };
  const response = await post(named);
  expect(response.status).toBe(201);
  return connectionSchema.parse(await response.json());
}

async function change(id: string, body: object): Promise<Json> {
  const response = await api.request("PATCH", `/v1/connections/${id}`, { body });
  expect(response.status).toBe(200);
  return connectionSchema.parse(await response.json());
}

const opened = (id: string, credential: string): string =>
  api.secretBox.open(credential, {
    column: "connections.credential",
    id: parsePublicId("connection", id) ?? "",
  });

async function rowOf(id: string): Promise<Json> {
  const [row] = await api.sql(`select * from connections where id = $1`, [
    parsePublicId("connection", id),
  ]);
  return row;
}

describe("a connection", () => {
  it("a connection is created active, its credential sealed and never shown", async () => {
    const settings = { limits: { concurrency: 4, requests_per_second: 2.5 }, poll_interval_s: 3 };
    const created = await create({ base_url: "https://API.example.com/v2/", settings });
    expect(created).toMatchObject({
      provider: "pulse",
      base_url: "https://api.example.com/v2",
      has_credential: true,
      settings,
      state: "active",
      paused_reason: null,
      paused_at: null,
    });
    const read = await api.request("GET", `/v1/connections/${created.id}`);
    expect(await read.json()).toEqual(created);
    const { credential } = await rowOf(created.id);
    expect(credential).not.toContain(CREDENTIAL);
    expect(opened(created.id, credential)).toBe(CREDENTIAL);
    expect(api.calls.at(-1)).toEqual(["connectionsRefreshed"]);
    expect(JSON.stringify([created, api.logged])).not.toContain(CREDENTIAL);
  });

  it("a connection can be subscribed through at once", async () => {
    const { name } = await create();
    expect(await api.subscribe({ connection: name })).toMatchObject({ connection: name });
  });

  it("a connection has a name of its own at its provider", async () => {
    const { name } = await create();
    const response = await post({ provider: "pulse", name, credential: "x" });
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({
      code: "connection_exists",
      errors: [{ pointer: "/name" }],
    });
  });

  it("a connection is paused and resumed by hand", async () => {
    const { id } = await create();
    const paused = await change(id, { state: "paused" });
    expect(paused).toMatchObject({ state: "paused", paused_reason: "Paused through the API." });
    expect(paused.paused_at).not.toBeNull();
    expect(await change(id, { state: "active" })).toMatchObject({
      state: "active",
      paused_reason: null,
      paused_at: null,
    });
    expect(api.calls.filter(([name]) => name === "connectionsRefreshed")).toHaveLength(3);
  });

  it("a connection becomes active with a new credential, which counts up its version", async () => {
    const { id } = await create();
    await api.sql(
      `update connections set state = 'paused', paused_reason = '401', paused_at = now() where id = $1`,
      [parsePublicId("connection", id)],
    );
    expect(await change(id, { credential: "new" })).toMatchObject({
      state: "active",
      paused_reason: null,
    });
    const row = await rowOf(id);
    expect(row.credential_version).toBe(2);
    expect(opened(id, row.credential)).toBe("new");
  });

  it("a connection keeps what a change leaves out", async () => {
    const settings = { limits: { burst: 3 } };
    const { id } = await create({ base_url: "https://a.example.com", settings });
    const before = await rowOf(id);
    expect(await change(id, {})).toMatchObject({ settings, base_url: "https://a.example.com" });
    expect(await rowOf(id)).toMatchObject({
      credential: before.credential,
      credential_version: 1,
      state: "active",
    });
    expect(await change(id, { base_url: null, credential: "k", settings: {} })).toMatchObject({
      settings: {},
      base_url: null,
    });
  });

  it("a connection is deleted with its credential, and its name is free again", async () => {
    const { id, name } = await create();
    const path = `/v1/connections/${id}`;
    expect((await api.request("DELETE", path)).status).toBe(204);
    expect(await rowOf(id)).toMatchObject({ credential: null });
    expect((await api.request("GET", path)).status).toBe(404);
    expect((await api.request("DELETE", path)).status).toBe(404);
    expect((await api.request("PATCH", path, { body: {} })).status).toBe(404);
    await create({ name });
  });

  it("a connection stays while jobs are watched through it", async () => {
    const { id, name } = await create();
    const path = `/v1/connections/${id}`;
    const subscription = await api.subscribe({ connection: name });
    const response = await api.request("DELETE", path);
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({ code: "connection_in_use" });
    await api.request("DELETE", `/v1/subscriptions/${subscription.id}`);
    expect((await api.request("DELETE", path)).status).toBe(204);
  });

  it("a connection is listed with the others, newest first", async () => {
    const older = await create();
    const newer = await create();
    const response = await api.request("GET", "/v1/connections?limit=2");
    const page: Json = connectionPageSchema.parse(await response.json());
    expect(page.data).toEqual([newer, older]);
    const next = await api.request("GET", `/v1/connections?limit=2&cursor=${page.next_cursor}`);
    const { data } = (await next.json()) as Json;
    expect(data.map((one: Json) => one.id)).not.toContain(older.id);
  });

  it.each<[object, number, string[]]>([
    [{ provider: "absent" }, 422, ["/provider"]],
    [{ provider: undefined }, 422, ["/provider"]],
    [{ credential: undefined }, 422, ["/credential"]],
    [{ credential: "" }, 422, ["/credential"]],
    [{ credential: "line\nbreak" }, 422, ["/credential"]],
    [{ credential: "é" }, 422, ["/credential"]],
    [{ name: "a b" }, 422, ["/name"]],
    [{ name: "" }, 422, ["/name"]],
    [{ base_url: "http://10.0.0.1" }, 422, ["/base_url"]],
    [{ base_url: "https://a.example/?q" }, 422, ["/base_url"]],
    [{ settings: { limits: { concurrency: 0 } } }, 422, ["/settings/limits/concurrency"]],
    [{ settings: { limits: { rate: 1 } } }, 422, ["/settings/limits/rate"]],
    [
      { settings: { limits: { requests_per_second: 0.009 } } },
      422,
      ["/settings/limits/requests_per_second"],
    ],
    [{ settings: { poll_interval_s: 0 } }, 422, ["/settings/poll_interval_s"]],
    [{ state: "paused" }, 422, ["/state"]],
  ])("a connection of %j is refused with its pointer", async (body, status, pointers) => {
    const response = await post({ provider: "pulse", name: "bad", credential: "x", ...body });
    expect(response.status).toBe(status);
    const { errors } = await problemOf(response);
    expect(errors.map((error: Json) => error.pointer)).toEqual(pointers);
    expect(await api.sql(`select 1 from connections where name = 'bad'`)).toEqual([]);
  });

  it("a connection never sends a stored credential to another host: that takes the credential again", async () => {
    const { id } = await create({ base_url: "https://a.example.com/v1" });
    const elsewhere = { base_url: "https://b.example.com/v1" };
    const response = await api.request("PATCH", `/v1/connections/${id}`, { body: elsewhere });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: "/credential" }]);
    await change(id, { base_url: "https://a.example.com/v2" });
    expect(await change(id, { ...elsewhere, credential: "new" })).toMatchObject(elsewhere);
  });

  it("a connection refuses a change to what can't be, with its pointer", async () => {
    const { id } = await create();
    for (const [body, pointer] of [
      [{ base_url: "http://10.0.0.1" }, "/base_url"],
      [{ credential: "é" }, "/credential"],
      [{ state: "broken" }, "/state"],
      [{ name: "other" }, "/name"],
    ] as const) {
      const response = await api.request("PATCH", `/v1/connections/${id}`, { body });
      expect(response.status).toBe(422);
      expect((await problemOf(response)).errors).toMatchObject([{ pointer }]);
    }
    const unknown = publicId("connection", api.uuid());
    expect((await api.request("GET", `/v1/connections/${unknown}`)).status).toBe(404);
  });
});

describe("the load of a connection on the node that answers", () => {
  const LOAD: ConnectionLoad = {
    jobs: 1200,
    inFlight: 3,
    waiting: 800,
    behindMs: 12_500,
    requestsPerSecond: 49.5,
    hold: "rate",
    pausedUntilMs: null,
    breaker: "closed",
    probeAtMs: null,
    pauseCause: null,
  };

  async function loadOf(load: ConnectionLoad): Promise<Json> {
    const { id } = await create();
    api.loads.set(parsePublicId("connection", id) ?? "", load);
    const response = await api.request("GET", `/v1/connections/${id}`);
    return connectionSchema.parse(await response.json()).load;
  }

  it("a connection shows its jobs, how late its polls are, and what they wait for", async () => {
    expect(await loadOf(LOAD)).toEqual({
      jobs: 1200,
      in_flight: 3,
      waiting: 800,
      behind_s: 12.5,
      limited_by: "rate",
      effective_requests_per_second: 49.5,
      paused_until: null,
      breaker: "closed",
    });
  });

  it.each<[Partial<ConnectionLoad>, object]>([
    [{ hold: null, waiting: 0 }, { limited_by: null }],
    [{ hold: "pause" }, { limited_by: "paused" }],
    [
      { hold: "refusal", pausedUntilMs: Date.UTC(2026, 0, 1) },
      { limited_by: "rate_limited", paused_until: "2026-01-01T00:00:00.000Z" },
    ],
    [{ hold: "concurrency" }, { limited_by: "concurrency" }],
    [{ hold: "origin" }, { limited_by: "origin" }],
    [
      { hold: "origin", breaker: "half_open" },
      { limited_by: "breaker", breaker: "half_open" },
    ],
  ])("a connection's load on the answering node names the limit of %j", async (load, shown) => {
    expect(await loadOf({ ...LOAD, ...load })).toMatchObject(shown);
  });

  it("the load of a connection is null on a node that does not know it yet", async () => {
    expect(await create()).toMatchObject({ load: null });
  });
});

describe("the state of a connection", () => {
  it("the state of a connection is its status, which takes the same values and is changed by either name", async () => {
    const body = { provider: "pulse", name: "two-names", credential: "k" };
    const made: Json = await (await api.request("POST", "/v1/connections", { body })).json();
    expect(made).toMatchObject({ status: "active", state: "active" });
    const change = async (fields: object) =>
      api.request("PATCH", `/v1/connections/${made.id}`, { body: fields });
    expect(await (await change({ status: "paused" })).json()).toMatchObject({
      status: "paused",
      state: "paused",
    });
    expect(await (await change({ state: "active" })).json()).toMatchObject({ status: "active" });
    const both = await change({ status: "active", state: "paused" });
    expect(await problemOf(both)).toMatchObject({ errors: [{ pointer: "/state" }] });
  });
});
