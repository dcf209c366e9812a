import { createHash } from "node:crypto";
import { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { checkedApp } from "../support/checked-app.ts";
import { readinessOf } from "../../src/core/readiness.ts";
import { PROBLEMS } from "../../src/core/error-codes.ts";
import { QueueStoppedError } from "../../src/store/writes/group-commit.ts";
import { DatabaseTimeoutError } from "../../src/store/db/errors.ts";
import type { Json } from "./api-fixture.ts";
import { ApiFixture, CALLBACK_URL, problemOf } from "./api-fixture.ts";
import { READY } from "./fixture-answers.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.acceptOutcome = null;
  api.logged.length = 0;
  api.samples.length = 0;
});

const open = (path: string, method = "GET") => api.request(method, path, { key: null });

describe("the addresses for operators", () => {
  it("the addresses for operators begin with a page that says what runs here and where to go, and loads nothing", async () => {
    const response = await open("/");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-\S+'; connect-src 'self'; base-uri 'none'; /,
    );
    const page = await response.text();
    const [, style = ""] = /<style>([^<]*)<\/style>/.exec(page) ?? [];
    expect(policy).toContain(createHash("sha256").update(style).digest("base64"));
    expect(page).toContain("Ringback 1.2.3");
    const links = Array.from(page.matchAll(/href="([^"]*)"/g), ([, link]) => link);
    expect(links).toEqual([
      "console",
      "docs",
      "docs/guides",
      "console/sandbox",
      "openapi.json",
      "metrics",
      "healthz",
      "readyz",
    ]);
    expect(page).toContain("This node accepts requests.");
    const withoutConsole = checkedApp({ ...api.services, hasConsole: false });
    expect(await (await withoutConsole.request("/")).text()).toContain('href="sandbox"');
    const app = checkedApp({ ...api.services, hasSandbox: false, hasConsole: false });
    const bare = await (await app.request("/")).text();
    expect(bare).not.toMatch(/href="(?:sandbox|console)/);
    expect(bare).not.toContain("<form");
  });

  it("say that the process is alive", async () => {
    const response = await open("/healthz?probe=1");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });

  it("say whether the node is ready, and if not, why", async () => {
    const ready = await open("/readyz");
    expect(ready.status).toBe(200);
    const ok = { process: "ok", database: "ok", lease: "ok", events: "ok" };
    expect(await ready.json()).toEqual({ status: "ready", checks: ok });
    api.readiness = readinessOf({ ...READY, database: "full" });
    const response = await open("/readyz");
    expect(response.status).toBe(503);
    expect(await problemOf(response)).toMatchObject({
      code: "not_ready",
      detail: "database: The database's disk is full: nothing can be stored.",
      reasons: ["database_full"],
      checks: { ...ok, database: "The database's disk is full: nothing can be stored." },
    });
  });

  it("the addresses for operators give the metrics", async () => {
    const response = await open("/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain");
    expect(await response.text()).toBe("up 1\n");
  });

  describe("show metrics that name tenants", () => {
    const scrape = (
      options: { token?: string; peer?: string; headers?: Record<string, string>; app?: Hono } = {},
    ) => {
      const { token, peer = "203.0.113.1", headers = {}, app = api.app } = options;
      return app.request(
        "/metrics",
        {
          headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
        },
        { incoming: { socket: { remoteAddress: peer } } },
      );
    };
    const shown = async (response: Response | Promise<Response>) =>
      (await (await response).text()).includes("of_tenants");

    it("metrics that name tenants are shown to this machine alone, unless there is a token", async () => {
      expect(await shown(scrape())).toBe(false);
      expect(await shown(scrape({ peer: "127.0.0.1" }))).toBe(true);
      expect(await shown(scrape({ peer: "::ffff:127.0.0.1" }))).toBe(true);
      for (const header of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) {
        const headers = { [header]: "203.0.113.1" };
        expect(await shown(scrape({ peer: "127.0.0.1", headers }))).toBe(false);
      }
    });

    it("metrics that name tenants are shown to clients that have the token, and nothing to others", async () => {
      const token = "0123456789abcdef";
      const app = checkedApp({ ...api.services, metricsToken: token });
      expect(await shown(scrape({ app, token }))).toBe(true);
      const wrong = await scrape({ app, token: `${token}0`, peer: "127.0.0.1" });
      expect(wrong.status).toBe(401);
      expect(await problemOf(wrong)).toMatchObject({ code: "unauthorized" });
      expect((await scrape({ app, peer: "127.0.0.1" })).status).toBe(401);
      for (let guess = 0; guess < 300; guess += 1) await scrape({ app, token: "guess" });
      expect((await scrape({ app, token: "guess" })).status).toBe(429);
      expect(await shown(scrape({ app, token }))).toBe(true);
    });
  });

  it("answer HEAD as GET, without a body", async () => {
    const response = await open("/healthz", "HEAD");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});

describe("an address that is not there", () => {
  it.each(["/v1", "/v1/nothing", "/v1/subscriptions/", "/v1/subscriptions/a/b/c", "/%zz"])(
    "%s is 404",
    async (path) => {
      const response = await open(path);
      expect(response.status).toBe(404);
      expect(await problemOf(response)).toMatchObject({ code: "route_not_found" });
    },
  );

  it.each([
    ["PUT", "/v1/subscriptions", "GET, POST, HEAD"],
    ["GET", "/v1/subscriptions/batch", null],
    ["PATCH", "/v1/subscriptions/sub_1", "GET, DELETE, HEAD"],
    ["OPTIONS", "/healthz", "GET, HEAD"],
    ["BREW", "/v1/subscriptions/sub_1/poll", "POST"],
  ])(
    "%s %s, an unknown address, is 405 with Allow if the path exists",
    async (method, path, allow) => {
      const response = await open(path, method);
      if (allow === null) {
        // `batch` may as well be an id; that it is none is told once the caller is known.
        expect(response.status).toBe(401);
        return;
      }
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe(allow);
      expect(await problemOf(response)).toMatchObject({ code: "method_not_allowed" });
    },
  );
});

describe("an app mounted on this one", () => {
  it("an app mounted on this one leaves the answers to unknown addresses and methods as they were", async () => {
    const app = checkedApp(api.services);
    app.route(
      "/side",
      new Hono().post("/thing", (context) => context.text("made")),
    );
    const made = await app.request("/side/thing", { method: "POST" });
    expect(await made.text()).toBe("made");
    const unknown = await app.request("/side/nothing");
    expect(await problemOf(unknown)).toMatchObject({ code: "route_not_found" });
    const wrong = await app.request("/side/thing");
    expect(wrong.headers.get("allow")).toBe("POST");
    expect(await problemOf(wrong)).toMatchObject({ code: "method_not_allowed" });
  });
});

describe("an error on our side", () => {
  const create = () =>
    api.request("POST", "/v1/subscriptions", {
      body: { job_id: "a", callback_url: CALLBACK_URL },
    });

  it("an error on our side is a 500 that reveals nothing internal, and logged by its request id", async () => {
    api.acceptOutcome = new Error("connection string postgres://secret");
    const response = await create();
    expect(response.status).toBe(500);
    const problem = await problemOf(response);
    expect(JSON.stringify(problem)).not.toMatch(/postgres|stack|at /);
    expect(api.logged.at(-1)).toMatchObject({
      level: "error",
      fields: { requestId: response.headers.get("x-request-id"), err: api.acceptOutcome },
    });
  });

  it.each([
    [new DatabaseTimeoutError("accept took longer than 1 ms"), "database_unavailable"],
    [Object.assign(new Error("x"), { code: "ECONNREFUSED" }), "database_unavailable"],
    [Object.assign(new Error("x"), { code: "57P01" }), "database_unavailable"],
    [new QueueStoppedError("stopped"), "overloaded"],
  ])("a transient error on the server's side is 503 with Retry-After: %s", async (error, code) => {
    api.acceptOutcome = error;
    const response = await create();
    expect(response.status).toBe(503);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await problemOf(response)).toMatchObject({ code });
  });
});

describe("every answer", () => {
  it("every answer has a request id of its own, and is measured by its route", async () => {
    const first = await open("/v1/subscriptions/sub_1");
    const second = await open("/nowhere");
    expect(first.headers.get("x-request-id")).toMatch(/^\w+-\w+$/);
    expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect(api.samples).toEqual([
      {
        route: "/v1/subscriptions/{id}",
        method: "GET",
        status: 401,
        durationMs: expect.any(Number),
      },
      { route: "none", method: "GET", status: 404, durationMs: expect.any(Number) },
    ]);
    expect(api.logged).toMatchObject([{ level: "debug" }, { level: "debug" }]);
  });

  it("every answer is logged with its duration in whole milliseconds", async () => {
    let nowMs = 0;
    const monotonic = vi.spyOn(api.services.clock, "monotonic").mockImplementation(() => {
      nowMs += 0.4;
      return nowMs;
    });
    await open("/nowhere").finally(() => monotonic.mockRestore());
    const whole = {
      fields: expect.objectContaining({ durationMs: expect.toSatisfy(Number.isInteger) }),
    };
    expect(api.logged).toContainEqual(expect.objectContaining(whole));
    expect(api.samples[0]?.durationMs).not.toSatisfy(Number.isInteger);
  });

  it("every answer keeps the API key out of the log", async () => {
    const key = await api.addKey(["admin"]);
    await api.request("GET", "/v1/providers", { key });
    expect(JSON.stringify(api.logged)).not.toContain(key);
  });
});

describe("the documentation", () => {
  async function document(): Promise<Json> {
    const response = await open("/openapi.json");
    expect(response.headers.get("content-type")).toBe("application/json");
    return response.json();
  }

  it("the documentation is OpenAPI 3.1 and describes every route, its key and its problems", async () => {
    const { openapi, paths, servers, components, security: ofAll } = await document();
    expect(openapi).toBe("3.1.0");
    expect(servers).toMatchObject([{ url: "https://ringback.example.com" }]);
    expect(components.securitySchemes.apiKey).toMatchObject({ type: "http", scheme: "bearer" });
    const served = api.app.routes.map(
      (route) => `${route.method.toLowerCase()} ${route.path.replaceAll(/:(\w+)/g, "{$1}")}`,
    );
    const described = Object.entries<Json>(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    // Passed on, whatever its method and path.
    expect(described.sort()).toEqual([...served, "post /via/{connection}/{path}"].sort());
    const { responses, security, requestBody, parameters } = paths["/v1/subscriptions"].post;
    expect(security).toBeUndefined();
    expect(ofAll).toEqual([{ apiKey: [] }]);
    expect(Object.keys(responses).sort()).toEqual(["201", "4XX", "default"]);
    expect(requestBody.content["application/json"].schema.$ref).toContain("SubscriptionRequest");
    expect(parameters).toMatchObject(
      ["Idempotency-Key", "traceparent", "tracestate"].map((name) => ({ name, in: "header" })),
    );
    const { get: health } = paths["/healthz"];
    expect(health.security).toEqual([]);
    expect(Object.keys(health.responses)).toEqual(["200", "4XX", "default"]);
  });

  it("the documentation says what the schemas check", async () => {
    const { properties, required, additionalProperties } = (await document()).components.schemas
      .SubscriptionRequest;
    expect(required).toEqual(["job_id"]);
    expect(additionalProperties).toBe(false);
    expect(properties.job_id).toMatchObject({ type: "string", minLength: 1, maxLength: 512 });
    expect(properties.events).toMatchObject({
      type: "array",
      items: { $ref: "#/components/schemas/EventType" },
    });
    expect(properties.deadline_s).toMatchObject({ type: "integer", minimum: 1 });
    expect(properties.metadata.type).toBe("object");
  });

  it("the documentation has no reference that leads nowhere, and knows every problem of a request", async () => {
    const whole = await document();
    const text = JSON.stringify(whole);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(whole.components.schemas).toHaveProperty(name ?? "");
    }
    // These come before any route is known.
    const general = [
      "malformed_request",
      "route_not_found",
      "method_not_allowed",
      "headers_too_large",
    ];
    // Those of requests that are passed on, which are not operations of this API.
    const passedOn = ["upgrade_refused", "upstream_failed", "upstream_busy", "upstream_timeout"];
    for (const code of Object.keys(PROBLEMS)) {
      if (![...general, ...passedOn].includes(code)) expect(text).toContain(`\`${code}\``);
    }
  });

  it("the documentation is also a page that loads nothing", async () => {
    const response = await open("/docs/plain");
    expect(response.headers.get("content-type")).toContain("text/html");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-\S+'; base-uri 'none'; /,
    );
    expect(policy).toContain("form-action 'none'; frame-ancestors 'none'");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    const page = await response.text();
    expect(page).toContain("POST /v1/subscriptions/{id}/poll");
    expect(page).toContain('id="SubscriptionRequest"');
    expect(page).not.toMatch(/<link|src=/);
    const [, script = ""] = /<script>([^<]*)<\/script>/.exec(page) ?? [];
    expect(policy).toContain(createHash("sha256").update(script).digest("base64"));
    expect(page).toContain('href="#createSubscription"');
    expect(page).toContain("curl -X POST");
    expect(page.startsWith("<!doctype html>")).toBe(true);
  });
});
