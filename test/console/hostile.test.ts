import { afterAll, beforeAll, expect, test } from "vitest";
import { CALLBACK_URL, type Json } from "../api/api-fixture.ts";
import { exampleSource } from "../providers/example-provider.ts";
import { type Browser, type BrowserPage, ConsoleFixture, ROUTES } from "./console-fixture.ts";

/*
 * Hostile text in every stored text, on every page and in the answer to every form. The pages come from the
 * table of routes, and the columns from the database's own list, so that new ones are tried too.
 */

/** Breaks out of text, of attributes in either quote, of a script, of a style and of a comment. */
const HOSTILE = `"'></title></textarea></style></script>--><script>broken()</script><img src=x onerror=broken()>`;
/** Parts of it that a page holds only if it was not escaped. */
const BROKEN_OUT = [`'></title>`, "<script>broken", "<img src=x", "</style></script>"];
const ESCAPED = "&lt;script&gt;broken()";
const HOSTILE_JSON = JSON.stringify({ [HOSTILE]: HOSTILE, list: [HOSTILE] });

/** Words of closed lists, and sealed or hashed values: only the gateway writes these columns. */
const KEPT = [
  "attempts.error_code",
  "audit_log.action",
  "connections.credential",
  "connections.environment",
  "connections.state",
  "deliveries.event_type",
  "deliveries.status",
  "events.result_fetch",
  "events.type",
  "fan_outs.event_type",
  "idempotency_keys.request_hash",
  "idempotent_answers.request_hash",
  "jobs.last_outcome",
  "jobs.params_digest",
  "jobs.status",
  "lane_states.breaker",
  "lane_states.hold",
  "lane_states.kind",
  "lane_states.pause_cause",
  "mailbox.kind",
  "operational_events.settled_as",
  "operational_events.type",
  "redeliveries.event_type",
  "redeliveries.state",
  "redeliveries.status",
  "signing_secrets.scheme",
  "signing_secrets.secret",
  "subscriptions.closed_as",
  "subscriptions.headers",
  "subscriptions.payload",
  "subscriptions.retry_schedule",
  "subscriptions.secret",
  "api_keys.key_hash",
];
/** Names of providers, by which rows are looked up in the catalogue. */
const REFERRED_TO = ["connections.provider", "jobs.provider", "provider_versions.name"];
const JSON_COLUMNS = [
  "events.progress",
  "events.result",
  "jobs.params",
  "jobs.progress",
  "operational_events.data",
  "subscriptions.metadata",
];

/** Their origins are checked when they are stored; the rest of a URL may be any text. */
const URL_COLUMNS = [
  "connections.base_url",
  "operational_events.sent_to",
  "subscriptions.callback_origin",
  "subscriptions.callback_url",
];

let fixture: ConsoleFixture;
let admin: Browser;
let job: string;
let event: string;
let redelivery: string;

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  const { api } = fixture;
  await api.subscribe({ job_id: "live" });
  const ended = await api.subscribe({ job_id: "ended" });
  const { deliveryId } = await api.end(ended.id, { result: "1" });
  await api.attempt(deliveryId ?? "", {
    httpStatus: 503,
    errorCode: "server_error_answer",
    errorMessage: "no",
    responseExcerpt: "no",
    status: "exhausted",
  });
  const failed = await api.subscribe({ job_id: "failed" });
  await api.end(failed.id, { status: "failed", error: "no" });
  await send("POST", "/v1/redeliveries", {
    status: "exhausted",
    callback_origin: new URL(CALLBACK_URL).origin,
    dry_run: true,
  });
  await send("PUT", "/v1/providers/hostile", {
    ...exampleSource,
    name: "hostile",
    title: HOSTILE,
    rules: exampleSource.rules.map((rule: object) => Object.assign({ note: HOSTILE }, rule)),
  });
  await send("POST", "/v1/console-links", { metadata: "customer=acme" });
  await send("POST", "/v1/api-keys", { name: "a", scopes: ["submit"] });
  admin = await fixture.signedIn();
  const read = (await (await api.request("GET", "/v1/redeliveries")).json()) as Json;
  redelivery = read.data[0].id;
  job = ended.job.id;
  const list = (await (await api.request("GET", `/v1/events?job=${job}`)).json()) as Json;
  event = list.data[0].id;
  await fillColumns();
});

