import { describe, expect, test } from "vitest";
import { PULSE_TIMES, pulseAnswer } from "../support/fake-upstream.ts";
import type { Answer } from "../support/scripted-server.ts";
import { useScenes } from "./scene.ts";

const openScene = useScenes();

describe.concurrent("a job's ending reaches the callback", () => {
  test("a completed job reaches the callback with the result and the upstream's own times", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, look } = await openScene(context);
    upstream.answer(jobId, [
      pulseAnswer.status("pending"),
      pulseAnswer.processing(),
      pulseAnswer.completed('{"markdown": "# Hello"}'),
    ]);
    const subscription = await subscribe();
    const { event } = await receiver.takeOne(path);
    expect(event).toEqual({
      type: "job.completed",
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: {
        job_id: jobId,
        status: "completed",
        provider: "pulse",
        created_at: PULSE_TIMES.createdAt,
        updated_at: PULSE_TIMES.updatedAt,
        result: { markdown: "# Hello" },
        subscription_id: subscription.id,
        metadata: {},
      },
    });
    expect(await look(`/v1/subscriptions/${subscription.id}`)).toMatchObject({
      job: { status: "completed", poll_count: 3, ended_at: event.timestamp, last_error: null },
    });
    expect(upstream.polls(jobId)).toHaveLength(3);
  });

  test.for<[string, Answer, object]>([
    [
      "failed, by its status",
      pulseAnswer.failed("The file is not a PDF."),
      { type: "job.failed", data: { status: "failed", error: "The file is not a PDF." } },
    ],
    [
      "failed, by a 500 whose code is JOB_005",
      pulseAnswer.error(500, "JOB_005", "Extraction failed"),
      {
        type: "job.failed",
        data: { status: "failed", error: expect.stringContaining("Extraction failed") },
      },
    ],
    [
      "canceled, in the spelling of today",
      pulseAnswer.status("canceled"),
      { type: "job.canceled", data: { status: "canceled" } },
    ],
    [
      "canceled, in the spelling of older pages",
      pulseAnswer.status("cancelled"),
      { type: "job.canceled", data: { status: "canceled" } },
    ],
    [
      "expired, by its status",
      pulseAnswer.status("expired", { result: { stub: true } }),
      { type: "job.expired", data: { status: "expired" } },
    ],
    [
      "expired, by a 410",
      pulseAnswer.error(410, "JOB_003", "Job expired"),
      {
        type: "job.expired",
        data: { status: "expired", error: expect.stringContaining("Job expired") },
      },
    ],
  ])("an ending reaches the callback: %s", async ([, answer, expected], context) => {
    const { upstream, receiver, jobId, path, subscribe, delivery } = await openScene(context);
    upstream.answer(jobId, [pulseAnswer.processing(), answer]);
    const subscription = await subscribe();
    const { event, webhookId } = await receiver.takeOne(path);
    expect(event).toMatchObject(expected);
    expect(event.data.error).toMatch(/./);
    expect(event.data).not.toHaveProperty("result");
    expect(await delivery(subscription.id)).toMatchObject({ id: webhookId, status: "delivered" });
    expect(receiver.callbacks).toHaveLength(1);
  });
});

