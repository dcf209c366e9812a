import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LANE_FREE } from "../../src/core/waiting/lane-status.ts";
import { CALLBACK_URL, type Json } from "../api/api-fixture.ts";
import { noteOperationalEvents } from "../../src/store/events/operational-events.ts";
import { exampleSource } from "../providers/example-provider.ts";
import { seedDeliveries } from "../support/seeded-deliveries.ts";
import { type Browser, ConsoleFixture } from "./console-fixture.ts";

const ORIGIN = new URL(CALLBACK_URL).origin;

let fixture: ConsoleFixture;
let admin: Browser;
let csrf: string;
/** Their deliveries were given up. */
let exhausted: readonly string[];

beforeAll(async () => {
  fixture = await ConsoleFixture.open();
  admin = await fixture.signedIn();
  csrf = await admin.csrf();
  const ids: string[] = [];
  for (const jobId of ["given-up-1", "given-up-2"]) {
    const subscription = await fixture.api.subscribe({ job_id: jobId });
    const { deliveryId } = await fixture.api.end(subscription.id);
    await fixture.api.attempt(deliveryId ?? "", {
      httpStatus: null,
      errorCode: "connect_refused",
      errorMessage: "connection refused there",
      status: "exhausted",
    });
    const list = await apiJson("GET", `/v1/subscriptions/${subscription.id}/deliveries`);
    ids.push(list.data[0].id);
  }
  exhausted = ids;
});

afterAll(() => fixture.close());

async function apiJson(method: string, path: string, body?: object): Promise<Json> {
  return (await fixture.api.request(method, path, body === undefined ? {} : { body })).json();
}

/** Sends a form, and opens the page that it leads to. */
async function submit(path: string, fields: Readonly<Record<string, string>>): Promise<string> {
  const { status, location, text } = await admin.post(path, { csrf, ...fields });
  if (status === 200) return text;
  expect(status).toBe(303);
  return admin.open(location ?? "");
}

test("deliveries are filtered by what went wrong, and lead to their jobs", async () => {
  const text = await admin.open("/console/deliveries?error=connect_refused&status=exhausted");
  expect(text).toContain("given-up-1");
  expect(text).toContain("connection refused there");
  const [, path = ""] = /href="\.\/(jobs\?q=msg_[0-9a-f]+)"/.exec(text) ?? [];
  expect((await admin.get(`/console/${path}`)).location).toMatch(/^\/console\/jobs\/job_/);
  expect(await admin.open("/console/deliveries?error=gone")).toContain("No delivery matches");
});

test("subscriptions are found by metadata, digit by digit, and by callback URL", async () => {
  const metadata = { invoice: 17, customer: "Acme" };
  await fixture.api.subscribe({ job_id: "with-metadata", metadata });
  for (const search of [
    "metadata=invoice%3D17",
    `origin=${encodeURIComponent(CALLBACK_URL)}&job=with-metadata`,
  ]) {
    const text = await admin.open(`/console/subscriptions?${search}`);
    expect(text).toContain("with-metadata");
    expect(text).toContain("&quot;customer&quot;:&quot;Acme&quot;");
  }
  expect(await admin.open("/console/subscriptions?metadata=invoice%3D18")).toContain(
    "No subscription matches",
  );
  const wrong = await admin.get("/console/subscriptions?metadata=invoice");
  expect(wrong.text).toContain("Must be key=value");
});

test("selected deliveries are sent again", async () => {
  const text = await submit("/console/deliveries/redeliver", { delivery: exhausted[0] ?? "" });
  expect(text).toContain("1 sent again.");
  const delivery = await apiJson("GET", `/v1/deliveries/${exhausted[0]}`);
  expect(delivery.status).toBe("pending");
});

