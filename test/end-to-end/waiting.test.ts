import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { jobsOwnedBy, startNodePair } from "../support/node-pair.ts";
import {
  connect,
  createProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import { within } from "../support/within.ts";

/* Requests that wait for the end of jobs, at two nodes, one of which polls them all. */

const WAITERS_PER_JOB = 20;
const JOBS = 5;

let scene: ProcessScene;
let asked: GatewayProcess;
let owner: GatewayProcess;
let jobIds: string[];

beforeAll(async () => {
  scene = await createProcessScene();
  [asked, owner] = await startNodePair(scene);
  const connection = await connect(asked, scene.upstream);
  const of = { id: connection.id, count: JOBS, prefix: "job" };
  jobIds = await jobsOwnedBy(owner, scene.sql, of);
});
afterAll(() => scene.end());

const waitsAt = (node: GatewayProcess) => node.metric("ringback_ending_waits");

describe("requests that wait for jobs", { timeout: 120_000 }, () => {
  test("requests that wait for a job are answered within a second of its end, at a node that polls it and at one that does not", async () => {
    const subscriptions = await Promise.all(
      jobIds.map((jobId) => subscribe(asked, scene.receiver, jobId)),
    );
    const ended: { id: string; type: string }[] = [];
    const waiting = subscriptions.flatMap(({ id }) =>
      Array.from({ length: WAITERS_PER_JOB }, async (_, index) => {
        const node = index % 2 === 0 ? asked : owner;
        const answer = await node.api("GET", `/v1/subscriptions/${id}/wait?timeout_s=100`);
        expect(answer.status).toBe(200);
        const headers = Object.fromEntries(answer.headers);
        expect(new Webhook(SIGNING_SECRET).verify(answer.text, headers)).toEqual(answer.body);
        ended.push({ id: answer.body.data.subscription_id, type: answer.body.type });
      }),
    );
    await vi.waitFor(
      async () => {
        const half = (JOBS * WAITERS_PER_JOB) / 2;
        expect(await Promise.all([asked, owner].map((node) => waitsAt(node)))).toEqual([
          half,
          half,
        ]);
      },
      { timeout: 60_000, interval: 20 },
    );
    expect(ended).toEqual([]);
    for (const jobId of jobIds) scene.upstream.answer(jobId, () => pulseAnswer.completed());
    // The upstream is asked every 0.1 s.
    await within(1_100, [asked, owner], () => expect(ended).toHaveLength(waiting.length));
    await Promise.all(waiting);
    expect(new Set(ended.map(({ id }) => id)).size).toBe(JOBS);
  });

  test("requests that wait for a job are answered when their node stops, and the stop ends by itself", async () => {
    const { id } = await subscribe(owner, scene.receiver, "never-ends");
    const waiting = Array.from({ length: 5 }, () =>
      owner.api("GET", `/v1/subscriptions/${id}/wait?timeout_s=300`),
    );
    await vi.waitFor(async () => expect(await waitsAt(owner)).toBe(5), {
      timeout: 60_000,
      interval: 20,
    });
    const stopped = owner.stop();
    const answers = await Promise.all(waiting);
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204, 204]);
    expect(answers[0]?.headers.get("connection")).toBe("close");
    const { code, output } = await stopped;
    expect(code).toBe(0);
    expect(output).not.toContain("shutdown timed out");
  });
});
