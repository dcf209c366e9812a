import { afterAll, beforeAll, expect, test } from "vitest";
import { apiRoutes } from "../../src/api/routes.ts";
import { Ringback } from "../../src/client/ringback.ts";
import { ApiFixture } from "../api/api-fixture.ts";

/* Every operation of the API has a call in the client, which asks for just that one. */

/** Pages and texts for people and their tools. */
const NO_CALLS = [
  "getStartPage",
  "getDocumentation",
  "getDocumentationScript",
  "getPlainDocumentation",
  "getGuidesPage",
  "getGuides",
  "getErrorPage",
  "getOpenApiDocument",
  "getMetrics",
];

type Call = (ringback: Ringback) => PromiseLike<unknown>;
const id = "sub_019b76da98007034a5b6c7d8e9f00112";
const request = { job_id: "job-1", callback_url: "https://app.example.com/hook" };

const CALLS: Readonly<Record<string, Call>> = {
  createSubscription: (ringback) => ringback.subscriptions.create(request),
  createSubscriptions: (ringback) => ringback.subscriptions.createMany([request]),
  listSubscriptions: (ringback) => ringback.subscriptions.list().page(),
  getSubscription: (ringback) => ringback.subscriptions.get(id),
  deleteSubscription: (ringback) => ringback.subscriptions.delete(id),
  pollSubscription: (ringback) => ringback.subscriptions.poll(id),
  listSubscriptionDeliveries: (ringback) => ringback.subscriptions.deliveries(id).page(),
  waitForSubscription: (ringback) => ringback.wait(id),
  listJobs: (ringback) => ringback.jobs.list().page(),
  getJob: (ringback) => ringback.jobs.get(id),
  extendJobDeadline: (ringback) => ringback.jobs.extend(id, 3600),
  explainJob: (ringback) => ringback.jobs.explain(id),
  explainJobByName: (ringback) => ringback.jobs.explain({ job_id: "job-1", provider: "pulse" }),
  getStats: (ringback) => ringback.stats(),
  getStatsHistory: (ringback) => ringback.statsHistory({ minutes: 60 }),
  listNodes: (ringback) => ringback.nodes(),
  waitForEvent: (ringback) => ringback.events.wait(),
  listEvents: (ringback) => ringback.events.list().page(),
  getEventResultPart: (ringback) => ringback.events.resultPart(id, 1),
  listCallbackOrigins: (ringback) => ringback.callbackOrigins.list().page(),
  tryCallbackOrigin: (ringback) => ringback.callbackOrigins.try("https://app.example.com"),
  listInboxes: (ringback) => ringback.inboxes.list().page(),
  getInbox: (ringback) => ringback.inboxes.get("pulse"),
  createInbox: (ringback) => ringback.inboxes.put("acme"),
  deleteInbox: (ringback) => ringback.inboxes.delete("acme"),
  streamInboxMessages: (ringback) => ringback.inboxes.stream("pulse").next(),
  readInboxMessages: (ringback) => ringback.inboxes.messages("pulse", { wait_s: 1 }),
  listInboxConsumers: (ringback) => ringback.inboxes.consumers("pulse").page(),
  acknowledgeInboxMessages: (ringback) => ringback.inboxes.ack("acme", "worker", "cursor"),
  seekInboxConsumer: (ringback) => ringback.inboxes.seek("acme", "worker", { cursor: "cursor" }),
  deleteInboxConsumer: (ringback) => ringback.inboxes.deleteConsumer("acme", "worker"),
  listDeliveries: (ringback) => ringback.deliveries.list().page(),
  getDelivery: (ringback) => ringback.deliveries.get(id),
  redeliver: (ringback) => ringback.deliveries.redeliver(id),
  createRedelivery: (ringback) => ringback.redeliveries.create({ status: "exhausted" }),
  listRedeliveries: (ringback) => ringback.redeliveries.list().page(),
  getRedelivery: (ringback) => ringback.redeliveries.get(id),
  cancelRedelivery: (ringback) => ringback.redeliveries.cancel(id),
  getEvent: (ringback) => ringback.events.get(id),
  getEventResult: (ringback) => ringback.events.result(id),
  listConnections: (ringback) => ringback.connections.list().page(),
  createConnection: (ringback) => ringback.connections.create({ provider: "pulse" }),
  getConnection: (ringback) => ringback.connections.get(id),
  updateConnection: (ringback) => ringback.connections.update(id, { state: "paused" }),
  deleteConnection: (ringback) => ringback.connections.delete(id),
  createConsoleLink: (ringback) => ringback.consoleLinks.create({ metadata: "customer=acme" }),
  listConsoleLinks: (ringback) => ringback.consoleLinks.list().page(),
  revokeConsoleLink: (ringback) => ringback.consoleLinks.revoke(id),
  revokeConsoleLinks: (ringback) => ringback.consoleLinks.revokeAll(),
  listProviders: (ringback) => ringback.providers.list().page(),
  getProvider: (ringback) => ringback.providers.get("pulse"),
  listProviderVersions: (ringback) => ringback.providers.versions("pulse").page(),
  getProviderVersion: (ringback) => ringback.providers.version("pulse", 2),
  putProvider: (ringback) => ringback.providers.put("acme", {}),
  deleteProvider: (ringback) => ringback.providers.delete("acme"),
  tryProvider: (ringback) => ringback.providers.try("pulse", { job_id: "job-1" }),
  getProviderSchema: (ringback) => ringback.providers.schema(),
  getProject: (ringback) => ringback.project(),
  updateProject: (ringback) => ringback.updateProject({ operations_url: null }),
  listSigningSecrets: (ringback) => ringback.signingSecrets.list().page(),
  rotateSigningSecret: (ringback) => ringback.signingSecrets.rotate(),
  listSigningKeys: (ringback) => ringback.signingKeys.list().page(),
  getSigningKeySet: (ringback) => ringback.signingKeys.keySet(),
  rotateSigningKey: (ringback) => ringback.signingKeys.rotate(),
  listApiKeys: (ringback) => ringback.apiKeys.list().page(),
  createApiKey: (ringback) => ringback.apiKeys.create({ name: "ci", scopes: ["admin"] }),
  revokeApiKey: (ringback) => ringback.apiKeys.revoke(id),
  getConnectionLoads: (ringback) => ringback.connections.loads(),
  listOperationalEvents: (ringback) => ringback.operationalEvents.list().page(),
  listAuditEntries: (ringback) => ringback.auditLog.list().page(),
  testCallback: (ringback) => ringback.testCallback({ callback_url: request.callback_url }),
  getHealth: (ringback) => ringback.health(),
  getReadiness: (ringback) => ringback.ready(),
};

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.open();
});
afterAll(() => api.close());

