import fc from "fast-check";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ENDING_EVENT_TYPES, eventMask, EVENT_TYPES } from "../../src/core/delivery/event.ts";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import type { LiveJob } from "../../src/store/jobs/load-jobs.ts";
import { CONNECTION_ID } from "../support/rows.ts";
import { answeredJson, COMPLETED, OUTAGE, RUNNING } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

describe("a pass over a job", () => {
  test("a poll of a running job records nothing, and the next comes after the interval", async () => {
    const { clock, recorded, add, pollTimes } = startPoller();
    const job = add();
    await clock.advanceSettling(10_500);
    expect(pollTimes(job)).toEqual(Array.from({ length: 11 }, (_, poll) => poll * 1000));
    expect(recorded).toEqual([]);
  });

  test("a poll of an ended job records the ending, and is the last", async () => {
    const { clock, poller, recorded, upstream, add, pollTimes } = startPoller();
    upstream.answer = (_, poll) => (poll < 3 ? RUNNING : COMPLETED);
    const job = add();
    await clock.advanceSettling(60_000);
    expect(pollTimes(job)).toHaveLength(3);
    expect(recorded).toMatchObject([
      { jobRowId: job.id, type: "job.completed", result: '{"a":1}', pollCount: 3 },
    ]);
    expect(poller.watches.size).toBe(0);
  });

  test("a poll records progress only for subscriptions that want it, each event once and in order", async () => {
    const { clock, recorded, upstream, add } = startPoller();
    const progress = (completed: number) =>
      answeredJson({ status: "processing", result: { progress: { completed } } });
    const answers = [progress(1), progress(1), progress(2), COMPLETED];
    upstream.answer = (_, poll) => answers[poll - 1] ?? COMPLETED;
    const silent = add();
    const told = add({ wantedEvents: eventMask(EVENT_TYPES) });
    await clock.advanceSettling(10_000);
    const typesOf = (job: LiveJob) =>
      recorded.filter((row) => row.jobRowId === job.id).map((row) => row.type);
    expect(typesOf(silent)).toEqual(["job.completed"]);
    expect(typesOf(told)).toEqual([
      "job.processing",
      "job.progress",
      "job.progress",
      "job.completed",
    ]);
  });

  test("two polls of one job never run at once, however slow the upstream is", async () => {
    const { clock, poller, upstream, add, pollTimes } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = (_, poll) => (poll === 1 ? promise : RUNNING);
    const job = add();
    await clock.advanceSettling(30_000);
    for (let asked = 0; asked < 3; asked += 1) poller.watches.pollNow(job.shardId, job.id);
    expect(pollTimes(job)).toHaveLength(1);
    resolve(RUNNING);
    await clock.advanceSettling(500);
    // The one asked for, and no other before the interval is over.
    expect(pollTimes(job)).toEqual([0, 30_000]);
  });
});

