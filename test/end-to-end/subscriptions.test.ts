import { describe, expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { Answer } from "../support/scripted-server.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

const NEVER_S = 3600;
/** The receiver takes it later: the delivery stays pending for as long as a test takes. */
const LATER: Answer = { status: 503, headers: { "retry-after": "3600" } };

describe("many subscriptions on one job", () => {
  test("many subscriptions to one job cause one stream of polls, and each gets its callback", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, connection, path } = scene;
    await scene.change({ settings: { poll_interval_s: 0.05 } });
    upstream.answer(jobId, pulseAnswer.processing());
    const fields = { job_id: jobId, callback_url: receiver.url(path), connection };
    const one = async (): Promise<string> => (await scene.subscribe()).id;
    const batch = async (): Promise<string[]> => {
      const subscriptions = Array.from({ length: 50 }, () => fields);
      const { body } = await gateway.api("POST", "/v1/subscriptions/batch", { subscriptions });
      return body.results.map((result: { subscription: { id: string } }) => result.subscription.id);
    };
    const ids = (await Promise.all([batch(), ...Array.from({ length: 50 }, one)])).flat();
    await upstream.polledAgain(jobId, 2);
    upstream.answer(jobId, pulseAnswer.completed());
    const callbacks = await receiver.take(path, 100);

    expect(new Set(ids).size).toBe(100);
    expect(new Set(callbacks.map(({ event }) => event.data.subscription_id))).toEqual(new Set(ids));
    expect(new Set(callbacks.map(({ webhookId }) => webhookId)).size).toBe(100);
    const polls = upstream.polls(jobId);
    for (const [index, { receivedAtMs }] of polls.entries()) {
      const before = polls[index - 1]?.receivedAtMs ?? -Infinity;
      // Clocks and timers round to a millisecond.
      expect(receivedAtMs - before).toBeGreaterThanOrEqual(48);
    }
    const { job } = await scene.look(`/v1/subscriptions/${ids[0]}`);
    expect(job.poll_count).toBe(polls.length);
  });

  test("the same job id at two connections is two jobs, each polled with its own credential", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, connect } = await openScene(context);
    const other = await connect({ credential: "another-pulse-key" });
    upstream.answer(jobId, pulseAnswer.completed());
    await subscribe();
    await subscribe({ connection: other.name });
    await receiver.take(path, 2);
    expect(upstream.polls(jobId).map(({ headers }) => headers["x-api-key"])).toEqual(
      expect.arrayContaining(["pulse-key-of-the-scene", "another-pulse-key"]),
    );
    expect(upstream.polls(jobId)).toHaveLength(2);
  });

  test("many subscriptions to one job wait until the latest deadline", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, look } = scene;
    upstream.answer(jobId, pulseAnswer.processing());
    upstream.answer("impatient", pulseAnswer.processing());
    const { id } = await subscribe({ deadline_s: 120 });
    await subscribe({ deadline_s: NEVER_S });
    await subscribe({ job_id: "impatient", deadline_s: 120, callback_url: receiver.url("/other") });
    await gateway.pass(121_000);
    await receiver.take("/other", 1);
    expect(await look(`/v1/subscriptions/${id}`)).toMatchObject({ status: "active" });
    upstream.answer(jobId, pulseAnswer.completed());
    const types = (await receiver.take(path, 2)).map(({ event }) => event.type);
    expect(types).toEqual(["job.completed", "job.completed"]);
  });
});

