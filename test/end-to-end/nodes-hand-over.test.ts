import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { jobsOwnedBy, ownedShards, startNodePair } from "../support/node-pair.ts";
import {
  breaches,
  connect,
  createProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import type { Json } from "../support/api-client.ts";
import { within } from "../support/within.ts";

/*
 * Two nodes on one database, for the whole file. A change to a job that is requested at one
 * node has to reach the owner of its shard within a second.
 */
const inTime = (expectation: () => unknown): Promise<unknown> =>
  within(1_000, [asked, owner], expectation);
const KEY = "pulse-key-of-the-scene";

let scene: ProcessScene;
/** Takes the requests. */
let asked: GatewayProcess;
/** Owns the jobs they are about. */
let owner: GatewayProcess;
let connection: Json;
let jobId: string;
let tests = 0;

beforeAll(async () => {
  scene = await createProcessScene({ RINGBACK_RETRY_SCHEDULE_S: "0.5,60" });
  [asked, owner] = await startNodePair(scene);
});

afterAll(async () => {
  expect(await breaches(scene.sql)).toEqual([]);
  await scene.end();
});

/** Each test has a connection and a job of its own. */
beforeEach(async () => {
  tests += 1;
  await connectAnew({ poll_interval_s: 0.1 });
});

async function connectAnew(settings: object): Promise<void> {
  const name = `c${tests}-${JSON.stringify(settings).replaceAll(/\W/g, "")}`;
  connection = await connect(asked, scene.upstream, { name, settings });
  [jobId = ""] = await jobsOwnedBy(owner, scene.sql, {
    id: connection.id,
    count: 1,
    prefix: `job-${tests}`,
  });
  await knows(owner, name);
}

/** A node asks for a connection that it does not know: then only the address is wrong here. */
async function knows(node: GatewayProcess, name: string): Promise<void> {
  const wish = { job_id: "never", callback_url: "http://10.0.0.1/", connection: name };
  await inTime(async () => {
    const { body } = await node.api("POST", "/v1/subscriptions", wish);
    expect(body.code).toBe("callback_url_refused");
  });
}

function subscribeAt(node: GatewayProcess, fields: object = {}): Promise<Json> {
  return subscribe(node, scene.receiver, jobId, { connection: connection.name, ...fields });
}

/** The owner holds what the other has accepted; what belongs to other tests has ended. */
async function isWatched(id: string): Promise<void> {
  await owner.until(`/v1/subscriptions/${id}`, ({ job }) => job.poll_count > 0);
}

describe("work is shared", () => {
  test("each of two nodes uses half of a connection's rate limit", async () => {
    await connectAnew({ limits: { requests_per_second: 40 } });
    for (const node of [asked, owner]) {
      const { body } = await node.api("GET", `/v1/connections/${connection.id}`);
      expect(body.load).toMatchObject({ effective_requests_per_second: 20, breaker: "closed" });
    }
  });

  test("each of two nodes polls its half of the jobs, whichever accepted them, and no job is polled by both", async () => {
    const { upstream, receiver } = scene;
    const jobIds = Array.from({ length: 60 }, (_, number) => `shared-${number}`);
    for (const id of jobIds) upstream.answer(id, pulseAnswer.processing());
    const before = await Promise.all(
      [asked, owner].map((node) => node.metric("ringback_polls_total")),
    );
    for (const id of jobIds) await subscribe(asked, receiver, id, { connection: connection.name });
    await Promise.all(jobIds.map((id) => upstream.polled(id, 3)));
    const nodes = [asked, owner];
    const polls = await Promise.all(nodes.map((node) => node.metric("ringback_polls_total")));
    const watched = await Promise.all(nodes.map((node) => node.metric("ringback_watched_jobs")));
    for (const [index, count] of polls.entries())
      expect(count - (before[index] ?? 0)).toBeGreaterThan(20);
    expect(watched[0] ?? 0).toBeGreaterThan(10);
    expect((watched[0] ?? 0) + (watched[1] ?? 0)).toBe(jobIds.length);
    expect((await ownedShards(asked)) + (await ownedShards(owner))).toBe(256);
    for (const id of jobIds) upstream.answer(id, pulseAnswer.completed());
    await Promise.all(jobIds.map((id) => receiver.takeOne(`/${id}`)));
  });
});

test("a connection made at one node can be named at the other at once", async () => {
  const { upstream, receiver } = scene;
  const name = "made-just-now";
  upstream.answer("first-of-it", pulseAnswer.completed());
  await connect(asked, upstream, { name });
  await subscribe(owner, receiver, "first-of-it", { connection: name });
  expect((await receiver.takeOne("/first-of-it")).event.type).toBe("job.completed");
});

describe("asked of one node, done by the other within a second:", () => {
  test("a job accepted at one node gets its first poll at the other within a second", async () => {
    const { upstream, receiver } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const { id } = await subscribeAt(asked);
    await inTime(() => expect(upstream.polls(jobId)).toHaveLength(1));
    const { event } = await receiver.takeOne(`/${jobId}`);
    expect(event.data.subscription_id).toBe(id);
    expect(upstream.polls(jobId)).toHaveLength(1);
  });

  test("a late subscription accepted at one node is delivered by the other within a second", async () => {
    const { upstream, receiver } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribeAt(owner);
    await receiver.takeOne(`/${jobId}`);
    const late = await subscribeAt(asked, { callback_url: receiver.url(`/late-${jobId}`) });
    await inTime(() => expect(receiver.received(`/late-${jobId}`)).toHaveLength(1));
    const [callback] = receiver.received(`/late-${jobId}`);
    expect(callback?.event.data.subscription_id).toBe(late.id);
    expect(upstream.polls(jobId)).toHaveLength(1);
  });

  test("a poll requested at one node is made by the other within a second", async () => {
    const { upstream, receiver } = scene;
    await connectAnew({ poll_interval_s: 60 });
    upstream.answer(jobId, [pulseAnswer.processing(), pulseAnswer.completed()]);
    const { id } = await subscribeAt(asked);
    await isWatched(id);
    expect((await asked.api("POST", `/v1/subscriptions/${id}/poll`)).status).toBe(202);
    await inTime(() => expect(upstream.polls(jobId)).toHaveLength(2));
    await receiver.takeOne(`/${jobId}`);
  });

  test("deleting the only subscription at one node stops the polls of the other within a second", async () => {
    const { upstream } = scene;
    upstream.answer(jobId, pulseAnswer.processing());
    const { id } = await subscribeAt(asked);
    await isWatched(id);
    expect(await owner.metric("ringback_watched_jobs")).toBe(1);
    expect((await asked.api("DELETE", `/v1/subscriptions/${id}`)).status).toBe(204);
    await inTime(async () => expect(await owner.metric("ringback_watched_jobs")).toBe(0));
  });

  test("canceling at one node cancels the job upstream by the other within a second, and its other subscriptions hear of it", async () => {
    const { upstream, receiver } = scene;
    await connectAnew({ poll_interval_s: 60 });
    upstream.answer(jobId, pulseAnswer.processing());
    const { id } = await subscribeAt(asked);
    await subscribeAt(asked, { callback_url: receiver.url(`/other-${jobId}`) });
    await isWatched(id);
    await asked.api("DELETE", `/v1/subscriptions/${id}?cancel_job=true`);
    await upstream.canceled(jobId);
    await inTime(() => expect(receiver.received(`/other-${jobId}`)).toHaveLength(1));
    expect(receiver.received(`/other-${jobId}`)[0]?.event.type).toBe("job.canceled");
    expect(receiver.received(`/${jobId}`)).toEqual([]);
  });

  test("deleting a subscription at one node stops the attempts of the other", async () => {
    const { upstream, receiver, sql } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    for (const path of [`/${jobId}`, `/kept-${jobId}`])
      receiver.answer(path, [{ status: 500 }, {}]);
    // Several times as long as the other node takes to know of it.
    const retry_schedule_s = [8, 60];
    const { id } = await subscribeAt(asked, { retry_schedule_s });
    const kept = { callback_url: receiver.url(`/kept-${jobId}`), retry_schedule_s };
    await subscribeAt(asked, kept);
    await Promise.all([receiver.takeOne(`/${jobId}`), receiver.takeOne(`/kept-${jobId}`)]);
    await asked.api("DELETE", `/v1/subscriptions/${id}`);
    // Whose second attempt was due at the same time.
    await receiver.take(`/kept-${jobId}`, 2);
    expect(receiver.received(`/${jobId}`)).toHaveLength(1);
    const page = await asked.until(
      `/v1/subscriptions/${id}/deliveries`,
      ({ data }) => data[0].attempt_count === 1,
    );
    expect(page.data).toMatchObject([{ status: "canceled", next_attempt_at: null }]);
    expect(await breaches(sql)).toEqual([]);
  });

  test("a redelivery at one node is sent by the other within a second, with the same webhook-id", async () => {
    const { upstream, receiver } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const { id } = await subscribeAt(asked);
    const { webhookId } = await receiver.takeOne(`/${jobId}`);
    await asked.until(
      `/v1/subscriptions/${id}/deliveries`,
      ({ data }) => data[0].status === "delivered",
    );
    expect((await asked.api("POST", `/v1/deliveries/${webhookId}/redeliver`)).status).toBe(202);
    await inTime(() => expect(receiver.received(`/${jobId}`)).toHaveLength(2));
    expect(receiver.received(`/${jobId}`)[1]?.webhookId).toBe(webhookId);
    const delivery = await asked.until(
      `/v1/deliveries/${webhookId}`,
      ({ status }) => status === "delivered",
    );
    expect(delivery.attempts.map((attempt: Json) => attempt.number)).toEqual([1, 2]);
  });

  test("a new credential at one node is used by the other within a second", async () => {
    const { upstream, receiver } = scene;
    upstream.acceptKey("another-key");
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribeAt(asked);
    const paused = await asked.until(
      `/v1/connections/${connection.id}`,
      ({ state }) => state === "paused",
    );
    expect(paused.paused_reason).toContain("Invalid API key");
    const { length: polls } = upstream.polls(jobId);
    await asked.api("PATCH", `/v1/connections/${connection.id}`, { credential: "another-key" });
    await inTime(() => expect(receiver.received(`/${jobId}`)).toHaveLength(1));
    expect(upstream.polls(jobId)).toHaveLength(polls + 1);
    upstream.acceptKey(KEY);
  });

  test("an idempotency key used at one node is known to the other", async () => {
    const { upstream, receiver } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const body = {
      job_id: jobId,
      callback_url: receiver.url(`/${jobId}`),
      connection: connection.name,
    };
    const headers = { "idempotency-key": jobId };
    const answers = await Promise.all(
      [asked, owner, asked, owner].map((node) =>
        node.api("POST", "/v1/subscriptions", body, headers),
      ),
    );
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.has("idempotent-replayed"))).toHaveLength(3);
    await receiver.takeOne(`/${jobId}`);
  });
});
