import { expect, test } from "vitest";
import type { Answer } from "../support/scripted-server.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { UPSTREAM_KEY, useScenes } from "./scene.ts";

/*
 * A credential that the other side of an exchange echoes is shown nowhere: in no answer of the API, no
 * callback, no operational event, no log line and no row of the database. And no answer lets a browser
 * read it as another type, or a page be framed, submit a form elsewhere or load what is not its own.
 */

const openScene = useScenes();

const RECEIVER_KEY = "receiver-key/of+the scene";

const eachUnit = (text: string, encode: (code: number) => string): string =>
  Array.from({ length: text.length }, (_, at) => encode(text.charCodeAt(at))).join("");
const hexadecimal = (code: number, digits: number): string =>
  code.toString(16).padStart(digits, "0");

/** Each as it is within a JSON string. */
const ENCODINGS: readonly ((secret: string) => string)[] = [
  (secret) => secret,
  (secret) => eachUnit(secret, (code) => `\\u${hexadecimal(code, 4)}`),
  (secret) => eachUnit(secret, (code) => `%${hexadecimal(code, 2)}`),
  (secret) => Buffer.from(`user:${secret}`).toString("base64"),
  (secret) => Buffer.from(`{"key":"${secret}?>"}`).toString("base64url"),
];

const json = (status: number, body: string, secret = UPSTREAM_KEY): Answer => ({
  status,
  body,
  headers: { "x-echo": `${secret} ${Buffer.from(secret).toString("base64")}` },
  // No piece holds a whole credential.
  pieceBytes: 7,
});

const echoOf = (secret: string): string => ENCODINGS.map((encode) => encode(secret)).join(" and ");

/** Texts that would give the secret away: it, its encodings, and parts of these. */
function tracesOf(secret: string): string[] {
  const echoes = ENCODINGS.map((encode) => encode(secret));
  const middles = echoes.map((echo) => {
    const middle = Math.floor(echo.length / 2);
    return echo.slice(middle - 8, middle + 8);
  });
  return [secret, ...echoes, ...middles];
}

test("a credential that is echoed in whatever encoding, in small pieces, is shown nowhere", async (context) => {
  const scene = await openScene(context);
  const { gateway, upstream, receiver, jobId, path, connection, subscribe, look, connect } = scene;
  const operations = "/operations";
  const answer = await gateway.api("PATCH", "/v1/project", {
    operations_url: receiver.url(operations),
  });
  expect(answer.status).toBe(200);
  const echo = echoOf(UPSTREAM_KEY);
  const problem = `{"error":{"code":"GENERAL_001","message":"key ${echo} is wrong"}}`;
  const status = (word: string, more = "") =>
    json(200, `{"job_id":"any","created_at":"2026-01-01T00:00:00.000Z","status":"${word}"${more}}`);

  // Errors and unknown statuses, and what is shown of them.
  upstream.answer("erring", json(500, problem));
  upstream.answer("unknown", status(`odd ${echo}`));
  upstream.answer(jobId, [
    status("processing", `,"result":{"progress":{"note":"${echo}"}}`),
    status("failed", `,"error":"failed by ${echo}"`),
  ]);
  const paused = await connect();
  upstream.answer("refused", json(401, problem));
  const erring = await subscribe({ job_id: "erring" });
  const unknown = await subscribe({ job_id: "unknown" });
  await subscribe({ job_id: "refused", connection: paused.name });
  const explained = (of: { readonly job: { readonly id: string } }) =>
    gateway.until(
      `/v1/jobs/${of.job.id}/explain`,
      ({ upstream: seen }) => seen.raw_answer !== null,
    );

  // The receiver's answers.
  const headers = { authorization: `Bearer ${RECEIVER_KEY}` };
  const receiverEcho = echoOf(RECEIVER_KEY);
  receiver.answer(path, [
    json(500, `{"seen":"${receiverEcho}"}`, RECEIVER_KEY),
    { status: 307, headers: { location: `/${encodeURIComponent(receiverEcho)}` } },
    json(400, `{"seen":"${receiverEcho}"}`, RECEIVER_KEY),
  ]);
  const failing = await subscribe({
    events: ["job.failed", "job.progress"],
    headers,
    retry_schedule_s: [0.02, 0.02],
  });
  const callbackUrl = receiver.url("/tested");
  receiver.answer("/tested", json(200, `{"seen":"${receiverEcho}"}`, RECEIVER_KEY));

  const shown = [
    await explained(await look(`/v1/subscriptions/${erring.id}`)),
    await explained(await look(`/v1/subscriptions/${unknown.id}`)),
    await gateway.until(`/v1/connections/${paused.id}`, ({ state }) => state === "paused"),
    await gateway.until(
      `/v1/subscriptions/${failing.id}/deliveries`,
      ({ data }) =>
        data.length > 0 && data.every((one: { status: string }) => one.status !== "pending"),
    ),
    // The request is shown to the caller who has just given the secret.
    (await gateway.api("POST", "/v1/callbacks/test", { callback_url: callbackUrl, headers })).body
      .response,
    ...(await Promise.all(
      ["erring", "unknown", jobId].map(
        async (id) =>
          (await gateway.api("POST", "/v1/providers/pulse/try", { job_id: id, connection })).body,
      ),
    )),
  ];
  const told = await receiver.take(operations, 2);
  shown.push(...told, ...receiver.callbacks.map(({ body }) => body));
  const deliveries = await look(`/v1/subscriptions/${failing.id}/deliveries`);
  for (const { id } of deliveries.data) shown.push(await look(`/v1/deliveries/${id}`));
  for (const list of [
    "/v1/subscriptions",
    "/v1/connections",
    "/v1/deliveries",
    "/v1/jobs",
    "/v1/events",
    "/v1/operational-events",
    "/v1/callback-origins",
    "/v1/audit-log",
    "/v1/project",
  ])
    shown.push(await look(list));
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const texts = [...shown.map((one) => JSON.stringify(one)), metrics, ...gateway.logged];
  const tables = await gateway.sql`
      select table_name as name from information_schema.tables where table_schema = 'public'`;
  expect(tables.length).toBeGreaterThan(20);
  for (const { name } of tables) {
    const rows = await gateway.sql`select row::text as row from ${gateway.sql(name)} as row`;
    texts.push(...rows.map(({ row }) => `${name}: ${row}`));
  }

  const traces = [...tracesOf(UPSTREAM_KEY), ...tracesOf(RECEIVER_KEY)];
  for (const trace of traces) {
    // As it is, and as JSON has it.
    const forms = [trace, JSON.stringify(trace).slice(1, -1)];
    expect(texts.filter((text) => forms.some((form) => text.includes(form)))).toEqual([]);
  }
  // Something was echoed, and masked, in all of these.
  const masked = texts.filter((text) => text.includes("[redacted]"));
  expect(masked.length).toBeGreaterThanOrEqual(15);
  for (const table of ["jobs", "connections", "events", "attempts", "operational_events"]) {
    expect(
      masked.some((text) => text.startsWith(`${table}: `)),
      table,
    ).toBe(true);
  }
});