afterAll(() => fixture.close());

async function send(method: string, path: string, body: object): Promise<void> {
  const response = await fixture.api.request(method, path, { body });
  if (response.status >= 300) throw new Error(`${path}: ${await response.text()}`);
}

/** Fills all text columns but those of the lists above. Each row gets its own text, since some are unique. */
async function fillColumns(): Promise<void> {
  const columns = await fixture.api.sql(
    `select table_name as "table", column_name as "column" from information_schema.columns
     where table_schema = 'public' and data_type = 'text' order by 1, 2`,
  );
  const names = columns.map(({ table, column }) => `${table}.${column}`);
  // A wrong name in the lists would exclude nothing.
  expect(
    [...KEPT, ...REFERRED_TO, ...JSON_COLUMNS, ...URL_COLUMNS].filter(
      (name) => !names.includes(name),
    ),
  ).toEqual([]);
  for (const { table, column } of columns) {
    const name = `${table}.${column}`;
    // A definition is compiled before it is stored; its hostile texts were put through the API.
    const isKept = name === "provider_versions.definition" || KEPT.includes(name);
    if (isKept || REFERRED_TO.includes(name)) continue;
    const text = JSON_COLUMNS.includes(name) ? HOSTILE_JSON : textOf(name);
    const own = JSON_COLUMNS.includes(name) ? "''" : "ctid::text";
    await fixture.api.sql(
      `update ${table} set ${column} = $1::text || ${own} where ${column} is not null`,
      [text],
    );
  }
  await fixture.api.sql(
    `update audit_log set details = jsonb_build_object('name', $1::text, $1::text, $1::text)`,
    [HOSTILE],
  );
}

function textOf(name: string): string {
  return URL_COLUMNS.includes(name) ? `https://app.example.com/?${HOSTILE}` : HOSTILE;
}

function expectAsText({ text, headers, location }: BrowserPage, where: string): void {
  for (const part of BROKEN_OUT) expect(text, `${where} holds ${part}`).not.toContain(part);
  if (location !== null) return;
  expect(headers.get("content-security-policy"), where).toContain("frame-ancestors 'none'");
  expect(headers.get("x-frame-options"), where).toBe("DENY");
}

function addressOf(path: string): string {
  const ids: Readonly<Record<string, string>> = {
    "/jobs/:id": job,
    "/redeliveries/:id": redelivery,
    "/results/:id": event,
  };
  return path.replace(/:\w+/, ids[path] ?? "hostile");
}

const FIELDS = [
  "q",
  "status",
  "metadata",
  "origin",
  "job",
  "event",
  "type",
  "error",
  "provider",
  "period",
  "version",
  "against",
  "from",
  "name",
  "value",
  "shows",
  "answer",
  "run",
  "subscription",
  "connection",
  "callback",
];

/** The pages of each route: with the objects that are there, and with hostile words in the address. */
function addresses(): string[] {
  const hostile = encodeURIComponent(HOSTILE);
  const query = FIELDS.map((name) => `${name}=${hostile}`).join("&");
  return ROUTES.filter(({ method }) => method === "GET").flatMap(({ path }) => {
    const named = addressOf(path);
    return [named, `${named}?${query}`, path.replace(/:\w+/, hostile)];
  });
}

