import { describe, expect, test } from "vitest";
import type { RequestOutcome } from "../../src/outbound/exchange/request-outcome.ts";
import { answeredJson, COMPLETED, RUNNING, UNAUTHORIZED } from "./jobs.ts";
import { startPoller } from "./poller-harness.ts";

const CHALLENGE: RequestOutcome = {
  kind: "answered",
  status: 403,
  headers: { "content-type": "text/html" },
  body: Buffer.from("<html><title>Just a moment...</title></html>"),
  truncated: false,
  durationMs: 1,
};

describe("a refusal is no verdict on the credential", () => {
  test.each([
    ["a challenge in HTML", CHALLENGE],
    ["a plain 401", UNAUTHORIZED],
  ])(
    "a refusal of one job while others are answered is no verdict on the credential: %s",
    async (_name, refusal) => {
      const { clock, poller, paused, recorded, upstream, add } = startPoller();
      upstream.answer = (path, poll) => {
        if (path === "/job/bad") return refusal;
        return poll < 20 ? RUNNING : COMPLETED;
      };
      add({ jobId: "ok1" });
      await clock.advanceSettling(10);
      const bad = add({ jobId: "bad" });
      add({ jobId: "ok2" });
      await clock.advanceSettling(30_000);
      expect(paused).toEqual([]);
      expect(recorded.map(({ type }) => type)).toEqual(["job.completed", "job.completed"]);
      expect(poller.watches.view(bad.shardId, bad.id)?.lastError).toMatch(/^HTTP 40[13]/);
    },
  );

  test("a transient refusal ends nothing and pauses nothing", async () => {
    const { clock, paused, recorded, upstream, add } = startPoller();
    upstream.answer = (_path, poll) => (poll === 1 ? CHALLENGE : COMPLETED);
    add();
    await clock.advanceSettling(5_000);
    expect(paused).toEqual([]);
    expect(recorded).toMatchObject([{ type: "job.completed" }]);
  });

  test("a refusal that names a rate limit counts as a rate limit", async () => {
    const { clock, paused, requests, upstream, add } = startPoller();
    const limited = answeredJson({ message: "You have exceeded a secondary rate limit." }, 418);
    upstream.answer = (_path, poll) =>
      poll === 1 ? ({ ...limited, status: 403 } as RequestOutcome) : RUNNING;
    add();
    await clock.advanceSettling(30_000);
    expect(paused).toEqual([]);
    expect(requests).toHaveLength(1);
    await clock.advanceSettling(31_000);
    expect(requests.length).toBeGreaterThan(1);
  });
});

describe("a refusal is confirmed", () => {
  test("a refusal is confirmed by the same job, polled again over some seconds", async () => {
    const { clock, paused, requests, upstream, add } = startPoller();
    upstream.answer = () => CHALLENGE;
    add();
    await clock.advanceSettling(6_000);
    expect(paused).toEqual([]);
    await clock.advanceSettling(54_000);
    expect(paused).toMatchObject([{ reason: "HTTP 403 (text/html)" }]);
    expect(requests).toHaveLength(4);
  });

  test("a refusal is confirmed at once where the upstream rejects a key that never worked", async () => {
    const { clock, paused, upstream, add } = startPoller();
    upstream.answer = () => UNAUTHORIZED;
    add();
    await clock.advanceSettling(0);
    expect(paused).toHaveLength(1);
  });

  test("a refusal is confirmed by other jobs when a working key is revoked", async () => {
    const { clock, paused, upstream, add } = startPoller();
    upstream.answer = (_path, poll) => (poll <= 3 ? RUNNING : UNAUTHORIZED);
    for (let job = 0; job < 5; job += 1) add();
    await clock.advanceSettling(20_000);
    expect(paused).toHaveLength(1);
  });
});

describe("a pause", () => {
  const pausedUntilProbe = (atMs: number) =>
    ({ state: "paused", pausedReason: "HTTP 403", probeAtMs: atMs }) as const;

  test("a pause is probed with one job, and lifted when that is answered", async () => {
    const { clock, requests, resumedAtMs, configure, add } = startPoller();
    configure(pausedUntilProbe(clock.now() + 15_000));
    for (let job = 0; job < 5; job += 1) add();
    await clock.advanceSettling(14_999);
    expect(requests).toEqual([]);
    await clock.advanceSettling(1);
    expect(requests).toHaveLength(1);
    expect(resumedAtMs).toEqual([15_000]);
    // Until the database's answer comes, nothing more is asked.
    await clock.advanceSettling(3_000);
    expect(requests).toHaveLength(1);
    configure();
    await clock.advanceSettling(0);
    expect(requests).toHaveLength(6);
  });

  test("a pause continues when the probe is refused, and the next probe uses another job", async () => {
    const { clock, requests, resumedAtMs, upstream, configure, add } = startPoller();
    upstream.answer = () => CHALLENGE;
    configure(pausedUntilProbe(clock.now() + 15_000));
    for (let job = 0; job < 2; job += 1) add();
    await clock.advanceSettling(15_000);
    configure(pausedUntilProbe(clock.now() + 30_000));
    await clock.advanceSettling(30_000);
    expect(requests.map(({ atMs }) => atMs)).toEqual([15_000, 45_000]);
    expect(new Set(requests.map(({ path }) => path)).size).toBe(2);
    expect(resumedAtMs).toEqual([]);
  });

  test("a pause is probed by one node: not by this one when another has claimed it", async () => {
    const { clock, requests, store, configure, add } = startPoller();
    store.claimProbe = () => false;
    configure(pausedUntilProbe(clock.now() + 15_000));
    add();
    await clock.advanceSettling(60_000);
    expect(requests).toEqual([]);
  });

  test("a manual pause is not probed", async () => {
    const { clock, requests, configure, add } = startPoller();
    configure({ state: "paused", pausedReason: "Paused through the API." });
    add();
    await clock.advanceSettling(3_000_000);
    expect(requests).toEqual([]);
  });
});
