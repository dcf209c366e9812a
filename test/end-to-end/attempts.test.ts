import { describe, expect, test } from "vitest";
import { parsePublicId } from "../../src/core/ids/ids.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { startReceiver } from "../support/receiver.ts";
import type { Answer } from "../support/scripted-server.ts";
import type { Json } from "../support/api-client.ts";
import { RETRY_SCHEDULE_S, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Scene, useScenes } from "./scene.ts";

// Some receivers hang until they are given up.
const openScene = useScenes({ RINGBACK_CALLBACK_TIMEOUT_MS: "4000" });

const ATTEMPTS_MAX = RETRY_SCHEDULE_S.length + 1;

/** A subscription whose job has ended, with its callbacks on their way. */
async function owe({ upstream, jobId, subscribe }: Scene, fields: object = {}): Promise<Json> {
  upstream.answer(jobId, pulseAnswer.completed());
  return subscribe(fields);
}

describe.concurrent("an attempt that fails is made again, and both can be seen", () => {
  test.for<[string, Answer, object]>([
    [
      "a server error, with what the receiver said",
      { status: 500, headers: { "content-type": "text/plain" }, body: "out of disk" },
      { http_status: 500, error_code: "server_error_answer", response_excerpt: "out of disk" },
    ],
    [
      "a client error, such as a callback that the receiver finds wrong",
      { status: 422, body: "wrong" },
      { http_status: 422, error_code: "client_error_answer", error_message: null },
    ],
    [
      "a refusal of the signature",
      { status: 401, body: "" },
      { http_status: 401, error_code: "client_error_answer", response_excerpt: "" },
    ],
    [
      "no answer within the time limit",
      "hang",
      { http_status: null, error_code: "response_timeout", error_message: expect.any(String) },
    ],
  ])(
    "a failed attempt is repeated, and both are shown: %s",
    async ([, answer, expected], context) => {
      const scene = await openScene(context);
      const { receiver, path } = scene;
      receiver.answer(path, [answer, { status: 204 }]);
      const { id } = await owe(scene);
      const [first, second] = await receiver.take(path, 2);
      expect(second?.webhookId).toBe(first?.webhookId);
      expect(second?.body).toBe(first?.body);
      const delivery = await scene.delivery(id);
      expect(delivery).toMatchObject({
        id: first?.webhookId,
        status: "delivered",
        attempt_count: 2,
        next_attempt_at: null,
        attempts: [
          { number: 1, ...expected },
          { number: 2, http_status: 204, error_code: null, error_message: null },
        ],
      });
      expect(delivery.attempts[1].started_at > delivery.attempts[0].started_at).toBe(true);
      expect((await scene.look(`/v1/subscriptions/${id}`)).status).toBe("delivered");
    },
  );

  test("an answer that echoes the subscription's own headers is kept without them", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    const encoded = Buffer.from("Bearer of-the-receiver").toString("base64");
    receiver.answer(path, [
      { status: 500, body: "no access with Bearer of-the-receiver" },
      { status: 500, body: `no access with {"token":"of\\u002dthe-receiver"} or ${encoded}` },
      { status: 307, headers: { location: "/of%2Dthe%2Dreceiver" } },
      {},
    ]);
    const { id } = await owe(scene, { headers: { authorization: "Bearer of-the-receiver" } });
    await receiver.take(path, 4);
    const { attempts } = await scene.delivery(id);
    expect(attempts).toMatchObject([
      { response_excerpt: "no access with [redacted]" },
      { response_excerpt: 'no access with {"token":"[redacted]"} or [redacted]' },
      { error_message: expect.stringContaining("redirects to /[redacted]") },
      {},
    ]);
  });

  test("a connection that the receiver resets is a failed attempt, unless it was kept alive and has died since", async (context) => {
    const scene = await openScene(context);
    const own = await startReceiver(SIGNING_SECRET);
    context.onTestFinished(() => own.close());
    own.answer("/hook", ["reset", {}, "reset", {}]);
    const { id } = await owe(scene, { callback_url: own.url("/hook") });
    await own.take("/hook", 2);
    expect((await scene.delivery(id)).attempts).toMatchObject([
      { http_status: null, error_code: "connection_reset", error_message: expect.any(String) },
      { http_status: 200 },
    ]);
    const again = await scene.subscribe({ callback_url: own.url("/hook"), metadata: { n: 2 } });
    const [first, repeated] = (await own.take("/hook", 4)).slice(2);
    expect(repeated).toMatchObject({ webhookId: first?.webhookId, body: first?.body });
    expect((await scene.delivery(again.id)).attempts).toMatchObject([{ http_status: 200 }]);
  });

  test("a body too large for the receiver is followed by an attempt with result_url", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, [{ status: 413, body: "too large" }, { status: 413 }, {}]);
    const { id } = await owe(scene);
    const bodies = (await receiver.take(path, 3)).map(({ body }) => JSON.parse(body));
    expect(bodies[0].data).toHaveProperty("result");
    for (const { data } of bodies.slice(1)) {
      expect(data).not.toHaveProperty("result");
      expect(data.result_url).toContain("/result");
    }
    expect((await scene.delivery(id)).attempts).toMatchObject([
      {
        http_status: 413,
        error_code: "client_error_answer",
        error_message: expect.stringContaining("The next attempt carries result_url"),
      },
      { http_status: 413, error_message: expect.stringContaining("which holds no result") },
      { http_status: 200, error_message: null },
    ]);
  });

  test("a redirect is a failed attempt and never followed", async (context) => {
    const scene = await openScene(context);
    const { receiver, path } = scene;
    receiver.answer(path, [{ status: 301, headers: { location: receiver.url("/moved") } }, {}]);
    const { id } = await owe(scene);
    await receiver.take(path, 2);
    expect((await scene.delivery(id)).attempts).toMatchObject([
      {
        http_status: 301,
        error_code: "redirect_not_followed",
        error_message: expect.stringContaining(`redirects to ${receiver.url("/moved")}. Redirects`),
      },
      { http_status: 200 },
    ]);
    expect(receiver.received("/moved")).toEqual([]);
  });
});

