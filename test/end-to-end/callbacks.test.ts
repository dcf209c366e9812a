import { describe, expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { INLINE_RESULT_BYTES_MAX, SIGNING_SECRET } from "../support/gateway-environment.ts";
import type { Answer } from "../support/scripted-server.ts";
import { UPSTREAM_KEY, useScenes } from "./scene.ts";

const openScene = useScenes();

const DIGITS = '{"n": 12345678901234567890, "x": 1.0}';
/** Without the white space between tokens; no text in these has a blank. */
const compact = (json: string): string => json.replaceAll(" ", "");
const LARGE = `{"n": 12345678901234567890, "x": 1.0, "pages": "${"ü".repeat(INLINE_RESULT_BYTES_MAX)}"}`;

describe.concurrent("events", () => {
  test("events reach their subscribers in order: each progress event once, then the ending", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    const progress = (completed: number) =>
      `{"job_id":"any","status":"processing","created_at":"2026-01-01T00:00:00Z",` +
      `"result":{"progress":{"completed": ${completed}.0, "total": 3}}}`;
    const answers = [
      pulseAnswer.status("pending"),
      pulseAnswer.processing(),
      { body: progress(1) },
      { body: progress(1) },
      { body: progress(2) },
      pulseAnswer.completed(),
    ];
    // An event that is received before the next one happens can't be superseded by it.
    const toldBefore = [0, 0, 1, 2, 2, 3];
    upstream.answer(jobId, async (_, poll) => {
      const at = Math.min(poll, answers.length) - 1;
      await receiver.take(path, toldBefore[at] ?? 0);
      return answers[at] ?? {};
    });
    const events = ["job.processing", "job.progress", "job.completed"];
    await subscribe({ events });
    await subscribe({ callback_url: receiver.url("/ending-only") });
    const callbacks = await receiver.take(path, 4);
    await receiver.take("/ending-only", 1);
    expect(callbacks.map(({ event }) => [event.type, event.data.status])).toEqual([
      ["job.processing", "processing"],
      ["job.progress", "processing"],
      ["job.progress", "processing"],
      ["job.completed", "completed"],
    ]);
    expect(callbacks[1]?.body).toContain('"progress":{"completed":1.0,"total":3}');
    expect(callbacks[2]?.body).toContain('"progress":{"completed":2.0,"total":3}');
    expect(new Set(callbacks.map(({ webhookId }) => webhookId)).size).toBe(4);
    expect(receiver.callbacks).toHaveLength(5);
  });

  test("an ending waits for a progress event that is being sent, and replaces one that was not delivered", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
    const { promise: slowly, resolve: answer } = Promise.withResolvers<Answer>();
    upstream.answer(jobId, pulseAnswer.processing());
    receiver.answer(path, (_, number) => (number === 1 ? slowly : {}));
    const { id } = await subscribe({ events: ["job.processing", "job.completed"] });
    await receiver.take(path, 1);
    upstream.answer(jobId, pulseAnswer.completed());
    const list = `/v1/subscriptions/${id}/deliveries`;
    await gateway.until(list, ({ data }) => data.length === 2);
    expect(receiver.received(path)).toHaveLength(1);
    answer({ status: 500 });
    const callbacks = await receiver.take(path, 2);
    expect(callbacks.map(({ event }) => event.type)).toEqual(["job.processing", "job.completed"]);
    const { data } = await gateway.until(
      list,
      ({ data: [ending] }) => ending.status === "delivered",
    );
    expect(data).toMatchObject([
      { event_type: "job.completed", status: "delivered", attempt_count: 1 },
      {
        event_type: "job.processing",
        status: "superseded",
        attempt_count: 1,
        next_attempt_at: null,
      },
    ]);
    expect((await gateway.api("GET", `/v1/subscriptions/${id}`)).body.status).toBe("delivered");
  });

  test("events that no subscription wants are not sent, the job's ending included", async (context) => {
    const { upstream, jobId, subscribe, gateway, look } = await openScene(context);
    upstream.answer(jobId, [pulseAnswer.processing(), pulseAnswer.completed()]);
    const { id } = await subscribe({ events: ["job.failed"] });
    const ended = await gateway.until(
      `/v1/subscriptions/${id}`,
      ({ job }) => job.ended_at !== null,
    );
    expect(ended).toMatchObject({ status: "delivered", job: { status: "completed" } });
    expect((await look(`/v1/subscriptions/${id}/deliveries`)).data).toEqual([]);
  });
});