test("a selected delivery that the API refuses keeps no other from being sent again, and the page says why", async () => {
  const ended = async (jobId: string): Promise<Json> => {
    const subscription = await fixture.api.subscribe({ job_id: jobId });
    await fixture.api.end(subscription.id);
    const { data } = await apiJson("GET", `/v1/subscriptions/${subscription.id}/deliveries`);
    return data[0];
  };
  const [deleted, good] = [await ended("deleted"), await ended("good")];
  await fixture.api.request("DELETE", `/v1/subscriptions/${deleted.subscription_id}`);
  const selected = [deleted.id, good.id];
  const { location } = await admin.post("/console/deliveries/redeliver", [
    ["csrf", csrf],
    ...selected.map((id) => ["delivery", id] as const),
  ]);
  const text = await admin.open(location ?? "");
  expect(text).toContain("1 sent again. 1 not: The subscription was deleted");
  expect(text).toContain("notice bad");
  const { location: none } = await admin.post("/console/deliveries/redeliver", { csrf });
  expect(await admin.open(none ?? "")).toContain("Select deliveries first.");
});

test("all that match are counted first, and sent again after a look", async () => {
  const counted = await submit("/console/redeliveries/count", {
    status: "exhausted",
    origin: ORIGIN,
    event: "",
    error: "connect_refused",
    after: "",
  });
  expect(counted).toContain("found so far");
  const [made] = (await apiJson("GET", "/v1/redeliveries")).data;
  expect(made).toMatchObject({
    dry_run: true,
    filter: { status: "exhausted", error_code: "connect_refused", callback_origin: ORIGIN },
  });
  await fixture.api.sql(
    `update redeliveries set state = 'completed', matched = 1, finished_at = now()`,
  );
  expect(await admin.open(`/console/redeliveries/${made.id}`)).toContain("Send 1 again…");
  fixture.api.clock.advance(1000);
  const sent = await submit(`/console/redeliveries/${made.id}/send`, {});
  expect(sent).toContain("They are sent again in the background.");
  const [begun] = (await apiJson("GET", "/v1/redeliveries")).data;
  expect(begun).toMatchObject({ dry_run: false, filter: made.filter });
  expect(await submit(`/console/redeliveries/${begun.id}/cancel`, {})).toContain("Canceled.");
  expect((await apiJson("GET", `/v1/redeliveries/${begun.id}`)).state).toBe("canceled");
});

test("a callback origin is tried", async () => {
  expect(await admin.open("/console/callback-origins")).toContain(ORIGIN);
  await submit("/console/callback-origins/try", { origin: ORIGIN });
  expect(fixture.api.calls.at(-1)?.[0]).toBe("tryOrigin");
});

test("a connection is paused, and gets a new credential that no page shows", async () => {
  const [connection] = (await apiJson("GET", "/v1/connections")).data;
  const path = `/console/connections/${connection.id}`;
  expect(await submit(`${path}/state`, { state: "paused" })).toContain(
    "None of its jobs are polled.",
  );
  expect((await apiJson("GET", `/v1/connections/${connection.id}`)).state).toBe("paused");
  expect(await admin.open("/console/overview")).toContain("Needs attention");
  const text = await submit(`${path}/credential`, { credential: "brand-new-secret" });
  expect(text).not.toContain("brand-new-secret");
  expect((await apiJson("GET", `/v1/connections/${connection.id}`)).state).toBe("active");
});

test("an API key is made, shown once, and revoked", async () => {
  const text = await submit("/console/api-keys", { name: "of the console", scope: "submit" });
  const [, key = ""] = /(rb_k2_\w{49})/.exec(text) ?? [];
  expect(key).not.toBe("");
  expect(await admin.open("/console/api-keys")).not.toContain(key);
  const made = (await apiJson("GET", "/v1/api-keys")).data.find(
    ({ name }: Json) => name === "of the console",
  );
  expect(made.scopes).toEqual(["submit"]);
  await submit(`/console/api-keys/${made.id}/revoke`, {});
  const { status } = await fixture.api.request("GET", "/v1/jobs", { key });
  expect(status).toBe(401);
});

test("a callback is tried with the whole exchange, or the refusal explained", async () => {
  const shown = await submit("/console/callback-test", { url: CALLBACK_URL });
  expect(shown).toContain("What was sent");
  expect(shown).toContain("What the receiver answered");
  const refused = await submit("/console/callback-test", { url: "ftp://nowhere" });
  expect(refused).toContain('role="alert"');
  expect(refused).toContain('value="ftp://nowhere"');
});