/** Addresses beside those of the API's description. */
const OTHER_PATHS = [
  "/",
  "/docs",
  "/docs/plain",
  "/docs/guides",
  "/console",
  "/console/",
  "/console/sign-in",
  "/console/jobs",
  "/console/nothing",
  "/console/links/none/",
  "/sandbox",
  "/nothing",
  "/%zz",
  "/via/nothing/jobs",
  "/.well-known/nothing",
];

test("every answer of every route keeps browsers from reading it as another type, and every page from being framed", async (context) => {
  const { gateway } = await openScene(context);
  const description = await (await fetch(`${gateway.url}/openapi.json`)).json();
  const { paths } = description as { paths: Record<string, Record<string, object>> };
  const described = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method): [string, string] => [
      method.toUpperCase(),
      path.replaceAll(/\{\w+\}/g, "none"),
    ]),
  );
  expect(described.length).toBeGreaterThan(60);
  const pages = new Set<string>();
  const links = new Set<string>();
  const look = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(gateway.url + path, { method, headers, redirect: "manual" });
    const at = `${method} ${path} ${response.status}`;
    expect(response.headers.get("x-content-type-options"), at).toBe("nosniff");
    expect(response.headers.get("referrer-policy"), at).toMatch(/^(?:no-referrer|same-origin)$/);
    if (response.headers.get("content-type")?.startsWith("text/html") === true) {
      pages.add(path);
      const policy = response.headers.get("content-security-policy") ?? "";
      expect(policy, at).toContain("default-src 'none'");
      expect(policy, at).toContain("base-uri 'none'");
      expect(policy, at).toMatch(/form-action '(?:none|self)'/);
      expect(policy, at).toMatch(/frame-ancestors 'none'/);
      const text = await response.text();
      for (const [, link = ""] of text.matchAll(/(?:href|src)="([^"#:]+)["#]/g)) {
        links.add(new URL(link, gateway.url + path).pathname);
      }
    } else {
      await response.body?.cancel();
    }
  };
  const key = { authorization: `Bearer ${API_KEY}` };
  for (const [method, path] of described) {
    await look(method, path);
    // With nothing in the body: a route that changes something refuses it, or changes this test's own gateway.
    if (method === "GET") await look(method, path.replace(/wait$/, "wait?timeout_s=1"), key);
  }
  for (const path of OTHER_PATHS) {
    for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) await look(method, path);
  }
  // Assets and pages that pages name.
  for (const path of links) await look("GET", path);
  expect(pages.size).toBeGreaterThan(5);
  expect(links.size).toBeGreaterThan(10);
});
