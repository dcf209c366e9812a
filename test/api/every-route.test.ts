import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RouteDescription } from "../../src/api/http/route.ts";
import { apiRoutes } from "../../src/api/routes.ts";
import { type IdKind, publicId } from "../../src/core/ids/ids.ts";
import { newApiKey } from "../../src/runtime/secrets/api-key.ts";
import { type Scope, SCOPES } from "../../src/core/scopes.ts";
import { ApiFixture, type Json, problemOf } from "./api-fixture.ts";
import { countObjects, objectsOf } from "./objects-of.ts";

/*
 * Walks every route that is served with every kind of key, every scope, the objects of another
 * project, and hostile text in every place of its address. The routes are the list that serves them,
 * so that a new one is covered as it is added.
 */

let api: ApiFixture;
let routes: readonly RouteDescription[];
/** Objects of the project that the requests are not of, by what their ids name. */
let foreign: Readonly<Record<IdKind, string | null>>;
const FOREIGN_PROVIDER = "foreign-provider";

beforeAll(async () => {
  api = await ApiFixture.open();
  routes = apiRoutes(api.services).map(({ description }) => description);
  foreign = await objectsOf(api, FOREIGN_PROVIDER);
});
afterAll(() => api.close());

const SAMPLE_ID = `${"0".repeat(12)}7${"0".repeat(19)}`;

/** Bodies that are valid enough for a route to look for its object; other routes take `{}`. */
const BODIES: Readonly<Record<string, object>> = {
  "POST /v1/providers/{name}/try": { answer: { status: 200, body: "{}" } },
  "POST /v1/jobs/{id}/extend": { deadline_s: 60 },
  "POST /v1/inboxes/{name}/consumers/{consumer}/ack": { cursor: "cursor" },
  "POST /v1/inboxes/{name}/consumers/{consumer}/seek": { cursor: "cursor" },
};

/** These make what they don't find. */
const MAKES_WHAT_IT_NAMES = ["PUT /v1/providers/{name}", "PUT /v1/inboxes/{name}"];

/** Documentation, public keys, and what the operator's machines ask for. */
const OPEN_ROUTES = [
  "GET /",
  "GET /docs",
  "GET /docs/errors/{name}",
  "GET /docs/guides",
  "GET /docs/guides.json",
  "GET /docs/plain",
  "GET /docs/reference.js",
  "GET /healthz",
  "GET /metrics",
  "GET /openapi.json",
  "GET /readyz",
  "GET /v1/providers/schema",
  "GET /v1/signing-keys",
  "GET /v1/signing-keys/jwks",
];

/** Time stands still here, so that a wait would have no end. */
const AT_ONCE = "timeout_s=0";

const nameOf = ({ method, path }: RouteDescription): string => `${method} ${path}`;

function pathOf(route: RouteDescription, id = SAMPLE_ID, name = "acme"): string {
  const path = route.path
    .replace("{id}", id)
    .replace("{name}", name)
    .replace("{consumer}", name)
    .replace("{version}", "1");
  return path === "/v1/events/wait" ? `${path}?${AT_ONCE}` : path;
}

/** Each route asks from an address of its own, so that refused keys of one don't limit the others. */
async function ask(route: RouteDescription, path: string, key: string | null): Promise<Response> {
  const body = BODIES[nameOf(route)] ?? {};
  const remoteAddress = `198.51.100.${routes.indexOf(route)}`;
  return api.app.request(
    path,
    {
      method: route.method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(route.body !== undefined && { "content-type": "application/json" }),
      },
      ...(route.body !== undefined && { body: JSON.stringify(body) }),
    },
    { incoming: { socket: { remoteAddress } } },
  );
}

it("every route but the public ones needs a key", () => {
  const open = routes.filter(({ scope }) => scope === null).map(nameOf);
  expect(open.toSorted()).toEqual(OPEN_ROUTES);
});

it("refuses every kind of key that is not valid, on every route", async () => {
  const revoked = await api.addKey(["admin"]);
  await api.sql(
    `update api_keys set revoked_at = now() where id = (select max(id::text)::uuid from api_keys)`,
  );
  const expired = await api.addKey(["admin"], { expiresAtMs: api.clock.now() - 1 });
  const keys: [string, string | null][] = [
    ["none", null],
    ["one that does not exist", newApiKey()],
    ["an older one that does not exist", `rb_${randomBytes(32).toString("base64url")}`],
    ["rubbish", "rb_rubbish-that-was-never-a-key"],
    ["a revoked one", revoked],
    ["an expired one", expired],
  ];
  for (const route of routes) {
    if (route.scope === null) continue;
    for (const [kind, key] of keys) {
      const response = await ask(route, pathOf(route), key);
      expect(response.status, `${nameOf(route)} with ${kind}`).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain("Bearer");
      expect(await problemOf(response)).toMatchObject({ code: "unauthorized" });
    }
  }
});