describe.concurrent("the result", () => {
  test("a result arrives with the digits that the upstream wrote", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed(DIGITS));
    await subscribe({ payload: "full" });
    expect((await receiver.takeOne(path)).body).toContain(`"result":${compact(DIGITS)},`);
  });

  test("a result is sent by reference with a thin payload, and can be read by the link alone or with the API key", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed(DIGITS));
    await subscribe({ payload: "thin" });
    const { event } = await receiver.takeOne(path);
    expect(event.data).not.toHaveProperty("result");
    const resultUrl: string = event.data.result_url;
    expect(resultUrl).toMatch(/\/v1\/events\/evt_[0-9a-f]{32}\/result\?token=[\w.-]+$/);
    const byLink = await fetch(resultUrl);
    expect([byLink.status, await byLink.text()]).toEqual([200, compact(DIGITS)]);
    const withoutToken = resultUrl.replace(/\?.*/, "");
    expect((await fetch(withoutToken)).status).toBe(401);
    const withKey = await gateway.api("GET", withoutToken.slice(gateway.url.length));
    expect(withKey).toMatchObject({ status: 200, text: compact(DIGITS) });
  });

  test("a result above the inline limit is sent by reference, also to late subscribers", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed(LARGE));
    await subscribe();
    const { event } = await receiver.takeOne(path);
    expect(event.data).not.toHaveProperty("result");
    expect(await (await fetch(event.data.result_url)).text()).toBe(compact(LARGE));
    await subscribe({ callback_url: receiver.url("/late") });
    const late = await receiver.takeOne("/late");
    const [address = ""] = event.data.result_url.split("?");
    expect(late.event.data.result_url).toContain(address);
    expect(late.event.data).not.toHaveProperty("result");
  });

  test("a result that is a single-use download link is passed on and never fetched", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, delivery } = await openScene(context);
    const pointer = { is_url: true, url: `${upstream.origin}/download/once` };
    upstream.answer(jobId, pulseAnswer.completed(JSON.stringify(pointer)));
    const { id } = await subscribe();
    expect((await receiver.takeOne(path)).event.data.result).toEqual(pointer);
    await delivery(id);
    expect(upstream.requests.map((request) => request.path)).toEqual([`/job/${jobId}`]);
  });
});

describe.concurrent("the client's own values", () => {
  test("metadata comes back with the digits that the client wrote", async (context) => {
    const { gateway, upstream, receiver, jobId, path, connection } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    const { status } = await gateway.api(
      "POST",
      "/v1/subscriptions",
      `{"job_id":"${jobId}","callback_url":"${receiver.url(path)}","connection":"${connection}",` +
        `"metadata":${DIGITS}}`,
    );
    expect(status).toBe(201);
    expect((await receiver.takeOne(path)).body).toContain(`"metadata":${DIGITS}}}`);
  });

  test("a subscription's headers are sent along, and the upstream's credential is not", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribe({ headers: { "X-Tenant": "acme", authorization: "Bearer of-the-receiver" } });
    const { headers } = await receiver.takeOne(path);
    expect(headers).toMatchObject({ "x-tenant": "acme", authorization: "Bearer of-the-receiver" });
    expect(JSON.stringify(headers)).not.toContain(UPSTREAM_KEY);
    expect(upstream.polls(jobId)[0]?.headers).toMatchObject({ "x-api-key": UPSTREAM_KEY });
  });

  test("a subscription's own secret signs its callbacks instead of the project's", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    const secret = `whsec_${Buffer.alloc(32, "own").toString("base64")}`;
    receiver.expectSecret("/own", secret);
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribe({ secret, callback_url: receiver.url("/own") });
    await subscribe();
    const [own] = await receiver.take("/own", 1);
    const [projects] = await receiver.take(path, 1);
    expect(own?.headers["webhook-signature"]).not.toContain(" ");
    expect(projects?.headers["webhook-signature"]).not.toContain(" ");
  });

  test("a job id stays one segment of the upstream's path, whatever it holds", async (context) => {
    const { upstream, receiver, path, subscribe } = await openScene(context);
    const jobId = "../admin?x=1#ü/..";
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribe({ job_id: jobId });
    expect((await receiver.takeOne(path)).event.data.job_id).toBe(jobId);
    expect(upstream.requests.map((request) => request.path)).toEqual([
      "/job/..%2Fadmin%3Fx%3D1%23%C3%BC%2F..",
    ]);
  });
});

describe.concurrent("the trace", () => {
  const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

  test("the trace of a request continues in its callbacks, with a step for each attempt", async (context) => {
    const { gateway, upstream, receiver, jobId, path, connection } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    receiver.answer(path, [{ status: 503 }, { status: 200 }]);
    const wish = { job_id: jobId, connection, callback_url: receiver.url(path) };
    const { body } = await gateway.api("POST", "/v1/subscriptions", wish, {
      traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-00`,
      tracestate: "vendor=1",
    });
    expect(body.trace_id).toBe(TRACE_ID);
    const [first, second] = await receiver.take(path, 2);
    for (const callback of [first, second]) {
      expect(callback?.headers["traceparent"]).toMatch(
        new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-00$`),
      );
      expect(callback?.headers["tracestate"]).toBe("vendor=1");
    }
    expect(first?.headers["traceparent"]).not.toBe(second?.headers["traceparent"]);
  });

  test("a subscription without a trace starts its own", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    const { id, trace_id: traceId } = await subscribe();
    expect(traceId).toBe(id.replace("sub_", ""));
    const { headers } = await receiver.takeOne(path);
    expect(headers["traceparent"]).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(headers).not.toHaveProperty("tracestate");
  });
});

describe.concurrent("on the wire", () => {
  test("a callback on the wire follows Standard Webhooks 1.0", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribe();
    const { method, headers, body, webhookId, timestampS, receivedAtMs } =
      await receiver.takeOne(path);
    expect(method).toBe("POST");
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      "user-agent": "Ringback/1.2.3-test",
      "webhook-id": expect.stringMatching(/^msg_[0-9a-f]{32}$/),
      "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
      "webhook-signature": expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
    });
    expect(Math.abs(timestampS - receivedAtMs / 1000)).toBeLessThan(60);
    const { data } = (await gateway.api("GET", "/v1/signing-secrets")).body;
    expect(data).toMatchObject([{ secret: SIGNING_SECRET, is_current: true }]);
    expect((await gateway.api("GET", `/v1/deliveries/${webhookId}`)).status).toBe(200);
  });
});
