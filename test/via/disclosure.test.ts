import { connect } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "vitest";
import { describe, expect, test } from "vitest";
import type { Json } from "../support/api-client.ts";
import { type Scene, useScenes } from "../end-to-end/scene.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { type ApiReply, type ApiRequest, openJobApi } from "../support/job-api.ts";
import { exchange } from "./raw-exchange.ts";

/* Where credentials and contents of passed-on requests go, and where they don't. */

/** Nothing listens there, so that every lookup of a name fails at once. */
const openScene = useScenes({ RINGBACK_NAME_SERVERS: "127.0.0.1:9" });
const CREDENTIAL = "canary-credential-of-the-connection";
const KEY = { "x-api-key": API_KEY };
const ACCEPTED: ApiReply = { status: 202, body: { job_id: "j", status: "pending" } };

/** A connection whose host and another one are listened to. */
async function open(
  context: TestContext,
  answer: (request: ApiRequest, elsewhere: string) => ApiReply = () => ACCEPTED,
) {
  const scene = await openScene(context);
  const elsewhere = await openJobApi(context, () => ({ body: "elsewhere" }));
  const api = await openJobApi(context, (request) => answer(request, elsewhere.origin));
  const connection = await scene.connect({ credential: CREDENTIAL, base_url: `${api.origin}/v1` });
  return { scene, api, elsewhere, base: `/via/${connection.id}`, connection };
}

/** The lines about requests that were passed on, once there are as many. */
async function linesOf(scene: Scene, connectionId: string, count: number): Promise<Json[]> {
  const lines = () =>
    scene.gateway.logged
      .filter((line) => line.includes('"passed a request on"') && line.includes(connectionId))
      .map((line): Json => JSON.parse(line));
  await expect.poll(() => lines().length, { timeout: 30_000 }).toBe(count);
  return lines();
}

