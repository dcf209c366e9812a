import { describe, expect, test } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { type Scene, useScenes } from "./scene.ts";

const openScene = useScenes();

/** A subscription whose job has ended, with its callbacks on their way. */
async function owe({ upstream, jobId, subscribe }: Scene, fields: object = {}): Promise<Json> {
  upstream.answer(jobId, pulseAnswer.completed());
  return subscribe(fields);
}

describe.concurrent("a receiver's requests about retries", () => {
  test("a 429's Retry-After is the least wait, whatever the schedule says", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, [{ status: 429, headers: { "retry-after": "1" } }, {}]);
    const { id } = await owe(scene);
    const [first, second] = await receiver.take(path, 2);
    expect((second?.receivedAtMs ?? 0) - (first?.receivedAtMs ?? 0)).toBeGreaterThanOrEqual(990);
    // Each attempt is signed with its own time.
    expect(second?.timestampS).toBeGreaterThan(first?.timestampS ?? Infinity);
    expect((await scene.delivery(id)).attempts[0]).toMatchObject({ error_code: "rate_limited" });
  });

  test("ringback-retry-after of any failing answer sets the wait", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, [{ status: 500, headers: { "ringback-retry-after": "0.4" } }, {}]);
    await owe(scene);
    const [first, second] = await receiver.take(path, 2);
    expect((second?.receivedAtMs ?? 0) - (first?.receivedAtMs ?? 0)).toBeGreaterThanOrEqual(390);
  });

  test("ringback-retry: no ends the delivery, which can be sent again", async (context) => {
    const scene = await openScene(context);
    const { gateway, receiver, path, look } = scene;
    receiver.answer(path, [{ status: 422, headers: { "ringback-retry": "no" } }, {}]);
    const { id } = await owe(scene);
    const stopped = await scene.delivery(id);
    expect(stopped).toMatchObject({
      status: "exhausted",
      next_attempt_at: null,
      attempts: [{ http_status: 422, error_code: "stopped_by_receiver" }],
    });
    expect((await look(`/v1/subscriptions/${id}`)).status).toBe("exhausted");
    await gateway.api("POST", `/v1/deliveries/${stopped.id}/redeliver`);
    await receiver.take(path, 2);
    expect((await scene.delivery(id)).status).toBe("delivered");
  });

  test("a wait that is too long for memory is kept in the database", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, [{ status: 503, headers: { "retry-after-ms": "2300" } }, {}]);
    const { id } = await owe(scene);
    const [first, second] = await receiver.take(path, 2);
    expect(second?.webhookId).toBe(first?.webhookId);
    const { attempts } = await scene.delivery(id);
    const dueAtMs = Date.parse(attempts[0].started_at) + 2300;
    expect(second?.receivedAtMs).toBeGreaterThanOrEqual(dueAtMs - 5);
    // Everything due is read again every 30 s; that would be too late.
    expect(second?.receivedAtMs).toBeLessThan(dueAtMs + 15_000);
  });

  test("a 410 ends the subscription: no retry, and no further deliveries", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path } = scene;
    receiver.answer(path, { status: 410 });
    upstream.answer(jobId, pulseAnswer.processing());
    const { id } = await scene.subscribe({ events: ["job.processing", "job.completed"] });
    expect(await scene.delivery(id)).toMatchObject({
      status: "gone",
      attempts: [{ http_status: 410, error_code: "gone" }],
    });
    expect((await scene.look(`/v1/subscriptions/${id}`)).status).toBe("gone");
    const other = await scene.subscribe({ callback_url: receiver.url("/other") });
    upstream.answer(jobId, pulseAnswer.completed());
    await receiver.take("/other", 1);
    await gateway.until(`/v1/subscriptions/${other.id}`, ({ status }) => status === "delivered");
    expect(receiver.received(path)).toHaveLength(1);
    expect((await scene.look(`/v1/subscriptions/${id}/deliveries`)).data).toHaveLength(1);
  });

  test("an endless answer is read up to a limit, and its beginning kept", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, { status: 200, body: `\0ok ${"é".repeat(200_000)}` });
    const { id } = await owe(scene);
    const { status, attempts } = await scene.delivery(id);
    expect(status).toBe("delivered");
    expect(attempts[0].response_excerpt).toMatch(/^\u{fffd}ok é+$/u);
    expect(attempts[0].response_excerpt.length).toBeLessThanOrEqual(1024);
  });
});

describe.concurrent("the schedule", () => {
  test("a subscription's own schedule counts its attempts instead of the gateway's", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, { status: 500 });
    const { id } = await owe(scene, { retry_schedule_s: [0.02] });
    expect(await scene.delivery(id)).toMatchObject({ status: "exhausted", attempt_count: 2 });
  });

  test("a schedule without waits makes one attempt", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, { status: 500 });
    const { id } = await owe(scene, { retry_schedule_s: [] });
    expect(await scene.delivery(id)).toMatchObject({ status: "exhausted", attempt_count: 1 });
  });

  test("a pending delivery shows when the next attempt is due", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, { status: 500 });
    const { id } = await owe(scene, { retry_schedule_s: [3600] });
    const { attempts, ...delivery } = await scene.delivery(
      id,
      ({ attempt_count: count }) => count === 1,
    );
    const waitMs = Date.parse(delivery.next_attempt_at) - Date.parse(attempts[0].started_at);
    expect(waitMs).toBeGreaterThanOrEqual(0.8 * 3_600_000);
    expect(waitMs).toBeLessThan(1.2 * 3_600_000 + 60_000);
  });
});