describe("whatever the upstream answers in whatever order", () => {
  test("whatever an upstream answers, at most one ending is recorded, and nothing is polled after it", async () => {
    const answer = fc.constantFrom<RequestOutcome>(
      RUNNING,
      COMPLETED,
      OUTAGE,
      answeredJson({ status: "failed", error: "no" }),
      answeredJson({ status: "cancelled" }),
      answeredJson({ status: "contemplating" }),
      answeredJson({ error: { code: "JOB_001", message: "unknown" } }, 404),
      answeredJson({ error: { code: "JOB_005", message: "failed" } }, 500),
      answeredJson({}, 429, { "retry-after": "2" }),
      { kind: "failed", failure: { code: "connection_reset", message: "reset" }, durationMs: 1 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 12 }), async (answers) => {
        const { clock, recorded, upstream, add, pollTimes } = startPoller();
        upstream.answer = (_, poll) => answers[poll - 1] ?? RUNNING;
        const job = add({ deadlineAtMs: clock.now() + 80_000 });
        // Where the breaker is open at the deadline, the last poll waits for a turn.
        await clock.advanceSettling(150_000);
        expect(recorded).toHaveLength(1);
        expect(ENDING_EVENT_TYPES).toContain(recorded[0]?.type);
        expect(pollTimes(job)).toHaveLength(recorded[0]?.pollCount ?? -1);
      }),
      { numRuns: 50 },
    );
  });

  test("a timeout that the database rejects is investigated, not assumed", async () => {
    const { clock, add, store, looked, poller } = startPoller();
    store.record = () => Promise.resolve({ recorded: false, owed: [], fanOut: null });
    const job = add({ deadlineAtMs: clock.now() + 5_000 });
    await clock.advanceSettling(5_000);
    expect(looked).toEqual([{ shardId: job.shardId, id: job.id }]);
    expect(poller.watches.holds(job.shardId, job.id)).toBe(false);
  });

  test("a deadline names what delayed the job, even if nothing could be polled", async () => {
    const { clock, configure, recorded, add } = startPoller();
    configure({ state: "paused", pausedReason: "HTTP 401: Invalid API key" });
    add({ deadlineAtMs: clock.now() + 5_000 });
    await clock.advanceSettling(5_000);
    expect(recorded).toMatchObject([
      { type: "job.timed_out", error: expect.stringContaining("paused: HTTP 401") },
    ]);
  });

  test.each<[string, RequestOutcome, string]>([
    ["an ending", COMPLETED, "job.completed"],
    ["nothing new", RUNNING, "job.timed_out"],
    ["an outage", OUTAGE, "job.timed_out"],
  ])("a deadline that passes during a poll waits for it: %s", async (_name, answer, type) => {
    const { clock, recorded, requests, upstream, add } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = () => promise;
    add({ deadlineAtMs: clock.now() + 5_000 });
    await clock.advanceSettling(6_000);
    expect(recorded).toEqual([]);
    resolve(answer);
    await clock.advanceSettling(60_000);
    expect(recorded.map((event) => event.type)).toEqual([type]);
    expect(requests).toHaveLength(1);
  });

  test("a deadline that passes during an endless poll is the only ending", async () => {
    const { clock, recorded, upstream, add } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = () => promise;
    add({ deadlineAtMs: clock.now() + 5_000 });
    await clock.advanceSettling(120_000);
    resolve(COMPLETED);
    await clock.advanceSettling(6_000);
    expect(recorded.map(({ type }) => type)).toEqual(["job.timed_out"]);
  });

  test("an ending counts though the shard was lost in between, since a result may be shown only once", async () => {
    const { clock, poller, recorded, upstream, add } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = () => promise;
    const job = add();
    await clock.advanceSettling(0);
    poller.watches.dropShard(job.shardId);
    resolve(COMPLETED);
    await clock.advanceSettling(10_000);
    expect(recorded.map(({ type }) => type)).toEqual(["job.completed"]);
  });

  test("an ending that the database refuses is tried again a minute later", async () => {
    const { clock, poller, recorded, upstream, store, add } = startPoller();
    const { record } = store;
    upstream.answer = () => COMPLETED;
    store.record = () => Promise.reject(new Error("refused"));
    const job = add();
    await clock.advanceSettling(59_000);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toContain("could not be stored");
    store.record = record;
    await clock.advanceSettling(1_000);
    expect(recorded.map(({ type }) => type)).toEqual(["job.completed"]);
  });
});

describe("stopping", () => {
  test("stopping waits for polls in progress and for what they record, and begins no others", async () => {
    const { clock, poller, requests, recorded, upstream, add } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = () => promise;
    add();
    await clock.advanceSettling(0);
    let hasStopped = false;
    const stopped = poller.stop().then(() => (hasStopped = true));
    add();
    await nextTurn();
    expect(hasStopped).toBe(false);
    resolve(COMPLETED);
    await stopped;
    expect(recorded.map(({ type }) => type)).toEqual(["job.completed"]);
    expect(requests).toHaveLength(1);
  });

  test("stopping learns nothing from a poll that it aborted itself", async () => {
    const { clock, poller, recorded, upstream, add } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = () => promise;
    const job = add();
    await clock.advanceSettling(0);
    const stopped = poller.stop();
    const failure = { code: "aborted", message: "The gateway is stopping" } as const;
    resolve({ kind: "failed", failure, durationMs: 1 });
    await stopped;
    expect(recorded).toEqual([]);
    expect(poller.watches.view(job.shardId, job.id)).toMatchObject({
      pollCount: 0,
      lastError: null,
    });
  });
});

describe("canceling upstream", () => {
  const JOB = { connectionId: CONNECTION_ID, providerVersionId: null, jobId: "a", params: "{}" };

  test("canceling sends one request with the connection's credential", async () => {
    const { poller, requests } = startPoller();
    await poller.cancelUpstream({ ...JOB, jobId: "a/b" });
    expect(requests).toMatchObject([{ path: "/job/a%2Fb", key: "pulse-key-of-the-test" }]);
  });

  test("canceling sends nothing through a paused connection", async () => {
    const { poller, requests, configure } = startPoller();
    configure({ state: "paused" });
    await poller.cancelUpstream(JOB);
    expect(requests).toEqual([]);
  });
});
