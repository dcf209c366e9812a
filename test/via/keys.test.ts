import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { submitThrough } from "../../src/api/submit-through.ts";
import { publicId } from "../../src/core/ids/ids.ts";
import { SCOPES } from "../../src/core/scopes.ts";
import { newApiKey } from "../../src/runtime/secrets/api-key.ts";
import { Via } from "../../src/via/via.ts";
import { ApiFixture, type Json } from "../api/api-fixture.ts";
import { testRuntime } from "../support/runtime.ts";

/* Walks the way through the gateway with every kind of key, every scope, and others' connections. */

let api: ApiFixture;
let origin: string;
let close: () => void;
/** The connection of a project that the requests are not of. */
let foreignId: string;

/** None of the requests is passed on. */
function beyond(): never {
  throw new Error("a request came as far as an upstream");
}

beforeAll(async () => {
  api = await ApiFixture.open();
  const { connections, providers } = api.services;
  const stored = await api.storedConnections();
  foreignId = publicId("connection", stored[0]?.id ?? "");
  const via = new Via(testRuntime({ clock: api.clock }), {
    api: submitThrough(api.services, { storeTimeoutMs: 0, isStopping: () => false }),
    limits: api.limits,
    settings: { connectTimeoutMs: 1_000, idleTimeoutMs: 1_000, heldAnswersBytesMax: 0 },
    publicUrl: null,
    connections: {
      get: (id) => stored.find((connection) => connection.id === id) ?? null,
      find: (...of) => connections.find(...of),
      findFresh: (...of) => connections.findFresh(...of),
    },
    providers,
    upstreamOf: beyond,
    statuses: {
      latest: { latest: beyond, first: beyond, moved: beyond },
      findLiveJobs: beyond,
    },
    relay: () => null,
    buffers: { passed: beyond },
  });
  const server = createServer((request, response) => void via.handle(request, response));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => server.close();
});
afterAll(async () => {
  close();
  await api.close();
});

async function pass(target: string, key: string | null): Promise<Json> {
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`${origin}/via/${target}/jobs`, { headers });
  return { status: response.status, ...((await response.json()) as Json) };
}

/** A problem without what differs between any two requests. */
function told(problem: Json, name: string): string {
  return JSON.stringify({ ...problem, instance: null }).replaceAll(name, "NAME");
}

test("every kind of key that is not valid is refused", async () => {
  const expired = await api.addKey(["submit"], { expiresAtMs: api.clock.now() - 1 });
  const revoked = await api.addKey(["submit"]);
  await api.sql(
    `update api_keys set revoked_at = now() where id = (select max(id::text)::uuid from api_keys)`,
  );
  for (const key of [null, newApiKey(), "rb_rubbish-that-was-never-a-key", expired, revoked]) {
    expect(await pass("pulse", key), String(key)).toMatchObject({
      status: 401,
      code: "unauthorized",
    });
  }
});

test("a key needs the scope submit, or is admin's", async () => {
  const projectId = api.uuid();
  await api.addProject(projectId, "scopes");
  for (const scope of SCOPES) {
    const key = await api.addKey([scope], { projectId });
    const may = scope === "submit" || scope === "admin";
    expect(await pass("pulse", key), scope).toMatchObject(
      may ? { status: 404 } : { status: 403, code: "insufficient_scope" },
    );
  }
});

test("another project's connection is answered like one that does not exist", async () => {
  const projectId = api.uuid();
  await api.addProject(projectId, "stranger");
  const key = await api.addKey(["admin"], { projectId });
  const missingId = publicId("connection", api.uuid());
  const [foreign, missing] = await Promise.all(
    [foreignId, missingId].map(async (name) => told(await pass(name, key), name)),
  );
  expect(foreign).toBe(missing);
  expect(JSON.parse(missing ?? "")).toMatchObject({ status: 404, code: "not_found" });
  // Its provider's name leads to no connection of another project either.
  expect(await pass("pulse", key)).toMatchObject({ status: 404, code: "not_found" });
});

test("hostile text in place of a connection is a 4xx", async () => {
  const key = await api.addKey(["admin"]);
  for (const text of ["%00", "a%00b", "%ED%A0%80", "%zz", "%2e%2e%2fadmin", "__proto__", "con_"]) {
    const { status } = await pass(text, key);
    expect(status, text).toBeGreaterThanOrEqual(400);
    expect(status, text).toBeLessThan(500);
  }
});