describe.concurrent("a subscription for a job that has ended already", () => {
  test("a late subscription gets its callback at once from the stored event, without a poll", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, delivery } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed('{"n": 1.0}'));
    const early = await subscribe();
    const first = await receiver.takeOne(path);
    await upstream.close();
    const late = await subscribe({ callback_url: receiver.url("/late"), metadata: { late: true } });
    const second = await receiver.takeOne("/late");
    expect(late.job.status).toBe("completed");
    expect(second.event.timestamp).toBe(first.event.timestamp);
    expect(second.body).toContain('"result":{"n":1.0}');
    expect(second.event.data).toMatchObject({ subscription_id: late.id, metadata: { late: true } });
    expect(second.webhookId).not.toBe(first.webhookId);
    expect((await delivery(late.id)).event_id).toBe((await delivery(early.id)).event_id);
    expect(upstream.requests).toHaveLength(1);
  });

  test("a late subscription that does not want the ending gets no delivery", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, look } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.failed("no"));
    await subscribe();
    await receiver.takeOne(path);
    const late = await subscribe({ events: ["job.completed"] });
    expect(late.status).toBe("delivered");
    expect((await look(`/v1/subscriptions/${late.id}/deliveries`)).data).toEqual([]);
  });
});

describe.concurrent("an Idempotency-Key", () => {
  test("an Idempotency-Key makes a repeated request the same subscription, with one callback", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, connection, delivery } = scene;
    upstream.answer(jobId, pulseAnswer.processing());
    const body = { job_id: jobId, callback_url: receiver.url(path), connection };
    const post = (fields: object = {}) =>
      gateway.api(
        "POST",
        "/v1/subscriptions",
        { ...body, ...fields },
        { "idempotency-key": jobId },
      );
    const answers = await Promise.all([post(), post(), post()]);
    answers.push(await post());
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    const replayed = answers.map(({ headers }) => headers.get("idempotent-replayed"));
    expect(replayed.filter((header) => header === "true")).toHaveLength(3);
    expect(replayed.at(-1)).toBe("true");

    expect(await post({ metadata: { other: 1 } })).toMatchObject({
      status: 409,
      body: { code: "idempotency_conflict" },
    });

    upstream.answer(jobId, pulseAnswer.completed());
    await receiver.takeOne(path);
    await delivery(answers[0]?.body.id);
    expect(receiver.callbacks).toHaveLength(1);
    expect((await post()).body).toMatchObject({ id: answers[0]?.body.id, status: "delivered" });
  });
});

describe.concurrent("poll now", () => {
  test("poll now polls a job at once that would have been polled much later", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe } = scene;
    await scene.change({ settings: { poll_interval_s: NEVER_S } });
    upstream.answer(jobId, [pulseAnswer.processing(), pulseAnswer.completed()]);
    const { id } = await subscribe();
    await gateway.until(`/v1/subscriptions/${id}`, ({ job }) => job.poll_count === 1);
    expect((await gateway.api("POST", `/v1/subscriptions/${id}/poll`)).status).toBe(202);
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
    expect((await gateway.api("POST", `/v1/subscriptions/${id}/poll`)).status).toBe(202);
    expect(upstream.polls(jobId)).toHaveLength(2);
  });

  test("poll now during a poll leads to one more after it", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe } = scene;
    await scene.change({ settings: { poll_interval_s: NEVER_S } });
    const { promise: firstAnswer, resolve: answerFirst } = Promise.withResolvers<Answer>();
    upstream.answer(jobId, (_, poll) => (poll === 1 ? firstAnswer : pulseAnswer.completed()));
    const { id } = await subscribe();
    await upstream.polled(jobId, 1);
    for (const _ of [1, 2, 3]) await gateway.api("POST", `/v1/subscriptions/${id}/poll`);
    expect(upstream.polls(jobId)).toHaveLength(1);
    answerFirst(pulseAnswer.processing());
    await receiver.takeOne(path);
    expect(upstream.polls(jobId)).toHaveLength(2);
  });
});

