import { describe, expect, test, vi } from "vitest";
import type { TestContext } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { jobsOwnedBy, ownedShards, settled, startNodePair } from "../support/node-pair.ts";
import {
  breaches,
  connect,
  openProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import { within } from "../support/within.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { Json } from "../support/api-client.ts";

/** Between a kill and the last of its shards with another node. */
const TAKEOVER_MS = 20_000;
/** The same after a clean stop. */
const HAND_BACK_MS = 3_000;
const ALL_SHARDS = 256;
const JOBS_EACH = 6;

/** Jobs of the node that is about to go, and what is happening to each. */
interface Jobs {
  readonly running: readonly string[];
  /** Ended; its callback was answered with an error, and the next attempt waits. */
  readonly retrying: string;
  /** Ended; its callback was received and not answered. */
  readonly sending: string;
}

async function setUpJobs(
  { upstream, receiver, sql }: ProcessScene,
  staying: GatewayProcess,
  leaving: GatewayProcess,
): Promise<Jobs> {
  const connection = await connect(staying, upstream);
  const owned = await jobsOwnedBy(leaving, sql, {
    id: connection.id,
    count: JOBS_EACH,
    prefix: "job",
  });
  const [retrying = "", sending = "", ...running] = owned;
  for (const jobId of running) upstream.answer(jobId, pulseAnswer.processing());
  for (const jobId of [retrying, sending]) upstream.answer(jobId, pulseAnswer.completed());
  receiver.answer(`/${retrying}`, [{ status: 500 }, {}]);
  receiver.answer(`/${sending}`, ["hang", {}]);
  for (const jobId of owned) await subscribe(staying, receiver, jobId);
  await Promise.all([
    ...running.map((jobId) => upstream.polled(jobId, 2)),
    receiver.takeOne(`/${sending}`),
    retryIsRecorded(sql),
  ]);
  return { running, retrying, sending };
}

/** The next attempt is seconds away, or over on a machine that is busy. */
async function retryIsRecorded(sql: ProcessScene["sql"]): Promise<void> {
  await vi.waitFor(
    async () => {
      const rows = await sql`select from deliveries where attempt_count > 0`;
      expect(rows).toHaveLength(1);
    },
    { timeout: 60_000, interval: 20 },
  );
}

/** Every job ends and is delivered, each under one webhook-id. */
async function allArrive(
  { upstream, receiver }: ProcessScene,
  { running, retrying, sending }: Jobs,
): Promise<void> {
  for (const jobId of running) upstream.answer(jobId, pulseAnswer.completed());
  await Promise.all([
    ...running.map((jobId) => receiver.takeOne(`/${jobId}`)),
    receiver.take(`/${retrying}`, 2),
    receiver.take(`/${sending}`, 2),
  ]);
  for (const jobId of [...running, retrying, sending]) {
    const ids = receiver.received(`/${jobId}`).map(({ webhookId }) => webhookId);
    expect(new Set(ids).size).toBe(1);
  }
}

/** Everything owed is recorded as delivered. */
async function allIsDelivered({ sql }: ProcessScene): Promise<void> {
  await vi.waitFor(
    async () => {
      const rows = await sql`select status, count(*)::int from deliveries group by status`;
      expect(rows).toEqual([{ status: "delivered", count: JOBS_EACH }]);
    },
    { timeout: 60_000, interval: 20 },
  );
}

async function ownsAll(node: GatewayProcess, withinMs: number): Promise<void> {
  await within(withinMs, [node], async () => expect(await ownedShards(node)).toBe(ALL_SHARDS));
}

function openPairScene(context: TestContext): Promise<ProcessScene> {
  return openProcessScene(context, { RINGBACK_RETRY_SCHEDULE_S: "5,1,1" });
}

describe.concurrent("two nodes", { timeout: 240_000 }, () => {
  test("when one of two nodes is killed, the other owns all shards within 20 s and continues its jobs and deliveries", async (context) => {
    const scene = await openPairScene(context);
    const [staying, leaving] = await startNodePair(scene);
    const jobs = await setUpJobs(scene, staying, leaving);
    await leaving.crash();
    await ownsAll(staying, TAKEOVER_MS);
    await allArrive(scene, jobs);
    await allIsDelivered(scene);
    expect(await breaches(scene.sql)).toEqual([]);
  });

  test("when one of two nodes is stopped, the other owns all shards within 3 s of its end and continues its jobs and deliveries", async (context) => {
    const scene = await openPairScene(context);
    const [staying, leaving] = await startNodePair(scene);
    const jobs = await setUpJobs(scene, staying, leaving);
    expect(await leaving.stop()).toMatchObject({ code: 0 });
    await ownsAll(staying, HAND_BACK_MS);
    await allArrive(scene, jobs);
    await allIsDelivered(scene);
    expect(await breaches(scene.sql)).toEqual([]);
  });

  test("when one of two nodes loses its database, it releases everything, the other takes over, and it returns for its half", async (context) => {
    const scene = await openPairScene(context);
    const { upstream, receiver, sql } = scene;
    const address = new URL(scene.databaseUrl);
    const proxy = await startTcpProxy({ host: address.hostname, port: Number(address.port) });
    context.onTestFinished(() => proxy.close());
    address.host = `127.0.0.1:${proxy.port}`;
    const pair = await startNodePair(scene, { DATABASE_URL: address.href });
    const [staying, cutOff] = pair;
    const jobs = await setUpJobs(scene, staying, cutOff);
    const [observed = ""] = jobs.running;

    proxy.freeze();
    // It sees this ending, but can't record it.
    upstream.answer(observed, pulseAnswer.completed());
    await upstream.polledAgain(observed);
    // That the database is away is said first; then the lease runs out.
    await vi.waitFor(
      async () => {
        const { status, body } = await cutOff.api("GET", "/readyz");
        expect(status).toBe(503);
        expect(body.checks.lease).toContain("could not be renewed");
      },
      { timeout: 60_000, interval: 100 },
    );
    expect(await ownedShards(cutOff)).toBe(0);
    expect(await cutOff.metric("ringback_watched_jobs")).toBeLessThanOrEqual(1);
    expect((await cutOff.api("GET", "/healthz")).status).toBe(200);
    await ownsAll(staying, TAKEOVER_MS);
    await allArrive(scene, jobs);

    proxy.thaw();
    await settled(pair);
    expect((await cutOff.api("GET", "/readyz")).status).toBe(200);
    await allIsDelivered(scene);
    const again: Json = await subscribe(cutOff, receiver, "after");
    upstream.answer("after", pulseAnswer.completed());
    await receiver.takeOne("/after");
    expect(again.status).toBe("active");
    expect(await breaches(sql)).toEqual([]);
  });
});