test("hostile text in any column and in any address is shown as text on every page", async () => {
  const shown = new Set<string>();
  for (const address of [...addresses(), `/no-such-page/${encodeURIComponent(HOSTILE)}`]) {
    const page = await admin.get(`/console${address}`);
    expect(page.status, address).toBeLessThan(500);
    if (page.headers.get("content-disposition") !== null) {
      expect(page.headers.get("content-security-policy")).toContain("sandbox");
      continue;
    }
    expectAsText(page, address);
    if (page.status === 200 && page.text.includes(ESCAPED)) shown.add(address.split("?")[0] ?? "");
  }
  // The texts are there to be read, not left out.
  for (const path of [
    "/jobs",
    `/jobs/${job}`,
    "/subscriptions",
    "/deliveries",
    "/events",
    "/connections",
    "/providers",
    "/providers/hostile",
    "/providers/hostile/edit",
    "/providers/hostile/versions",
    "/api-keys",
    "/audit-log",
    "/console-links",
    "/project",
  ]) {
    expect([...shown], path).toContain(path);
  }
});

interface Form {
  readonly action: string;
  readonly names: readonly string[];
}

/** The forms of a page that change something. */
function formsOf(text: string): Form[] {
  const forms = text.matchAll(/<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs);
  return Array.from(forms, ([, action = "", body = ""]) => ({
    action: action.replaceAll("&amp;", "&"),
    names: Array.from(body.matchAll(/\sname="([^"]+)"/g), ([, name = ""]) => name),
  })).filter(({ action }) => !action.includes("sign-out"));
}

test("every form takes hostile text in each of its fields, and its answer shows it as text", async () => {
  const seen = new Set<string>();
  let sent = 0;
  for (const address of addresses()) {
    // One of the forms ends the session that sends it.
    const browser = await fixture.signedIn();
    const page = await browser.get(`/console${address}`);
    if (page.status !== 200) continue;
    const at = new URL(`https://ringback.example.com/console${address}`);
    for (const { action, names } of formsOf(page.text)) {
      const { pathname, search } = new URL(action, at);
      const kind = pathname.replaceAll(/(?:job|msg|red|con|key|lnk|sub)_[0-9a-f]{32}/g, ":id");
      if (seen.has(kind)) continue;
      seen.add(kind);
      const [, csrf = ""] = /name="csrf" value="([^"]*)"/.exec(page.text) ?? [];
      const fields = Object.fromEntries(names.map((name) => [name, HOSTILE]));
      const answer = await browser.post(pathname + search, { ...fields, csrf });
      expect(answer.status, pathname).toBeLessThan(500);
      if (answer.location === null) expectAsText(answer, pathname);
      else expectAsText(await browser.get(answer.location), pathname);
      sent += 1;
    }
  }
  expect(sent).toBeGreaterThan(15);
});

test("a key that may only read sees no form and no link to one, on every page", async () => {
  const reader = await fixture.signedIn(["subscriptions:read"]);
  const readable = ROUTES.filter(
    ({ method, scope, path }) => method === "GET" && scope === "subscriptions:read" && path !== "/",
  );
  const closed = ROUTES.filter(
    ({ method, scope, path }) =>
      method === "GET" && scope !== "subscriptions:read" && !path.includes(":"),
  );
  for (const { path } of readable) {
    const { status, text } = await reader.get(`/console${addressOf(path)}`);
    expect(status, path).toBeLessThan(500);
    expect(formsOf(text), path).toEqual([]);
    // The remaining buttons filter, copy, or belong to the page itself.
    const buttons = Array.from(text.matchAll(/<button([^>]*)>\s*([^<]*)/g))
      .filter(([, attributes = ""]) => !attributes.includes("scripted-only"))
      .map(([, , label = ""]) => label.trim());
    expect(
      buttons.filter((label) => !["Filter", "Show", "Sign out"].includes(label)),
      path,
    ).toEqual([]);
    for (const { path: other } of closed)
      expect(text, path).not.toMatch(new RegExp(`href="[./]*${other.slice(1)}["?]`));
  }
  expect(readable.length).toBeGreaterThan(8);
});
