import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { jobsOwnedBy, startNodePair } from "../support/node-pair.ts";
import { connect, createProcessScene, type ProcessScene } from "../support/process-scene.ts";
import { startReceiver } from "../support/receiver.ts";

/* Facts that only a job's owner has in memory, asked for at the other node. */

let scene: ProcessScene;
let asked: GatewayProcess;
let owner: GatewayProcess;
let connection: Json;

beforeAll(async () => {
  scene = await createProcessScene({ RINGBACK_RETRY_SCHEDULE_S: "600,600" });
  [asked, owner] = await startNodePair(scene);
  connection = await connect(asked, scene.upstream, { name: "of-two" });
});
afterAll(() => scene.end());

async function subscribed(prefix: string, fields: object = {}): Promise<string> {
  const [jobId = ""] = await jobsOwnedBy(owner, scene.sql, { id: connection.id, count: 1, prefix });
  const answer = await asked.api("POST", "/v1/subscriptions", {
    job_id: jobId,
    connection: connection.name,
    callback_url: scene.receiver.url(`/${prefix}`),
    ...fields,
  });
  expect(answer.status).toBe(201);
  return jobId;
}

/** The other node's explanation, once it gives this reason. */
async function explained(jobId: string, reason: string): Promise<Json> {
  let explanation: Json = null;
  await vi.waitFor(
    async () => {
      explanation = (await asked.api("GET", `/v1/jobs/explain?job_id=${jobId}`)).body;
      expect(explanation).toMatchObject({ reason, facts_from: "owner" });
    },
    { timeout: 30_000, interval: 100 },
  );
  return explanation;
}

test("the owner says when it polls next and what the last answer was, long before a checkpoint", async () => {
  const jobId = await subscribed("absent");
  const explanation = await explained(jobId, "job_not_found");
  expect(explanation).toMatchObject({
    job: { next_poll_at: expect.any(String), last_outcome: "job_absent" },
    upstream: { last_answer: { http_status: 404, outcome: "job_absent" } },
  });
  const [row] = await scene.sql`select poll_count from jobs where job_id = ${jobId}`;
  expect(row?.["poll_count"]).toBe(0);
  const [left] = await scene.sql`select count(*)::int from inspections`;
  expect(left?.["count"]).toBe(0);
}, 60_000);

test("every node shows that the owner waits for a receiver that asked for a pause, and lets it be tried", async () => {
  const path = "/paused";
  scene.receiver.answer(path, { status: 429, headers: { "retry-after": "50" } });
  const first = await subscribed("first", { callback_url: scene.receiver.url(path) });
  scene.upstream.answer(first, pulseAnswer.completed());
  await scene.receiver.takeOne(path);
  const second = await subscribed("second", { callback_url: scene.receiver.url(path) });
  scene.upstream.answer(second, pulseAnswer.completed());
  const explanation = await explained(second, "origin_paused");
  const { id } = explanation.subscriptions[0].deliveries[0];
  expect((await asked.api("GET", `/v1/deliveries/${id}`)).body).toMatchObject({
    waiting_for: "origin_paused",
    attempt_count: 0,
  });
  const origin = new URL(scene.receiver.url(path)).origin;
  const listed = async (): Promise<Json> =>
    (await asked.api("GET", "/v1/callback-origins")).body.data.find(
      (one: Json) => one.origin === origin,
    );
  expect(await listed()).toMatchObject({ state: "paused", pending_deliveries: 2 });

  scene.receiver.answer(path, {});
  const tried = await asked.api("POST", "/v1/callback-origins/try", { origin });
  expect(tried.status).toBe(202);
  await explained(second, "delivered");
}, 90_000);

test("every node shows the rate that a receiver's refusals have taught the owner", async () => {
  const receiver = await startReceiver(SIGNING_SECRET);
  onTestFinished(() => receiver.close());
  const path = "/busy";
  receiver.answer(path, (_callback, number) =>
    number === 1 ? { status: 429, headers: { "retry-after": "1" } } : {},
  );
  const jobs = { id: connection.id, count: 60, prefix: "busy" };
  for (const jobId of await jobsOwnedBy(owner, scene.sql, jobs)) {
    scene.upstream.answer(jobId, pulseAnswer.completed());
    const wish = { job_id: jobId, connection: connection.name, callback_url: receiver.url(path) };
    expect((await asked.api("POST", "/v1/subscriptions", wish)).status).toBe(201);
  }
  await vi.waitFor(
    async () => {
      const { data } = (await asked.api("GET", "/v1/callback-origins")).body;
      const listed = data.find(({ origin }: Json) => origin === receiver.origin);
      expect(listed?.effective_requests_per_second).toBeGreaterThan(0);
    },
    { timeout: 60_000, interval: 100 },
  );
}, 120_000);

test("the load of a connection is told at any node over both, with the part of each", async () => {
  for (const node of [asked, owner]) {
    const jobs = { id: connection.id, count: 3, prefix: "load" };
    for (const jobId of await jobsOwnedBy(node, scene.sql, jobs)) {
      scene.upstream.answer(jobId, pulseAnswer.processing());
      const wish = { job_id: jobId, connection: connection.name, inbox: "loads" };
      expect((await asked.api("POST", "/v1/subscriptions", wish)).status).toBe(201);
    }
  }
  const ids = await nodeIds();
  await vi.waitFor(
    async () => {
      for (const node of [asked, owner]) {
        const { status, body } = await node.api("GET", "/v1/connection-loads");
        expect(status).toBe(200);
        expect(body.missing_nodes).toEqual([]);
        const load = body.data.find((one: Json) => one.connection_id === connection.id);
        const parts = load?.nodes.map((one: Json) => one.jobs) ?? [];
        expect(load?.nodes.map((one: Json) => one.node_id).toSorted()).toEqual(ids);
        expect(Math.min(...parts)).toBeGreaterThanOrEqual(3);
        expect(load.total.jobs).toBe(parts[0] + parts[1]);
      }
    },
    { timeout: 30_000, interval: 500 },
  );
}, 60_000);

async function nodeIds(): Promise<readonly string[]> {
  const rows = await scene.sql<{ id: string }[]>`
    select id from nodes where lease_expires_at > now() order by id`;
  return rows.map(({ id }) => id);
}