describe("the credential of a connection", () => {
  test.for([301, 302, 303, 307, 308])(
    "the credential goes to no other host when the API redirects with %i: the redirect is relayed as it is",
    async (status, context) => {
      const { scene, api, elsewhere, base } = await open(context, (_, host) => ({
        status,
        headers: { location: `${host}/stolen?a=1` },
      }));
      const answer = await fetch(`${scene.gateway.url}${base}/x`, {
        method: "POST",
        headers: { ...KEY, "ringback-inbox": "orders" },
        body: "{}",
        redirect: "manual",
      });
      expect(answer.status).toBe(status);
      expect(answer.headers.get("location")).toBe(`${elsewhere.origin}/stolen?a=1`);
      expect(api.requests.map(({ headers }) => headers["x-api-key"])).toEqual([CREDENTIAL]);
      expect(elsewhere.requests).toEqual([]);
    },
  );

  test("a link to another host is no link through the gateway, and its job is not asked about there with the credential", async (context) => {
    const { scene, elsewhere, base, api } = await open(context, (_, host) => ({
      status: 202,
      headers: { "operation-location": `${host}/v1/job/j`, "azure-asyncoperation": "//x/y" },
      body: ACCEPTED.body,
    }));
    const answer = await fetch(`${scene.gateway.url}${base}/x`, { method: "POST", headers: KEY });
    expect(answer.headers.get("operation-location")).toBe(`${elsewhere.origin}/v1/job/j`);
    expect(answer.headers.get("azure-asyncoperation")).toBe("//x/y");
    expect(api.requests.length).toBe(1);
    expect(elsewhere.requests).toEqual([]);
  });

  test("the credential goes to the connection's host, whatever host a request names", async (context) => {
    const { scene, api, elsewhere, base } = await open(context);
    const other = new URL(elsewhere.origin).host;
    const { url } = scene.gateway;
    const named = [
      `host: ${other}`,
      `x-forwarded-host: ${other}`,
      `forwarded: host=${other}`,
      `x-original-url: ${elsewhere.origin}/x`,
      `x-rewrite-url: ${elsewhere.origin}/x`,
    ];
    for (const header of named) {
      const line = `GET ${base}/x HTTP/1.1`;
      const { status } = await exchange(url, { line, headers: [`x-api-key: ${API_KEY}`, header] });
      expect([header, status]).toEqual([header, 202]);
    }
    const own = new URL(api.origin).host;
    expect(api.requests.map(({ headers }) => headers["host"])).toEqual(named.map(() => own));
    const targets = [
      `${elsewhere.origin}/x`,
      `${elsewhere.origin}${base}/x`,
      `${base}//${other}/x`,
      `${base}/%2f${other}/x`.replace("/%2f", "//"),
      `${base}@${other}/x`,
      `/via/${other}/x`,
      `/via/${encodeURIComponent(elsewhere.origin)}/x`,
      `/via//${other}/x`,
      `//${other}${base}/x`,
      `${base}\\${other}/x`,
      `${base}#@${other}/x`,
    ];
    for (const target of targets) {
      const line = `GET ${target} HTTP/1.1`;
      const { status } = await exchange(url, { line, headers: [`x-api-key: ${API_KEY}`] });
      expect(status, target).toBeGreaterThanOrEqual(400);
      expect(status, target).toBeLessThan(500);
    }
    expect(api.requests.length).toBe(named.length);
    expect(elsewhere.requests).toEqual([]);
  });

  test("an error text that contains the credential is redacted, in the problem and in the log", async (context) => {
    const scene = await openScene(context);
    // The text names the host, which no name server knows.
    const base_url = `https://${CREDENTIAL}.invalid/v1`;
    const connection = await scene.connect({ credential: CREDENTIAL, base_url });
    const answer = await fetch(`${scene.gateway.url}/via/${connection.id}/x`, { headers: KEY });
    const body = await answer.text();
    expect(answer.status).toBe(502);
    expect(body).toMatch(/dns_failed: \S+ could not be resolved just now/);
    expect(body).not.toContain(CREDENTIAL);
    const lines = await linesOf(scene, connection.id, 1);
    expect(JSON.stringify(lines)).not.toContain(CREDENTIAL);
  });

  test("a proxy's request for another host is refused", async (context) => {
    const { scene, api, elsewhere } = await open(context);
    const other = new URL(elsewhere.origin).host;
    const socket = connect(Number(new URL(scene.gateway.url).port), "127.0.0.1");
    socket.write(`CONNECT ${other} HTTP/1.1\r\nhost: ${other}\r\nx-api-key: ${API_KEY}\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /);
    expect([...api.requests, ...elsewhere.requests]).toEqual([]);
  });
});

describe("no header is injected", () => {
  test("no header is injected by control characters in a value, a name, the path or the query", async (context) => {
    const { scene, api, base } = await open(context);
    const line = `POST ${base}/x HTTP/1.1`;
    const key = `x-api-key: ${API_KEY}`;
    const tricks: readonly (readonly [line: string, ...headers: string[]])[] = [
      [line, key, "x-a: b\0c"],
      [line, key, "x-a: b\rx-injected: 1"],
      [line, key, "x-a: b\r\n\tx-injected: 1"],
      [line, key, "x-a: b\r\n x-injected: 1"],
      [line, key, "x a: b"],
      [line, key, "x-a : b"],
      [line, key, "x-a\0: b"],
      [line, key, ": b"],
      [line, key, "ringback-metadata: {}\rx-injected: 1"],
      [line, key, "ringback-callback-url: https://a.example/\0"],
      [line, `x-api-key: ${API_KEY}\rx-injected: 1`],
      [`POST ${base}/x%0d%0ax-injected:%201 HTTP/1.1`, key],
      [`POST ${base}/x%0ax-injected HTTP/1.1`, key],
      [`POST ${base}/x\tHTTP/1.1 HTTP/1.1`, key],
      [`POST ${base}/x y HTTP/1.1`, key],
    ];
    for (const [first, ...headers] of tricks) {
      const { status } = await exchange(scene.gateway.url, { line: first, headers });
      expect([first, ...headers, status]).toEqual([first, ...headers, 400]);
    }
    expect(api.requests).toEqual([]);
  });

  test("no header is injected by percent-encoded line ends, which stay percent-encoded", async (context) => {
    const { scene, api, base } = await open(context);
    const ends = "%0d%0ax-injected:%201";
    const { status, headers } = await exchange(scene.gateway.url, {
      line: `POST ${base}/x?a=${ends} HTTP/1.1`,
      headers: [`x-api-key: ${API_KEY}`, "x-a: a%0d%0ax-injected: 1"],
    });
    expect(status).toBe(202);
    expect(headers["x-injected"]).toBeUndefined();
    const [request] = api.requests;
    expect(request?.path).toBe(`/v1/x?a=${ends}`);
    expect(request?.headers).toMatchObject({ "x-a": "a%0d%0ax-injected: 1" });
    expect(request?.headers["x-injected"]).toBeUndefined();
  });
});

test("each request is logged with method, path template, times and sizes, and never with its contents", async (context) => {
  const canary = (place: string): string => `canary-${place}-${context.task.id}`;
  const { scene, base, connection } = await open(context, ({ path, method }) => ({
    status: path.startsWith("/v1/extract") ? 202 : 403,
    headers: { "x-answer": canary("answer-header"), "set-cookie": canary("cookie") },
    body: {
      job_id: "j",
      status: method === "POST" ? "pending" : "completed",
      echo: [CREDENTIAL, canary("answer-body")],
    },
  }));
  const send = (method: string, path: string, body: string | null, headers: object = {}) =>
    fetch(`${scene.gateway.url}${base}${path}`, {
      method,
      body,
      headers: {
        ...KEY,
        authorization: `Bearer ${canary("authorization")}`,
        cookie: canary("sent-cookie"),
        "x-own": canary("header"),
        ...headers,
      },
    });
  const query = `?token=${canary("query")}`;
  const body = JSON.stringify({ input: canary("body") });
  const submitted = await send("POST", `/extract${query}`, body, {
    "ringback-inbox": "orders",
    "ringback-metadata": JSON.stringify({ note: canary("metadata") }),
  });
  const answerBytes = Buffer.byteLength(await submitted.text());
  await (await send("GET", `/${canary("path")}${query}`, null)).text();
  const badHeader = { "ringback-payload": canary("bad-header") };
  await (await send("POST", `/extract${query}`, body, badHeader)).text();
  const [first, second, third] = await linesOf(scene, connection.id, 2).then(async (lines) => [
    ...lines,
    ...(await refusedLines(scene)),
  ]);
  expect(first).toMatchObject({
    method: "POST",
    path: "/{+operation}",
    provider: "pulse",
    connection: connection.id,
    status: 202,
    outcome: "answered",
    requestBytes: Buffer.byteLength(body),
    responseBytes: answerBytes,
    submission: "subscribed",
    subscription: submitted.headers.get("ringback-subscription-id"),
    durationMs: expect.any(Number),
    sentAfterMs: expect.any(Number),
    answeredAfterMs: expect.any(Number),
  });
  expect(second).toMatchObject({ method: "GET", path: null, status: 403, subscription: null });
  expect(third).toMatchObject({ method: "POST", status: 400, outcome: "invalid_header" });
  const all = scene.gateway.logged.join("\n");
  expect(all).not.toContain("canary-");
  for (const secret of [CREDENTIAL, API_KEY]) expect(all).not.toContain(secret);
});

/** The lines about requests that were refused before their connection was used. */
async function refusedLines({ gateway }: Scene): Promise<Json[]> {
  const lines = () =>
    gateway.logged
      .filter((line) => line.includes('"invalid_header"'))
      .map((line) => JSON.parse(line));
  await expect.poll(() => lines().length, { timeout: 30_000 }).toBe(1);
  return lines();
}

test("requests are counted by method and status, and submissions by what became of them", async (context) => {
  const { scene, base } = await open(context);
  const count = async (...parts: readonly string[]): Promise<number> => {
    const { text: metrics } = await scene.gateway.api("GET", "/metrics");
    const line = metrics.split("\n").find((one) => parts.every((part) => one.includes(part)));
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  const counted = (method: string, status: number) =>
    count("_duration_seconds_count{", 'route="/via"', `method="${method}"`, `status="${status}"`);
  const all = () =>
    Promise.all([
      counted("POST", 202),
      counted("GET", 400),
      count("ringback_submissions_total{", 'outcome="subscribed"'),
    ]);
  const before = await all();
  const submit = { method: "POST", headers: { ...KEY, "ringback-inbox": "orders" }, body: "{}" };
  await (await fetch(`${scene.gateway.url}${base}/extract`, submit)).text();
  await (await fetch(`${scene.gateway.url}${base}/%zz`, { headers: KEY })).text();
  await expect
    .poll(async () => (await all()).map((value, index) => value - (before[index] ?? 0)))
    .toEqual([1, 1, 1]);
});

test("every answer keeps browsers from reading it as another type, once, and as the API has it where it says so", async (context) => {
  const { scene, base } = await open(context, ({ path }) => ({
    headers: path === "/v1/own" ? { "Referrer-Policy": "origin" } : {},
    body: {},
  }));
  const headersOf = async (path: string) => {
    const { headers } = await fetch(scene.gateway.url + path, { headers: KEY });
    return [headers.get("x-content-type-options"), headers.get("referrer-policy")];
  };
  expect(await headersOf(`${base}/x`)).toEqual(["nosniff", "no-referrer"]);
  expect(await headersOf(`${base}/own`)).toEqual(["nosniff", "origin"]);
  expect(await headersOf("/via/con_missing/x")).toEqual(["nosniff", "no-referrer"]);
});
