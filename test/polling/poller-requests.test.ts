import { describe, expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { exampleProvider } from "../providers/example-provider.ts";
import { answeredJson } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const STILL = answeredJson({ status: "running" });
const DONE = answeredJson({ status: "done", file: "f-1" });

/** A poller of a provider that differs from the example in these fields; polls every second. */
function startWith(changes: Partial<ProviderDefinitionSource>, concurrency = 4) {
  const settings = { poll_interval_s: 1, limits: { concurrency } };
  const connection = { baseUrl: "https://api.example.com", settings };
  return startPoller(connection, exampleProvider(changes));
}

describe("a result that takes a request of its own", () => {
  const result = { kind: "request", request: { path: "/files/{answer./file}" } } as const;

  test("a result with its own request is requested at once, and the ending is recorded when it has arrived", async () => {
    const { clock, requests, recorded, upstream, add } = startWith({ result });
    upstream.answer = (path, poll) => {
      if (path === "/files/f-1") return answeredJson({ text: "hello" });
      return poll === 1 ? STILL : DONE;
    };
    const job = add();
    await clock.advanceSettling(10_000);
    expect(requests.map(({ path, atMs }) => [path, atMs])).toEqual([
      [`/jobs/${job.jobId}`, 0],
      [`/jobs/${job.jobId}`, 1000],
      ["/files/f-1", 1000],
    ]);
    expect(recorded).toMatchObject([{ type: "job.completed", result: '{"text":"hello"}' }]);
  });

  test("a job whose result is unavailable stays live and says why", async () => {
    const { clock, poller, recorded, upstream, add } = startWith({ result });
    let isDown = true;
    upstream.answer = (path) => {
      if (path !== "/files/f-1") return DONE;
      return isDown ? answeredJson({ error: "storage is down" }, 503) : answeredJson("here");
    };
    const job = add();
    await clock.advanceSettling(20_000);
    expect(recorded).toEqual([]);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toBe(
      "The job has completed, but its result could not be fetched: HTTP 503: storage is down",
    );
    isDown = false;
    await clock.advanceSettling(60_000);
    expect(recorded).toMatchObject([{ type: "job.completed", result: '"here"' }]);
  });

  test("an unavailable result is tried less and less often, through the status each time", async () => {
    const { clock, requests, upstream, add } = startWith({ result });
    upstream.answer = (path) => (path === "/files/f-1" ? answeredJson({}, 500) : DONE);
    add();
    await clock.advanceSettling(16_000);
    const times = requests.filter(({ path }) => path === "/files/f-1").map(({ atMs }) => atMs);
    expect(times).toEqual([0, 1000, 3000, 7000, 15_000]);
    expect(requests).toHaveLength(2 * times.length);
  });

  test("an unavailable result does not outlive the deadline", async () => {
    const { clock, recorded, upstream, add } = startWith({ result });
    upstream.answer = (path) => (path === "/files/f-1" ? answeredJson({}, 500) : DONE);
    add({ deadlineAtMs: clock.now() + 5000 });
    await clock.advanceSettling(6000);
    expect(recorded).toMatchObject([
      { type: "job.timed_out", error: expect.stringContaining("could not be fetched: HTTP 500") },
    ]);
  });

  test("a result above the limit is left to the receiver of the callback", async () => {
    const { clock, recorded, requests, upstream, add } = startWith({ result });
    const failure = { code: "body_too_large", message: "More than 33554432 bytes" } as const;
    const tooLarge: RequestOutcome = { kind: "failed", failure, durationMs: 1 };
    upstream.answer = (path) => (path === "/files/f-1" ? tooLarge : DONE);
    add();
    await clock.advanceSettling(20_000);
    expect(requests).toHaveLength(2);
    expect(recorded).toMatchObject([
      { type: "job.completed", result: '{"status":"done","file":"f-1"}' },
    ]);
  });

  test("a request for a result has its turn in the lane: a rate limit delays it too", async () => {
    const { clock, requests, upstream, configure, add } = startWith({ result });
    configure({ settings: { limits: { concurrency: 4, requests_per_second: 1, burst: 1 } } });
    upstream.answer = (path) => (path === "/files/f-1" ? answeredJson(1) : DONE);
    for (let job = 0; job < 3; job += 1) add();
    await clock.advanceSettling(5000);
    expect(requests.map(({ atMs }) => atMs)).toEqual([0, 1000, 2000, 3000, 4000, 5000]);
  });

  test("a request for a result goes before the jobs that became due later", async () => {
    const { clock, requests, upstream, add } = startWith({ result }, 1);
    upstream.answer = (path) => (path === "/files/f-1" ? answeredJson(1) : DONE);
    const first = add();
    await clock.advanceSettling(1);
    for (let job = 0; job < 3; job += 1) add();
    await clock.advanceSettling(1);
    expect(requests.slice(0, 2).map(({ path }) => path)).toEqual([
      `/jobs/${first.jobId}`,
      "/files/f-1",
    ]);
  });

  test("a result on a host that is not allowed is not requested, and the credential is not sent", async () => {
    const { clock, poller, requests, upstream, add } = startWith({
      result: { kind: "request", request: { url_at: ["/url"] } },
    });
    upstream.answer = () => answeredJson({ status: "done", url: "https://evil.example/r" });
    const job = add();
    await clock.advanceSettling(5000);
    expect(new Set(requests.map(({ request }) => request.origin))).toEqual(
      new Set(["https://api.example.com"]),
    );
    const view = poller.watches.view(job.shardId, job.id);
    expect(view?.lastError).toContain("evil.example, which is not among the allowed hosts");
  });
});

describe("a poll", () => {
  test("a poll sends a user agent, unless the definition has its own", async () => {
    for (const [headers, expected] of [
      [{}, "Ringback/test"],
      [{ "user-agent": "acme" }, "acme"],
    ] as const) {
      const { clock, requests, add } = startWith({ headers });
      add();
      await clock.advanceSettling(0);
      expect(requests[0]?.request.headers["user-agent"]).toBe(expected);
    }
  });
});

describe("a job with a status URL of its own", () => {
  const status = { url_param: "status_url" };
  const jobWith = (url: string) => ({ params: JSON.stringify({ status_url: url }) });

  test("a job with its own status URL is polled there", async () => {
    const { clock, requests, upstream, add } = startWith({ status });
    upstream.answer = () => STILL;
    add(jobWith("https://api.example.com/queue/7/status?logs=1"));
    await clock.advanceSettling(0);
    expect(requests.map(({ path }) => path)).toEqual(["/queue/7/status?logs=1"]);
  });

  test("a job whose own status URL is no longer allowed is not polled, and says why", async () => {
    const { clock, poller, requests, add } = startWith({ status });
    const job = add(jobWith("https://elsewhere.example/queue/7"));
    await clock.advanceSettling(5000);
    expect(requests).toEqual([]);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toContain(
      "elsewhere.example, which is not among the allowed hosts: api.example.com",
    );
  });

  test("a job follows the URLs in its answers, and returns to the first when one is not allowed", async () => {
    const changes = { status: { ...status, next_url: { header: "location" } } };
    const { clock, requests, upstream, add } = startWith(changes);
    const next = (location: string) => answeredJson({ status: "running" }, 200, { location });
    const answers: Record<string, RequestOutcome> = {
      "/op/1": next("https://api.example.com/op/2"),
      "/op/2": next("https://evil.example/op/3"),
    };
    upstream.answer = (path) => answers[path] ?? STILL;
    add(jobWith("https://api.example.com/op/1"));
    await clock.advanceSettling(3500);
    expect(requests.map(({ path, request }) => request.origin + path)).toEqual([
      "https://api.example.com/op/1",
      "https://api.example.com/op/2",
      "https://api.example.com/op/1",
    ]);
  });
});

describe("an upstream that knows ETags", () => {
  const changes = {
    status: { path: "/jobs/{job_id}", etag: true },
    extract: { progress: ["/progress"] },
  };
  const tagged = (etag: string, progress: number) =>
    answeredJson({ status: "running", progress }, 200, { etag });
  const UNCHANGED = answeredJson(null, 304);

  test("an upstream with ETags is sent the last one, and its 304 means that the last answer still holds", async () => {
    const { clock, poller, requests, upstream, add } = startWith(changes);
    const answers = [tagged('"a"', 1), UNCHANGED, UNCHANGED, tagged('W/"b"', 2), UNCHANGED];
    upstream.answer = (_, poll) => answers[poll - 1] ?? DONE;
    const job = add();
    await clock.advanceSettling(4500);
    expect(requests.map(({ request }) => request.headers["if-none-match"])).toEqual([
      undefined,
      '"a"',
      '"a"',
      '"a"',
      'W/"b"',
    ]);
    expect(poller.watches.view(job.shardId, job.id)).toMatchObject({
      status: "processing",
      progress: "2",
      lastError: null,
    });
  });

  test.for(['"a"\r\nx-evil: 1', "a", `"${"x".repeat(5000)}"`])(
    "an invalid ETag is not sent back: %j",
    async (etag) => {
      const { clock, requests, upstream, add } = startWith(changes);
      upstream.answer = () => tagged(etag, 1);
      add();
      await clock.advanceSettling(1500);
      expect(requests.map(({ request }) => request.headers["if-none-match"])).toEqual([
        undefined,
        undefined,
      ]);
    },
  );

  test("an unrequested 304 says nothing about the job", async () => {
    const { clock, poller, upstream, add } = startWith(changes);
    upstream.answer = () => UNCHANGED;
    const job = add();
    await clock.advanceSettling(500);
    expect(poller.watches.view(job.shardId, job.id)?.lastError).toBe("HTTP 304");
  });

  test("no ETag is sent where the definition does not use it", async () => {
    const { clock, requests, upstream, add } = startWith({});
    upstream.answer = () => tagged('"a"', 1);
    add();
    await clock.advanceSettling(1500);
    expect(requests[1]?.request.headers).not.toHaveProperty("if-none-match");
  });
});

describe("an upstream that can hold its answers back", () => {
  const changes = {
    status: { path: "/jobs/{job_id}", long_poll: { query: "wait", seconds: 60 } },
    min_interval_s: 0.5,
    request_timeout_s: 10,
  };
  const held = (ms: number): RequestOutcome => ({ ...STILL, durationMs: ms });

  test("an upstream with long polls is asked to hold its answer while few jobs are watched, and may take that much longer", async () => {
    const { clock, requests, upstream, add } = startWith(changes);
    upstream.answer = () => STILL;
    for (let job = 0; job < 2; job += 1) add();
    await clock.advanceSettling(0);
    expect(requests.map(({ path }) => path.endsWith("?wait=60"))).toEqual([true, true]);
    expect(requests.map(({ request }) => request.timeoutMs)).toEqual([70_000, 70_000]);
  });

  test("an upstream with long polls is not asked to hold answers while many jobs would wait for their turn", async () => {
    const { clock, requests, upstream, add } = startWith(changes);
    upstream.answer = () => STILL;
    for (let job = 0; job < 3; job += 1) add();
    await clock.advanceSettling(1500);
    const later = requests.slice(-3);
    expect(later.map(({ path }) => path.includes("wait"))).toEqual([false, false, false]);
    expect(later.map(({ request }) => request.timeoutMs)).toEqual([10_000, 10_000, 10_000]);
  });

  test("an upstream that held its answer is polled again after the minimum interval", async () => {
    const { clock, requests, upstream, add } = startWith(changes);
    upstream.answer = () => held(60_000);
    add();
    await clock.advanceSettling(1200);
    expect(requests.map(({ atMs }) => atMs)).toEqual([0, 500, 1000]);
  });

  test("an upstream that did not hold its answer is polled again by the schedule", async () => {
    const { clock, requests, upstream, add } = startWith(changes);
    upstream.answer = () => held(1);
    add();
    await clock.advanceSettling(2500);
    expect(requests.map(({ atMs }) => atMs)).toEqual([0, 999, 1998]);
  });
});
