import { describe, expect, test } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { Answer } from "../support/scripted-server.ts";
import { within } from "../support/within.ts";
import { UPSTREAM_KEY, useScenes } from "./scene.ts";

const openScene = useScenes();

const NEW_KEY = "a-new-pulse-key";

describe.concurrent("a credential that the upstream refuses", () => {
  test.for<[number, string, string]>([
    [401, "AUTH_002", "Invalid API key"],
    [403, "AUTH_004", "This key may not read jobs"],
    [402, "BILLING_001", "Pay your bill"],
  ])(
    "a credential refused with %i pauses its connection, which says why",
    async ([status, code, message], context) => {
      const scene = await openScene(context);
      const { gateway, upstream, jobId, connectionId, subscribe, look } = scene;
      upstream.answer(jobId, [pulseAnswer.processing(), pulseAnswer.error(status, code, message)]);
      const { id } = await subscribe();
      const connection = await gateway.until(
        `/v1/connections/${connectionId}`,
        ({ state }) => state === "paused",
      );
      expect(connection.paused_reason).toContain(`HTTP ${status}`);
      expect(connection.paused_reason).toContain(message);
      expect(await look(`/v1/subscriptions/${id}`)).toMatchObject({
        status: "active",
        job: {
          status: "processing",
          last_error: expect.stringContaining(message),
          next_poll_at: null,
        },
      });
    },
  );

  test("a refused credential stops no other connection, and a new one resumes its jobs within a second", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, connect, change } = scene;
    const other = await connect({ credential: NEW_KEY });
    for (const id of [jobId, "of-other"]) upstream.answer(id, pulseAnswer.processing());
    const { id } = await subscribe();
    await subscribe({ job_id: "of-other", connection: other.name });
    await upstream.polled(jobId, 1);
    upstream.acceptKey(NEW_KEY);
    await gateway.until(`/v1/connections/${scene.connectionId}`, ({ state }) => state === "paused");
    const pollsThen = upstream.polls(jobId).length;
    await upstream.polledAgain("of-other", 5);
    expect(upstream.polls(jobId)).toHaveLength(pollsThen);

    upstream.answer(jobId, pulseAnswer.completed());
    expect(await change({ credential: NEW_KEY })).toMatchObject({
      state: "active",
      paused_reason: null,
    });
    await within(1000, [gateway], () => expect(receiver.received(path)).toHaveLength(1));
    const { event } = await receiver.takeOne(path);
    expect(event).toMatchObject({ type: "job.completed", data: { subscription_id: id } });
    expect(upstream.polls(jobId).at(-1)?.headers["x-api-key"]).toBe(NEW_KEY);
  });

  test("a late refusal does not pause the connection that has a new credential", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe, change, look } = scene;
    const { promise: late, resolve: answerLate } = Promise.withResolvers<Answer>();
    upstream.answer(jobId, (_, poll) => (poll === 1 ? late : pulseAnswer.completed()));
    await subscribe();
    await upstream.polled(jobId, 1);
    await change({ credential: NEW_KEY });
    answerLate(pulseAnswer.error(401, "AUTH_002", "Invalid API key"));
    await receiver.takeOne(path);
    expect((await look(`/v1/connections/${scene.connectionId}`)).state).toBe("active");
    expect(gateway.logged.join("")).not.toContain(NEW_KEY);
  });

  test("a refused credential is shown nowhere, however the upstream repeats it", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, connectionId, subscribe, look } = scene;
    const echo = `The key ${UPSTREAM_KEY} is wrong`;
    upstream.answer("fails", pulseAnswer.failed(echo));
    // The refusal pauses the connection, so it waits until the other job was polled too.
    upstream.answer("unknown", async (_, poll) => {
      if (poll === 1) return pulseAnswer.status(echo);
      await upstream.polled(jobId, 1);
      return pulseAnswer.error(401, "AUTH_002", echo);
    });
    upstream.answer(jobId, [
      pulseAnswer.error(500, "GENERAL_001", echo),
      pulseAnswer.error(401, "AUTH_002", echo),
    ]);
    await subscribe({ job_id: "fails" });
    expect((await receiver.takeOne(path)).event.data.error).toBe("The key [redacted] is wrong");
    const unknown = await subscribe({ job_id: "unknown" });
    const { id } = await subscribe();
    const shown = [
      await gateway.until(`/v1/subscriptions/${unknown.id}`, ({ job }) => job.last_error !== null),
      await gateway.until(`/v1/subscriptions/${id}`, ({ job }) => job.last_error !== null),
      await gateway.until(`/v1/connections/${connectionId}`, ({ state }) => state === "paused"),
      await look(`/v1/subscriptions/${id}`),
      await look("/v1/subscriptions"),
      await look("/v1/connections"),
      ...receiver.callbacks,
      ...gateway.logged,
    ];
    const texts = shown.map((one) => JSON.stringify(one));
    expect(texts.filter((text) => text.includes(UPSTREAM_KEY))).toEqual([]);
    expect(texts.filter((text) => text.includes("[redacted]")).length).toBeGreaterThanOrEqual(4);
  });
});