it("refuses a key without the scope, and takes one that has it or is admin's, on every route", async () => {
  const keys = new Map<Scope, string>();
  const projectId = api.uuid();
  await api.addProject(projectId, "scopes");
  for (const scope of SCOPES) keys.set(scope, await api.addKey([scope], { projectId }));
  for (const route of routes) {
    for (const [scope, key] of keys) {
      const response = await ask(route, pathOf(route), key);
      const isAllowed = route.scope === null || scope === route.scope || scope === "admin";
      const which = `${nameOf(route)} with ${scope}`;
      if (isAllowed) expect([401, 403], which).not.toContain(response.status);
      else {
        expect(response.status, which).toBe(403);
        const problem = await problemOf(response);
        expect(problem).toMatchObject({ code: "insufficient_scope" });
        expect(problem.detail).toContain(route.scope);
      }
      expect(response.status, which).toBeLessThan(500);
    }
    // One of them revokes and rotates; none may take the keys away from the next route.
    for (const [scope, key] of keys) {
      if (
        (await api.app.request("/v1/providers", { headers: { authorization: `Bearer ${key}` } }))
          .status === 401
      )
        keys.set(scope, await api.addKey([scope], { projectId }));
    }
  }
});

describe("an object of another project", () => {
  /** The problem without what differs between any two requests, and the name it was asked for by. */
  async function told(response: Response, name: string): Promise<string> {
    const problem: Json = await problemOf(response);
    delete problem.instance;
    return JSON.stringify({ status: response.status, ...problem }).replaceAll(name, "NAME");
  }

  it("an object of another project is answered like one that does not exist, on every route that names one", async () => {
    const projectId = api.uuid();
    await api.addProject(projectId, "stranger");
    const key = await api.addKey(["admin"], { projectId });
    const before = await countObjects(api);
    let walked = 0;
    for (const route of routes) {
      const { idKind } = route;
      const isNamed = route.path.includes("{name}");
      if (route.scope === null || MAKES_WHAT_IT_NAMES.includes(nameOf(route))) continue;
      if (idKind === undefined && !isNamed) continue;
      const there = isNamed ? FOREIGN_PROVIDER : (foreign[idKind ?? "project"] ?? "");
      const missing = isNamed ? "missing-provider" : publicId(idKind ?? "project", api.uuid());
      expect(there, `${nameOf(route)} needs an object of its kind in this test`).not.toBe("");
      const [ofOther, ofNone] = await Promise.all(
        [there, missing].map(async (name) =>
          told(await ask(route, pathOf(route, name, name), key), name),
        ),
      );
      expect(ofOther, nameOf(route)).toBe(ofNone);
      expect(JSON.parse(ofNone ?? ""), nameOf(route)).toMatchObject({
        status: 404,
        code: "not_found",
      });
      walked += 1;
    }
    expect(walked).toBeGreaterThan(15);
    expect(await countObjects(api)).toEqual(before);
  });

  it("an object of another project is in none of the lists", async () => {
    const projectId = api.uuid();
    await api.addProject(projectId, "lists");
    const key = await api.addKey(["admin"], { projectId });
    const own = publicId("project", projectId);
    for (const route of routes) {
      if (route.method !== "GET" || route.scope === null || route.path.includes("{")) continue;
      const text = await (await ask(route, pathOf(route), key)).text();
      for (const id of Object.values(foreign)) {
        if (id !== null) expect(text, nameOf(route)).not.toContain(id);
      }
      expect(text).not.toContain(FOREIGN_PROVIDER);
      expect(text.includes("prj_") && !text.includes(own), nameOf(route)).toBe(false);
    }
  });
});

describe("hostile text in an address", () => {
  const HOSTILE = [
    "%00",
    "a%00b",
    "%01",
    "%7f",
    "%C2%85",
    "%ED%A0%80",
    "%FF",
    "%C0%AF",
    "%zz",
    "%",
    "%2",
    "%E2%80%A8",
    "%2e%2e%2fadmin",
    "%252e",
    "a".repeat(5_000),
    "%F0%9F%92%A9".repeat(300),
    "'%20or%201=1--",
    "__proto__",
    "constructor",
    "%20",
  ];

  it("hostile text in an address is answered 4xx in every path parameter", async () => {
    const key = await api.addKey(["admin"]);
    const parts = [
      "",
      ...["sub", "job", "msg", "evt", "con", "key", "red"].map((prefix) => `${prefix}_`),
    ];
    for (const route of routes) {
      if (!route.path.includes("{")) continue;
      for (const text of HOSTILE) {
        const tried = route.path.includes("{id}") ? parts.map((part) => part + text) : [text];
        // A good name for an inbox.
        if (nameOf(route) === "PUT /v1/inboxes/{name}" && text === "constructor") continue;
        for (const name of tried) {
          const response = await ask(route, pathOf(route, name, name), key);
          expect(response.status, `${nameOf(route)} with ${name}`).toBeGreaterThanOrEqual(400);
          expect(response.status, `${nameOf(route)} with ${name}`).toBeLessThan(500);
        }
      }
    }
  }, 120_000);

  it("hostile text in an address is answered below 500 in every query parameter", async () => {
    const key = await api.addKey(["admin"]);
    for (const route of routes) {
      for (const parameter of Object.keys(route.query?.shape ?? {})) {
        for (const text of HOSTILE) {
          const response = await ask(route, `${pathOf(route)}?${parameter}=${text}`, key);
          expect(response.status, `${nameOf(route)} ${parameter}=${text}`).toBeLessThan(500);
        }
      }
    }
  }, 120_000);
});
