import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { jobsOwnedBy, startNodePair } from "../support/node-pair.ts";
import { connect, createProcessScene, type ProcessScene } from "../support/process-scene.ts";

/* Status requests at a node, about jobs that the other one polls. */

let scene: ProcessScene;
let asked: GatewayProcess;
let owner: GatewayProcess;
let connection: Json;

beforeAll(async () => {
  scene = await createProcessScene();
  [asked, owner] = await startNodePair(scene);
  connection = await connect(asked, scene.upstream, { name: "of-two", serve_status: "cached" });
});
afterAll(() => scene.end());

/** A job that the owner polls, at both nodes' knowledge. */
async function watched(prefix: string): Promise<string> {
  const [jobId = ""] = await jobsOwnedBy(owner, scene.sql, { id: connection.id, count: 1, prefix });
  scene.upstream.answer(jobId, pulseAnswer.status("pending"));
  const wish = { job_id: jobId, connection: connection.name, inbox: "statuses" };
  expect((await asked.api("POST", "/v1/subscriptions", wish)).status).toBe(201);
  await scene.upstream.polled(jobId, 1);
  return jobId;
}

function ask(jobId: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${asked.url}/via/${connection.id}/job/${jobId}`, {
    headers: { "x-api-key": API_KEY, "x-client": "1", ...headers },
  });
}

/** Once the owner has said it: until then, and on a machine that is busy, the upstream is asked. */
async function firstFromPolls(jobId: string): Promise<void> {
  await vi.waitFor(
    async () => expect((await ask(jobId)).headers.get("ringback-served-from")).toBe("cache"),
    { timeout: 60_000, interval: 100 },
  );
}

const ofClients = (jobId: string) =>
  scene.upstream.polls(jobId).filter(({ headers }) => headers["x-client"] !== undefined);

test("a status request is answered from the polls of the node that makes them, however many ask", async () => {
  const jobId = await watched("many");
  await firstFromPolls(jobId);
  // An owner that is too busy to answer soon is not waited for.
  await vi.waitFor(
    async () => {
      const { length } = ofClients(jobId);
      const answers = await Promise.all(Array.from({ length: 100 }, () => ask(jobId)));
      for (const answer of answers) {
        expect(answer.headers.get("ringback-served-from")).toBe("cache");
        expect(answer.headers.get("age")).toMatch(/^\d+$/);
        expect(await answer.json()).toMatchObject({ status: "pending" });
      }
      expect(ofClients(jobId).length).toBe(length);
    },
    { timeout: 60_000, interval: 500 },
  );
}, 180_000);

test("a status request that prefers to wait is held until a job of another node moves, and told its end", async () => {
  const jobId = await watched("held");
  await firstFromPolls(jobId);
  const { length } = ofClients(jobId);
  const held = Array.from({ length: 20 }, () => ask(jobId, { prefer: "wait=60" }));
  let answered = 0;
  for (const one of held) void one.then(() => (answered += 1));
  await scene.upstream.polledAgain(jobId, 5);
  expect(answered).toBe(0);
  scene.upstream.answer(jobId, pulseAnswer.processing());
  for (const answer of await Promise.all(held)) {
    expect(answer.headers.get("ringback-served-from")).toBe("cache");
    expect(await answer.json()).toMatchObject({ status: "processing" });
  }
  const next = ask(jobId, { prefer: "wait=60" });
  scene.upstream.answer(jobId, pulseAnswer.completed());
  expect(await (await next).json()).toMatchObject({ status: "completed" });
  expect(ofClients(jobId).length).toBe(length);
}, 180_000);

test("no question to another node is left in the database once it is answered", async () => {
  await vi.waitFor(async () => {
    const [left] = await scene.sql`select count(*)::int from inspections`;
    expect(left?.["count"]).toBe(0);
  }, 30_000);
});

test("a status request that waits for a job whose node is killed is told its end by the next owner", async () => {
  const jobId = await watched("left");
  await firstFromPolls(jobId);
  const held = Array.from({ length: 5 }, () => ask(jobId, { prefer: "wait=60" }));
  await vi.waitFor(async () => {
    const [open] = await scene.sql`select count(*)::int from inspections where known_state <> ''`;
    expect(open?.["count"]).toBe(1);
  }, 30_000);
  await scene.upstream.polledAgain(jobId, 2);
  await vi.waitFor(async () => {
    const [unread] = await scene.sql`select count(*)::int from mailbox`;
    expect(unread?.["count"]).toBe(0);
  }, 30_000);
  await owner.crash();
  const { length } = scene.upstream.polls(jobId);
  await scene.upstream.polled(jobId, length + 1);
  scene.upstream.answer(jobId, pulseAnswer.completed());
  for (const answer of await Promise.all(held)) {
    expect(await answer.json()).toMatchObject({ status: "completed" });
  }
}, 120_000);