/** A call's first request. */
async function askedBy(call: Call): Promise<string> {
  const asked: string[] = [];
  const ringback = new Ringback({
    url: "http://127.0.0.1",
    apiKey: "rb_x",
    retries: 0,
    fetch: async (url, { method }) => {
      asked.push(`${method} ${new URL(url).pathname}`);
      return new Response(null, { status: 500 });
    },
  });
  await expect(Promise.resolve(call(ringback))).rejects.toMatchObject({ status: 500 });
  return asked.join();
}

test("each operation of the API has its call: add a new one to src/client/resources.ts and to this list", async () => {
  const routes = apiRoutes(api.services).map(({ description }) => description);
  const expected = routes
    .filter(({ operationId }) => !NO_CALLS.includes(operationId))
    .map(({ operationId, method, path }): [string, string] => [
      operationId,
      `${method} ${path
        .replace("{id}", id)
        .replace("{consumer}", "worker")
        .replace("{version}", "2")
        .replace("{name}", path.includes("/try") || method === "GET" ? "pulse" : "acme")}`,
    ]);
  const calls = await Promise.all(
    Object.entries(CALLS).map(async ([name, call]) => [name, await askedBy(call)] as const),
  );
  expect(Object.fromEntries(calls)).toEqual(Object.fromEntries(expected));
});

test("the gateway's responses come through, and its refusals are errors", async () => {
  const apiKey = await api.addKey(["admin"]);
  const fetch = async (url: string, init: RequestInit) => api.app.request(url, init);
  const ringback = new Ringback({ url: "http://127.0.0.1", apiKey, fetch });
  const created = await ringback.watch("job-of-client", {
    callbackUrl: "https://app.example.com/hook",
    metadata: { invoice: 17 },
    deadlineS: 600,
    retryScheduleS: [1, 2],
  });
  expect(created).toMatchObject({
    job_id: "job-of-client",
    metadata: { invoice: 17 },
    retry_schedule_s: [1, 2],
    warnings: expect.any(Array),
  });
  expect(await ringback.subscriptions.get(created.id)).toMatchObject({ id: created.id });

  const batch = await ringback.subscriptions.createMany([
    { job_id: "job-b", callback_url: "https://app.example.com/hook" },
    { job_id: "job-c", callback_url: "nowhere" },
  ]);
  expect(batch.results.map(({ status }) => status)).toEqual([201, 422]);

  const jobs: string[] = [];
  for await (const { job_id } of ringback.subscriptions.list({ limit: 1 })) jobs.push(job_id);
  expect(jobs).toEqual(["job-b", "job-of-client"]);

  const refused = ringback.watch("job-d", { callbackUrl: "nowhere" });
  await expect(refused).rejects.toMatchObject({
    code: "callback_url_refused",
    status: 422,
    errors: [{ pointer: "/callback_url" }],
    requestId: expect.stringMatching(/.+/),
  });
  const conflict = { idempotencyKey: "one" };
  await ringback.watch("job-e", { callbackUrl: "https://app.example.com/a" }, conflict);
  await expect(
    ringback.watch("job-e", { callbackUrl: "https://app.example.com/b" }, conflict),
  ).rejects.toMatchObject({ code: "idempotency_conflict" });
});