test("a secret that can't be opened any more is said to be so, and nothing is sent unsigned", async (context) => {
  const scene = await openScene(context);
  const { gateway, upstream, receiver, jobId } = scene;
  upstream.answer(jobId, pulseAnswer.processing());
  const secret = `whsec_${Buffer.alloc(32, "own").toString("base64")}`;
  const { id } = await scene.subscribe({ secret });
  const uuid = parsePublicId("subscription", id) ?? "";
  await gateway.sql`update subscriptions set secret = 'v1.0badbad0.AAAA' where id = ${uuid}`;
  upstream.answer(jobId, pulseAnswer.completed());
  const { status, attempts } = await scene.delivery(id);
  expect(status).toBe("exhausted");
  expect(attempts[0]).toMatchObject({
    http_status: null,
    error_code: "secret_unreadable",
    error_message: expect.stringContaining("RINGBACK_ENCRYPTION_KEYS"),
  });
  expect(receiver.callbacks).toEqual([]);
});

describe.concurrent("delivering again by hand", () => {
  test("an exhausted delivery is sent again by hand with the same webhook-id and the whole schedule", async (context) => {
    const scene = await openScene(context);
    const { gateway, receiver, path, look } = scene;
    receiver.answer(path, { status: 500 });
    const { id } = await owe(scene);
    const exhausted = await scene.delivery(id);
    expect(exhausted).toMatchObject({ status: "exhausted", attempt_count: ATTEMPTS_MAX });
    expect((await look(`/v1/subscriptions/${id}`)).status).toBe("exhausted");
    expect((await look("/v1/deliveries?status=exhausted")).data).toContainEqual(
      expect.objectContaining({ id: exhausted.id }),
    );

    receiver.answer(path, [
      ...Array.from({ length: RETRY_SCHEDULE_S.length }, () => ({ status: 500 })),
      {},
    ]);
    const again = await gateway.api("POST", `/v1/deliveries/${exhausted.id}/redeliver`);
    expect(again).toMatchObject({ status: 202, body: { status: "pending", finished_at: null } });
    const callbacks = await receiver.take(path, 2 * ATTEMPTS_MAX);
    expect(new Set(callbacks.map(({ webhookId }) => webhookId))).toEqual(new Set([exhausted.id]));
    const delivered = await scene.delivery(id);
    expect(delivered).toMatchObject({ status: "delivered", attempt_count: 2 * ATTEMPTS_MAX });
    expect(delivered.attempts.map(({ number }: { number: number }) => number)).toEqual(
      callbacks.map((_, index) => index + 1),
    );
  });

  test("a delivery exhausted because nothing listened is sent again by hand", async (context) => {
    const scene = await openScene(context);
    const { gateway, receiver, path } = scene;
    await receiver.close();
    const { id } = await owe(scene);
    const exhausted = await scene.delivery(id);
    expect(exhausted.status).toBe("exhausted");
    expect(exhausted.attempts).toHaveLength(ATTEMPTS_MAX);
    expect(exhausted.attempts[0]).toMatchObject({ error_code: "connect_refused" });
    await receiver.open();
    await gateway.api("POST", `/v1/deliveries/${exhausted.id}/redeliver`);
    expect((await receiver.takeOne(path)).webhookId).toBe(exhausted.id);
    expect((await scene.delivery(id)).status).toBe("delivered");
  });

  test("a delivered callback is sent again by hand with the same bytes and a new signature", async (context) => {
    const scene = await openScene(context);
    const { gateway, receiver, path } = scene;
    const { id } = await owe(scene);
    const delivered = await scene.delivery(id);
    await gateway.api("POST", `/v1/deliveries/${delivered.id}/redeliver`);
    const [first, second] = await receiver.take(path, 2);
    expect(second).toMatchObject({ webhookId: first?.webhookId, body: first?.body });
    const again = await scene.delivery(id, ({ attempt_count: count }) => count === 2);
    expect(again.status).toBe("delivered");
  });
});

describe("neighbours", () => {
  test("a receiver that never answers delays no other origin", async (context) => {
    const scene = await openScene(context);
    const { upstream, receiver, path, subscribe } = scene;
    const sick = await startReceiver(SIGNING_SECRET);
    context.onTestFinished(() => sick.close());
    sick.answer("/", "hang");
    upstream.answer("sick", pulseAnswer.processing());
    const toSick = { job_id: "sick", callback_url: sick.url("/") };
    await Promise.all(Array.from({ length: 50 }, () => subscribe(toSick)));
    upstream.answer("sick", pulseAnswer.completed());
    await sick.take("/", 1);
    await owe(scene);
    await receiver.takeOne(path);
    sick.answer("/", {});
    const callbacks = await sick.take("/", 50);
    expect(new Set(callbacks.map(({ webhookId }) => webhookId)).size).toBeGreaterThanOrEqual(32);
  });
});