describe.concurrent("deleting a subscription", () => {
  test("deleting a subscription while its job runs ends the polling, and no callback is sent", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, look } = scene;
    upstream.answer(jobId, pulseAnswer.processing());
    upstream.answer("goes-on", pulseAnswer.processing());
    await subscribe({ job_id: "goes-on" });
    const { id } = await subscribe();
    await upstream.polled(jobId, 2);
    expect((await gateway.api("DELETE", `/v1/subscriptions/${id}`)).status).toBe(204);
    // A poll that was on its way when the job was let go has come by the time a later one has.
    await upstream.polledAgain("goes-on", 2);
    const pollsThen = upstream.polls(jobId).length;
    upstream.answer(jobId, pulseAnswer.completed());
    await upstream.polledAgain("goes-on", 5);
    expect(upstream.polls(jobId)).toHaveLength(pollsThen);
    expect(receiver.received(path)).toEqual([]);
    expect(await look(`/v1/subscriptions/${id}`)).toMatchObject({
      status: "canceled",
      job: { status: "unwatched", ended_at: null, next_poll_at: null },
    });
    expect(upstream.requests.filter(({ method }) => method !== "GET")).toEqual([]);
    expect((await gateway.api("POST", `/v1/subscriptions/${id}/poll`)).body.code).toBe(
      "subscription_closed",
    );

    await subscribe();
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
  });

  test("deleting a subscription leaves the others of its job alone", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe, delivery } =
      await openScene(context);
    upstream.answer(jobId, pulseAnswer.processing());
    const stays = await subscribe();
    const goes = await subscribe({ callback_url: receiver.url("/goes") });
    await gateway.api("DELETE", `/v1/subscriptions/${goes.id}`);
    upstream.answer(jobId, pulseAnswer.completed());
    await receiver.takeOne(path);
    await delivery(stays.id);
    expect(receiver.callbacks).toHaveLength(1);
  });

  test("deleting a subscription that waits for its next attempt cancels the attempt", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, delivery, look } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    receiver.answer(path, LATER);
    const { id } = await subscribe();
    const waiting = await delivery(id, ({ attempt_count: count }) => count === 1);
    expect(waiting.status).toBe("pending");
    expect((await look(`/v1/subscriptions/${id}`)).status).toBe("delivering");
    await gateway.api("DELETE", `/v1/subscriptions/${id}`);
    expect(await look(`/v1/deliveries/${waiting.id}`)).toMatchObject({
      status: "canceled",
      next_attempt_at: null,
    });
    expect((await look(`/v1/subscriptions/${id}`)).status).toBe("canceled");
    const again = await gateway.api("POST", `/v1/deliveries/${waiting.id}/redeliver`);
    expect(again).toMatchObject({ status: 409, body: { code: "subscription_closed" } });
  });

  test("deleting a subscription during an attempt lets that one finish and makes no other", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, delivery } = scene;
    const { promise: answered, resolve: answer } = Promise.withResolvers<Answer>();
    upstream.answer(jobId, pulseAnswer.completed());
    receiver.answer(path, () => answered);
    const { id } = await subscribe();
    await receiver.takeOne(path);
    await gateway.api("DELETE", `/v1/subscriptions/${id}`);
    answer({ status: 500 });
    const ended = await delivery(id, ({ attempts }) => attempts.length === 1);
    expect(ended).toMatchObject({ status: "canceled", attempts: [{ http_status: 500 }] });
    expect(receiver.callbacks).toHaveLength(1);
  });

  test("deleting with cancel_job cancels the job upstream, and the others hear of it", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe } = scene;
    await scene.change({ settings: { poll_interval_s: NEVER_S } });
    upstream.answer(jobId, pulseAnswer.processing());
    await subscribe();
    const { id } = await subscribe({ callback_url: receiver.url("/goes") });
    await upstream.polled(jobId, 1);
    await gateway.api("DELETE", `/v1/subscriptions/${id}?cancel_job=true`);
    expect((await upstream.canceled(jobId)).headers["x-api-key"]).toBe("pulse-key-of-the-scene");
    expect((await receiver.takeOne(path)).event.type).toBe("job.canceled");
    expect(receiver.received("/goes")).toEqual([]);
  });

  test("deleting with cancel_job cancels no job that has ended", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, delivery } = scene;
    upstream.answer(jobId, pulseAnswer.completed());
    const { id } = await subscribe();
    await receiver.takeOne(path);
    await delivery(id);
    const deleted = await gateway.api("DELETE", `/v1/subscriptions/${id}?cancel_job=true`);
    expect(deleted.status).toBe(204);
    expect(upstream.requests.map(({ method }) => method)).toEqual(["GET"]);
  });
});