describe.concurrent("a rate limit", () => {
  test.for<[string, Answer]>([
    ["429 pauses", pulseAnswer.error(429, "GENERAL_004", "Slow down", { "retry-after": "1" })],
    ["503 PROC_004 pauses", pulseAnswer.error(503, "PROC_004", "Busy", { "retry-after": "1" })],
  ])(
    "%s every job of the connection for Retry-After, and no other's",
    async ([, limit], context) => {
      const scene = await openScene(context);
      const { upstream, receiver, jobId, path, subscribe, connect } = scene;
      const other = await connect();
      for (const id of ["neighbour", "stranger"]) upstream.answer(id, pulseAnswer.processing());
      await subscribe({ job_id: "neighbour" });
      await subscribe({ job_id: "stranger", connection: other.name });
      await upstream.polled("neighbour", 2);
      upstream.answer(jobId, [limit, pulseAnswer.completed()]);
      await subscribe();
      await receiver.takeOne(path);
      const [limitedAtMs = 0, resumedAtMs = 0] = upstream
        .polls(jobId)
        .map(({ receivedAtMs }) => receivedAtMs);
      expect(resumedAtMs - limitedAtMs).toBeGreaterThanOrEqual(990);
      const pollsBetween = (id: string, untilMs: number) =>
        upstream.polls(id).filter(({ receivedAtMs: at }) => at > limitedAtMs && at < untilMs)
          .length;
      // One that was on its way when the limit came.
      expect(pollsBetween("neighbour", limitedAtMs + 950)).toBeLessThanOrEqual(1);
      // A busy machine makes few of them.
      expect(pollsBetween("stranger", resumedAtMs)).toBeGreaterThanOrEqual(1);
    },
  );
});

describe.concurrent("an outage", () => {
  test.for<[string, Answer[], RegExp]>([
    ["a 5xx", [pulseAnswer.error(503, "GENERAL_002", "Down for maintenance")], /Down for maint/],
    ["a 500 that is not the job's own", [pulseAnswer.error(500, "GENERAL_001", "Oops")], /Oops/],
    ["a gateway's page", [{ status: 502, headers: { "content-type": "text/html" } }], /HTTP 502/],
    // A kept connection may have been closed for idleness, so the first reset is tried again.
    ["a reset connection", ["reset", "reset"], /connection_reset/],
  ])(
    "an outage of %s is shown, and over when the upstream is back",
    async ([, trouble, lastError], context) => {
      const scene = await openScene(context);
      const { gateway, upstream, receiver, jobId, path, subscribe, look } = scene;
      // The last of them goes on.
      upstream.answer(jobId, [pulseAnswer.processing(), ...trouble]);
      const { id } = await subscribe();
      const during = await gateway.until(
        `/v1/subscriptions/${id}`,
        ({ job }) => job.last_error !== null,
      );
      expect(during).toMatchObject({
        status: "active",
        job: { status: "processing", last_error: expect.stringMatching(lastError) },
      });
      upstream.answer(jobId, pulseAnswer.completed());
      expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
      expect((await look(`/v1/subscriptions/${id}`)).job.last_error).toBeNull();
    },
  );

  test("an outage with nothing listening is survived", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    await upstream.close();
    const { id } = await subscribe();
    await gateway.until(
      `/v1/subscriptions/${id}`,
      ({ job }) => job.last_error?.includes("connect_refused") === true,
    );
    await upstream.open();
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
  });
});

describe.concurrent("an answer that is not what the documentation says", () => {
  test("a 404 right after submission means not yet visible", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    const notVisible = pulseAnswer.error(404, "JOB_001", "Job not found");
    upstream.answer(jobId, [notVisible, notVisible, pulseAnswer.completed()]);
    await subscribe();
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
    expect(upstream.polls(jobId)).toHaveLength(3);
  });

  test("a 409 means that the job still runs", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    const running = pulseAnswer.error(409, "JOB_004", "Still processing");
    upstream.answer(jobId, async (_, poll) => {
      if (poll <= 2) return running;
      // An event that is received before the next one happens can't be superseded by it.
      await receiver.take(path, 1);
      return pulseAnswer.completed();
    });
    await subscribe({ events: ["job.processing", "job.completed"] });
    const types = (await receiver.take(path, 2)).map(({ event }) => event.type);
    expect(types).toEqual(["job.processing", "job.completed"]);
  });

  test("an unknown status means that the job still runs, and is shown to people", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.status("contemplating"));
    const { id } = await subscribe();
    const seen = await gateway.until(
      `/v1/subscriptions/${id}`,
      ({ job }) => job.last_error !== null,
    );
    expect(seen.job.last_error).toContain('"contemplating"');
    expect(seen.status).toBe("active");
    await upstream.polledAgain(jobId, 2);
    upstream.answer(jobId, pulseAnswer.completed());
    await receiver.takeOne(path);
  });

  test("an unreadable answer is shown and polled again", async (context) => {
    const scene = await openScene(context);
    const { gateway, upstream, receiver, jobId, path, subscribe } = scene;
    const garbage: readonly [Answer, RegExp][] = [
      [{ body: "<html>", headers: { "content-type": "text/html" } }, /HTTP 200 \(text\/html\)/],
      [{ body: '{"status":"completed","result":' }, /can't be read/],
      [{ body: "null" }, /no status/],
      [{ body: { status: { nested: true } } }, /no status/],
      [{ body: "" }, /HTTP 200/],
      [
        { status: 302, headers: { location: "https://elsewhere.test/a?token=x" } },
        /redirect to https:\/\/elsewhere\.test\/a\): not followed/,
      ],
      [{ status: 418 }, /HTTP 418/],
    ];
    upstream.answer(jobId, pulseAnswer.processing());
    const { id } = await subscribe();
    for (const [answer, lastError] of garbage) {
      upstream.answer(jobId, answer);
      await gateway.api("POST", `/v1/subscriptions/${id}/poll`);
      const seen = await gateway.until(`/v1/subscriptions/${id}`, ({ job }) =>
        lastError.test(job.last_error ?? ""),
      );
      expect(seen.status).toBe("active");
    }
    upstream.answer(jobId, pulseAnswer.completed());
    await gateway.api("POST", `/v1/subscriptions/${id}/poll`);
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
    expect(upstream.requests.every((request) => request.path === `/job/${jobId}`)).toBe(true);
  });
});
