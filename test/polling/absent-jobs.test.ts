import { describe, expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson, OUTAGE } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const STILL = answeredJson({ status: "running" });
const DONE = answeredJson({ status: "done", output: "alive" });
const MISSING = answeredJson({ error: "status file is being written" }, 404);

/** A poller of the example, which polls every second unless the connection says otherwise. */
function start(changes: Parameters<typeof exampleProvider>[0] = {}, intervalS = 1) {
  const settings = { poll_interval_s: intervalS, limits: { concurrency: 4 } };
  return startPoller({ baseUrl: "https://api.example.com", settings }, exampleProvider(changes));
}

describe("an answer that says that the job is not there", () => {
  test.each([404, 410])("HTTP %i in the middle of a job's life ends nothing", async (status) => {
    const { clock, recorded, upstream, poller, add } = start();
    const missing = answeredJson({ error: "status file is being written" }, status);
    const answers = [STILL, STILL, missing, missing, STILL, missing, DONE];
    upstream.answer = (_path, poll) => answers[poll - 1] ?? DONE;
    const job = add();
    await clock.advanceSettling(2_500);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toBe(
      `HTTP ${status}: status file is being written (1 such answers in a row; the job counts as gone after 3 over 30 s)`,
    );
    await clock.advanceSettling(30_000);
    expect(recorded).toMatchObject([{ type: "job.completed", result: '"alive"' }]);
  });

  test("an absent job is believed after three answers over half a minute, in growing steps", async () => {
    const { clock, recorded, upstream, add, requests } = start();
    upstream.answer = (_path, poll) => (poll === 1 ? STILL : MISSING);
    add();
    await clock.advanceSettling(30_000);
    expect(recorded).toEqual([]);
    await clock.advanceSettling(30_000);
    expect(recorded).toMatchObject([
      {
        type: "job.expired",
        error: "The upstream no longer knows the job. HTTP 404: status file is being written",
      },
    ]);
    expect(requests.map(({ atMs }) => atMs)).toEqual([
      0, 1_000, 2_000, 4_000, 8_000, 16_000, 31_000,
    ]);
  });

  test("an absent job is polled again soon, even if it is polled once an hour otherwise", async () => {
    const { clock, recorded, upstream, add, requests } = start({}, 1200);
    upstream.answer = (_path, poll) => (poll === 1 ? STILL : MISSING);
    add();
    await clock.advanceSettling(1_200_000 + 31_000);
    expect(recorded).toMatchObject([{ type: "job.expired" }]);
    expect(requests).toHaveLength(4);
  });

  test("an absent job that was never seen counts as before once its grace period is over", async () => {
    const { clock, recorded, upstream, add } = start({ not_found_grace_s: 3 });
    upstream.answer = () => MISSING;
    add();
    await clock.advanceSettling(29_000);
    expect(recorded).toEqual([]);
    await clock.advanceSettling(2_000);
    expect(recorded).toMatchObject([{ type: "job.expired" }]);
  });

  test("an absent answer just after a long outage is only the first", async () => {
    const { clock, recorded, upstream, add } = start();
    upstream.answer = (_path, poll) => {
      if (poll <= 7) return OUTAGE;
      return poll === 8 ? MISSING : DONE;
    };
    add();
    await clock.advanceSettling(200_000);
    expect(recorded).toMatchObject([{ type: "job.completed" }]);
  });

  test("absent answers with outages between them, as during a deployment, are no ending", async () => {
    const { clock, recorded, upstream, add } = start();
    upstream.answer = (_path, poll) => {
      if (poll === 1) return STILL;
      if (poll > 40) return DONE;
      return poll % 3 === 0 ? OUTAGE : MISSING;
    };
    add();
    await clock.advanceSettling(1_200_000);
    expect(recorded).toMatchObject([{ type: "job.completed", pollCount: 41 }]);
  });

  test("the count of absent answers begins again after an outage, and then goes to its end", async () => {
    const { clock, recorded, upstream, add } = start({ gone_after: { answers: 2, over_s: 1 } });
    const answers = [STILL, MISSING, OUTAGE];
    upstream.answer = (_path, poll) => answers[poll - 1] ?? MISSING;
    add();
    await clock.advanceSettling(10_000);
    expect(recorded).toMatchObject([{ type: "job.expired", pollCount: 5 }]);
  });

  test("an absent answer may be final at once where the definition says so", async () => {
    const { clock, recorded, upstream, add } = start({ gone_after: { answers: 1, over_s: 0 } });
    upstream.answer = (_path, poll) => (poll === 1 ? STILL : MISSING);
    add();
    await clock.advanceSettling(1_000);
    expect(recorded).toMatchObject([{ type: "job.expired", pollCount: 2 }]);
  });

  test("an absent job does not outlive its deadline, which names the absence", async () => {
    const { clock, recorded, upstream, add } = start();
    upstream.answer = (_path, poll) => (poll === 1 ? STILL : MISSING);
    add({ deadlineAtMs: clock.now() + 10_000 });
    await clock.advanceSettling(10_000);
    expect(recorded).toMatchObject([
      { type: "job.timed_out", error: expect.stringContaining("status file is being written") },
    ]);
  });
});