test("the overview sums up what needs somebody, and the last day in charts", async () => {
  const { minutes, projectId, clock } = fixture.api;
  expect(await admin.open("/console/overview")).toContain("No job ended and no callback was sent");
  minutes.ended(projectId, true, clock.now());
  minutes.ended(projectId, false, clock.now());
  minutes.attempted(projectId, "delivered", 150, clock.now());
  minutes.attempted(projectId, "exhausted", null, clock.now());
  const text = await admin.open("/console/overview");
  expect(text).toContain("Live jobs");
  expect(text).toContain("Endings, last 24 hours: 2 1 did not complete");
  expect(text).toContain("50.0 %");
  expect(text).toContain("p50; p95 195 ms");
  expect(text).toContain('class="spark"');
});

test("each thing that needs attention leads to the page where it is put right", async () => {
  const { api } = fixture;
  const connection = await api.addConnection(api.projectId, "slow");
  api.loads.set(connection, {
    hold: "rate",
    pausedUntilMs: null,
    pauseCause: null,
    breaker: "closed",
    probeAtMs: null,
    jobs: 900,
    inFlight: 4,
    waiting: 812,
    behindMs: 95_000,
    requestsPerSecond: 2,
  });
  const text = await admin.open("/console/overview");
  expect(text).toContain("812 polls wait");
  expect(text).toContain("held back by: rate");
  expect(text).toContain(`./connections#con_${connection.replaceAll("-", "")}`);
});

test("a failing origin is on the overview, however many others have pending deliveries", async () => {
  const { api } = fixture;
  const names = Array.from({ length: 101 }, (_, n) => `https://app-${n}.example.com`);
  const sql = postgres(api.databaseUrl, { max: 1, onnotice: () => {} });
  const seed = { projectId: api.projectId, origins: names, status: "pending", attempts: 0 };
  await seedDeliveries(sql, { ...seed, count: names.length, fromMs: api.clock.now() });
  await sql.end();
  const name = "https://zebra.example.com";
  await api.sql(
    `insert into lane_states (project_id, kind, name, node_id, id, breaker)
     values ($1, 'origin', $2, $3, $4, 'open')`,
    [api.projectId, name, api.uuid(), api.uuid()],
  );
  api.reports = [
    {
      ...LANE_FREE,
      projectId: api.projectId,
      kind: "origin",
      name,
      id: api.uuid(),
      nodeId: api.uuid(),
      shardId: 4,
      failure: null,
      perSecond: 0.5,
      breaker: "open",
    },
  ];
  const text = await admin.open("/console/overview");
  expect(text).toContain(`Callback origin <strong>${name}</strong>`);
  const { next_cursor: last } = await apiJson("GET", "/v1/callback-origins?limit=100");
  const origins = await admin.open(`/console/callback-origins?cursor=${last}`);
  expect(origins).toContain("30 a minute");
  api.reports = [];
});

test("an unknown status is on the overview without an operations URL, until its definition is mended", async () => {
  const { api } = fixture;
  const { projectId, database } = api;
  await noteOperationalEvents(database, [
    {
      shardId: 0,
      projectId,
      subject: "provider acme",
      id: api.uuid(),
      type: "provider.unknown_status",
      data: '{"provider":"acme","status":"archived\u200b","job_id":"job-1"}',
      occurrences: 1,
      // Versions of a definition have the database's time.
      occurredAtMs: Date.now() - 1000,
      isWanted: false,
    },
  ]);
  const text = await admin.open("/console/overview");
  expect(text).toContain("<code>&quot;archived\\u200b&quot;</code>");
  expect(text).toContain("providers/acme/try?kind=job&amp;job=job-1");
  expect(await admin.open("/console/operational-events")).toContain("not sent</span>");
  await apiJson("PUT", "/v1/providers/acme", { ...exampleSource, name: "acme" });
  expect(await admin.open("/console/overview")).not.toContain("archived");
});