describe.concurrent("a job that does not end times out at its deadline", () => {
  test("a job that does not end times out at its deadline while it runs", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, delivery, look } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.processing());
    const subscription = await subscribe({ deadline_s: 1 });
    const { event } = await receiver.takeOne(path);
    expect(event).toMatchObject({
      type: "job.timed_out",
      data: { status: "timed_out", error: "The job did not end within 1 s." },
    });
    const { job } = await look(`/v1/subscriptions/${subscription.id}`);
    expect(job.status).toBe("timed_out");
    expect(Date.parse(event.timestamp)).toBeGreaterThanOrEqual(Date.parse(job.deadline_at));
    await delivery(subscription.id);
    expect(receiver.callbacks).toHaveLength(1);
  });

  test("a job whose deadline was extended in time goes on past the old one", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, look, gateway } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.processing());
    // Long enough for a busy machine to extend it in time.
    const subscription = await subscribe({ deadline_s: 10 });
    const { id } = subscription.job;
    const { status, body } = await gateway.api("POST", `/v1/jobs/${id}/extend`, {
      deadline_s: 3600,
    });
    expect(status).toBe(200);
    const firstMs = Date.parse(subscription.job.deadline_at);
    expect(Date.parse(body.deadline_at)).toBeGreaterThan(firstMs + 3_000_000);
    await gateway.until(
      `/v1/jobs/${id}`,
      (job) => Date.parse(job.last_polled_at ?? "") > firstMs + 500,
    );
    expect(await look(`/v1/jobs/${id}`)).toMatchObject({ status: "processing", ended_at: null });
    upstream.answer(jobId, pulseAnswer.completed());
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
    const late = await gateway.api("POST", `/v1/jobs/${id}/extend`, { deadline_s: 7200 });
    expect(late).toMatchObject({ status: 409, body: { code: "job_ended" } });
  });

  test("a job times out at its deadline while its connection is paused and nothing is polled", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, change } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.completed());
    await change({ state: "paused" });
    await subscribe({ deadline_s: 1 });
    const { event } = await receiver.takeOne(path);
    expect(event).toMatchObject({ type: "job.timed_out" });
    expect(upstream.requests).toEqual([]);
  });

  test("a job that times out says what went wrong last", async (context) => {
    const { upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.error(503, "GENERAL_002", "Down for maintenance"));
    await subscribe({ deadline_s: 3 });
    const { event } = await receiver.takeOne(path);
    expect(event.data.error).toMatch(/within 3 s\. Last problem: .*Down for maintenance/);
  });

  test("a job does not time out if a poll in progress finds its ending", async (context) => {
    const { upstream, receiver, jobId, path, subscribe, look } = await openScene(context);
    const { promise: late, resolve: answerLate } = Promise.withResolvers<Answer>();
    upstream.answer(jobId, () => late);
    const subscription = await subscribe({ deadline_s: 3 });
    await upstream.polled(jobId, 1);
    // One that is not being polled times out in the meantime.
    upstream.answer("other", pulseAnswer.processing());
    await subscribe({ job_id: "other", deadline_s: 3, callback_url: receiver.url("/other") });
    expect((await receiver.takeOne("/other")).event.type).toBe("job.timed_out");
    answerLate(pulseAnswer.completed());
    expect((await receiver.takeOne(path)).event.type).toBe("job.completed");
    expect((await look(`/v1/subscriptions/${subscription.id}`)).job.status).toBe("completed");
  });
});

// They let time pass, which costs their gateway's other tests the answers to requests in progress.
describe("a job that the upstream does not know", () => {
  test("a job that the upstream no longer knows, after knowing it, reaches the callback as expired", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe } = await openScene(context);
    upstream.answer(jobId, pulseAnswer.processing());
    const { id } = await subscribe();
    await gateway.until(`/v1/subscriptions/${id}`, ({ job }) => job.status === "processing");
    upstream.answer(jobId, pulseAnswer.error(404, "JOB_001", "Job not found"));
    await gateway.until(`/v1/subscriptions/${id}`, ({ job }) => job.last_error !== null);
    gateway.clock.shift(30_000);
    const { event } = await receiver.takeOne(path);
    expect(event).toMatchObject({
      type: "job.expired",
      data: { error: expect.stringContaining("no longer knows the job") },
    });
  });

  test("a job that the upstream never knew is polled until its grace period ends, and then expires", async (context) => {
    const { gateway, upstream, receiver, jobId, path, subscribe, look } = await openScene(context);
    const subscription = await subscribe();
    await upstream.polled(jobId, 3);
    expect(await look(`/v1/subscriptions/${subscription.id}`)).toMatchObject({
      status: "active",
      job: { last_error: expect.stringContaining("Job not found") },
    });
    gateway.clock.shift(30_000);
    const { event } = await receiver.takeOne(path);
    expect(event).toMatchObject({
      type: "job.expired",
      data: { error: expect.stringContaining("did not know the job 30 s after it was accepted") },
    });
  });
});