describe("a job that is asked about seldom", () => {
  test("a rarely polled job is polled once more at its deadline, and an ending found then wins", async () => {
    const { clock, recorded, requests, upstream, add } = start({}, 600);
    upstream.answer = (_path, poll) => (poll === 1 ? STILL : DONE);
    add({ deadlineAtMs: clock.now() + 80_000 });
    await clock.advanceSettling(80_000);
    expect(requests.map(({ atMs }) => atMs)).toEqual([0, 80_000]);
    expect(recorded).toMatchObject([{ type: "job.completed" }]);
  });

  test("a rarely polled job times out if it still runs at its deadline", async () => {
    const { clock, recorded, requests, upstream, add } = start({}, 600);
    upstream.answer = () => STILL;
    add({ deadlineAtMs: clock.now() + 80_000 });
    await clock.advanceSettling(120_000);
    expect(requests.map(({ atMs }) => atMs)).toEqual([0, 80_000]);
    expect(recorded).toMatchObject([{ type: "job.timed_out" }]);
  });
});

describe("a result that takes a request of its own", () => {
  const FILED = answeredJson({ status: "done", file: "f-1" });
  const GONE = answeredJson({ error: "no such file" }, 404);
  const result = { kind: "request", request: { path: "/files/{answer./file}" } } as const;

  test("a result that stays unknown is gone after ten minutes, unless the definition says otherwise", async () => {
    const { clock, recorded, upstream, poller, add } = start({ result });
    upstream.answer = (path) => (path === "/files/f-1" ? GONE : FILED);
    const job = add();
    await clock.advanceSettling(599_000);
    expect(recorded).toEqual([]);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toMatch(
      /^The job has completed, but its result could not be fetched: HTTP 404: no such file \(1\d such answers in a row; the result counts as gone after 3 over 600 s\)$/,
    );
    await clock.advanceSettling(61_000);
    expect(recorded).toMatchObject([
      {
        type: "job.expired",
        error: "The job completed, but its result is gone. HTTP 404: no such file",
      },
    ]);
  });

  test("a result that appears after some minutes is delivered", async () => {
    const { clock, recorded, upstream, add } = start({ result });
    upstream.answer = (path, poll) => {
      if (path !== "/files/f-1") return FILED;
      return poll < 10 ? GONE : answeredJson("late");
    };
    add();
    await clock.advanceSettling(300_000);
    expect(recorded).toMatchObject([{ type: "job.completed", result: '"late"' }]);
  });

  test("a result read after the deadline, from an answer before it, is the ending", async () => {
    const { clock, recorded, upstream, add } = start({ result });
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = (path) => (path === "/files/f-1" ? promise : FILED);
    add({ deadlineAtMs: clock.now() + 5000 });
    await clock.advanceSettling(20_000);
    expect(recorded).toEqual([]);
    resolve(answeredJson("once"));
    await clock.advanceSettling(1000);
    expect(recorded).toMatchObject([{ type: "job.completed", result: '"once"' }]);
  });

  test("a result may be in the status answer, if the definition says so of such an answer", async () => {
    const { clock, recorded, upstream, add } = start({
      result: { ...result, otherwise_on: [404] },
    });
    upstream.answer = (path) => (path === "/files/f-1" ? GONE : FILED);
    add();
    await clock.advanceSettling(599_000);
    expect(recorded).toEqual([]);
    await clock.advanceSettling(61_000);
    expect(recorded).toMatchObject([
      { type: "job.completed", result: '{"status":"done","file":"f-1"}' },
    ]);
  });
});
