import { describe, expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { CONNECTION_ID, uuids } from "../support/rows.ts";
import { answeredJson, OUTAGE, RUNNING, UNAUTHORIZED } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

describe("limits", () => {
  test("a connection has a bounded number of polls in progress", async () => {
    const { clock, poller, requests, upstream, add } = startPoller({
      settings: { poll_interval_s: 1, limits: { concurrency: 4 } },
    });
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = () => promise;
    for (let job = 0; job < 20; job += 1) add();
    await clock.advanceSettling(10_000);
    expect([requests.length, poller.watches.upstreams.pollsInFlight]).toEqual([4, 4]);
    resolve(RUNNING);
    await clock.advanceSettling(0);
    expect(new Set(requests.map(({ path }) => path)).size).toBe(20);
  });

  test("a node takes the share of a connection's limits that fits its jobs, and follows changes", async () => {
    const { poller, configure, connect } = startPoller();
    const limits = { requests_per_second: 40, concurrency: 8 };
    configure({ settings: { limits } });
    const { upstreams } = poller.watches;
    const limitsOf = (id: string): unknown[] => {
      const { lane } = upstreams.get(id);
      return [lane.load().requestsPerSecond, lane.concurrency];
    };
    expect(limitsOf(CONNECTION_ID)).toEqual([40, 8]);
    upstreams.setShare(1 / 4);
    expect(limitsOf(CONNECTION_ID)).toEqual([10, 2]);
    const later = uuids(Date.now(), 0);
    connect({ id: later, settings: { limits } });
    expect(limitsOf(later)).toEqual([10, 2]);
    // Who has no jobs for a moment polls none, and is no reason to divide by nothing.
    upstreams.setShare(0);
    expect(limitsOf(CONNECTION_ID)).toEqual([10, 2]);
    upstreams.setShare(1);
    expect(limitsOf(CONNECTION_ID)).toEqual([40, 8]);
  });

  test("a rate limit delays every job of the connection for Retry-After", async () => {
    const { clock, requests, upstream, add } = startPoller();
    const limited = answeredJson({}, 429, { "retry-after": "7" });
    upstream.answer = () => limited;
    add();
    await clock.advanceSettling(500);
    for (let job = 0; job < 5; job += 1) add();
    await clock.advanceSettling(6_499);
    expect(requests).toHaveLength(1);
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(1);
    // One to see whether polls pass again, then the others at a rate that is lower than before.
    expect(requests).toHaveLength(2);
    await clock.advanceSettling(5_000);
    expect(new Set(requests.map(({ path }) => path)).size).toBe(6);
  });

  test.each<[string, (nowMs: number) => Readonly<Record<string, string>>]>([
    ["seconds since 1970", (nowMs) => ({ "retry-after": String((nowMs + 4000) / 1000) })],
    ["microseconds since 1970", (nowMs) => ({ "x-ratelimit-reset": `${nowMs + 4000}000` })],
    ["nanoseconds since 1970", (nowMs) => ({ "x-ratelimit-reset": `${nowMs + 4000}000000` })],
  ])("a wait in %s is not read as a day", async (_name, headersAt) => {
    const { clock, poller, requests, upstream, add } = startPoller();
    upstream.answer = () => answeredJson({ error: "slow" }, 429, headersAt(clock.now()));
    const job = add();
    await clock.advanceSettling(1_000);
    const lastError = poller.watches.view(job.shardId, job.id)?.lastError;
    expect(lastError).toMatch(
      /HTTP 429: slow \((?:retry-after|x-ratelimit-reset): \d+, taken as 4 s\)/,
    );
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(3_100);
    expect(requests).toHaveLength(2);
  });

  test("a running job's wait of 25 hours is capped at one", async () => {
    const { clock, requests, upstream, add } = startPoller();
    upstream.answer = () =>
      answeredJson({ job_id: "any", status: "processing" }, 200, { "retry-after": "91193" });
    add({ deadlineAtMs: clock.now() + 10 * 3_600_000 });
    await clock.advanceSettling(3_600_000);
    expect(requests.map(({ atMs }) => atMs)).toEqual([0, 3_600_000]);
  });

  test("a wait from a reset header alone, or without a 429, is capped too", async () => {
    const { clock, requests, upstream, add } = startPoller();
    upstream.answer = () => answeredJson({}, 429, { "x-ratelimit-reset": "20" });
    add();
    await clock.advanceSettling(19_999);
    expect(requests).toHaveLength(1);
    // Pulse's response when its queue is full.
    const full = { error: { code: "PROC_004", message: "Queue full" } };
    upstream.answer = () => answeredJson(full, 503, { "retry-after": "30" });
    await clock.advanceSettling(1);
    expect(requests).toHaveLength(2);
    await clock.advanceSettling(29_999);
    expect(requests).toHaveLength(2);
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(1);
    expect(requests).toHaveLength(3);
  });

  test("an outage backs each job off, and opens the breaker for all", async () => {
    const { clock, requests, upstream, add, pollTimes } = startPoller();
    upstream.answer = () => OUTAGE;
    const job = add();
    await clock.advanceSettling(8_000);
    expect(pollTimes(job)).toEqual([0, 1_000, 3_000, 7_000]);
    for (let other = 0; other < 40; other += 1) add();
    await clock.advanceSettling(100);
    const beforeProbe = requests.length;
    await clock.advanceSettling(500);
    // Due again, but held back: nothing passes an open breaker.
    expect(requests.length).toBe(beforeProbe);
    upstream.answer = () => RUNNING;
    await clock.advanceSettling(30_000);
    expect(new Set(requests.slice(beforeProbe).map(({ path }) => path)).size).toBe(41);
  });
});

describe("a refused credential", () => {
  test("a refused credential is reported once for all polls in progress, and nothing more is sent", async () => {
    const { clock, poller, requests, paused, upstream, add } = startPoller();
    upstream.answer = () => UNAUTHORIZED;
    for (let job = 0; job < 10; job += 1) add();
    await clock.advanceSettling(60_000);
    expect(requests).toHaveLength(10);
    expect(paused).toMatchObject([{ version: 1, reason: expect.stringContaining("Invalid key") }]);
    expect(poller.watches.size).toBe(10);
  });

  test("a refused credential is followed by a new one at once, with which all jobs are polled", async () => {
    const { clock, requests, upstream, configure, add } = startPoller();
    upstream.answer = () => UNAUTHORIZED;
    for (let job = 0; job < 10; job += 1) add();
    await clock.advanceSettling(60_000);
    upstream.answer = () => RUNNING;
    configure({ credential: "new-key", credentialVersion: 2 });
    await clock.advanceSettling(0);
    expect(requests.slice(10).map(({ key }) => key)).toEqual(
      Array.from({ length: 10 }, () => "new-key"),
    );
  });

  test("a refusal that arrives after the new credential does not pause the connection", async () => {
    const { clock, requests, paused, upstream, configure, add } = startPoller();
    const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
    upstream.answer = (_, poll) => (poll === 1 ? promise : RUNNING);
    add();
    await clock.advanceSettling(0);
    configure({ credential: "new-key", credentialVersion: 2 });
    resolve(UNAUTHORIZED);
    await clock.advanceSettling(0);
    expect(paused).toEqual([]);
    expect(requests.map(({ key }) => key)).toEqual([expect.any(String), "new-key"]);
  });

  test("a refused credential is tried again when the pause could not be recorded", async () => {
    const { clock, paused, upstream, store, add, pollTimes } = startPoller();
    upstream.answer = () => UNAUTHORIZED;
    store.pause = () => Promise.reject(new Error("away"));
    const job = add();
    await clock.advanceSettling(5_500);
    expect(pollTimes(job)).toEqual([0, 5_000]);
    expect(paused).toHaveLength(2);
  });
});
