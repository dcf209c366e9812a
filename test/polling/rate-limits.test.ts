import { describe, expect, test } from "vitest";
import { CONNECTION_ID } from "../support/rows.ts";
import { fixedWindow, type RateLimiter, tokenBucket } from "../support/rate-limiters.ts";
import { watchLimitedUpstream } from "./limited-upstream.ts";

const LIMITERS: Readonly<Record<string, (perSecond: number) => RateLimiter>> = {
  "a token bucket of one second": (perSecond) => tokenBucket(perSecond, perSecond),
  "a token bucket of a tenth of a second": (perSecond) =>
    tokenBucket(perSecond, Math.max(1, perSecond / 10)),
  "windows of one second": (perSecond) => fixedWindow(perSecond, 1000),
};

const WARM_UP_S = 120;
const STEADY_S = 240;

interface Use {
  /** The share of the upstream's limit that was used. */
  readonly used: number;
  /** The share of the polls that were refused. */
  readonly refused: number;
}

function useOf(answers: readonly { readonly passed: boolean }[], allowed: number): Use {
  const passed = answers.filter((answer) => answer.passed).length;
  return { used: passed / allowed, refused: 1 - passed / answers.length };
}

describe("an upstream that allows fewer polls than the jobs want is used up and hardly ever refuses", () => {
  describe.each(Object.entries(LIMITERS))("%s", (_, limiter) => {
    test.each([
      [5, true],
      [5, false],
      [50, true],
      [50, false],
      [500, true],
      [500, false],
    ])(
      "a lane uses an upstream's limit of %i a second up and is hardly ever refused, with Retry-After: %s",
      (perSecond, tellsWhen) => {
        const { connect, run } = watchLimitedUpstream({ limiter: limiter(perSecond), tellsWhen });
        connect(4 * perSecond + 100, { settings: { poll_interval_s: 1 } });
        run(WARM_UP_S);
        const { used, refused } = useOf(run(STEADY_S), perSecond * STEADY_S);
        expect(used).toBeGreaterThanOrEqual(0.95);
        expect(refused).toBeLessThan(0.02);
      },
    );
  });

  test.each([true, false])(
    "a lane uses an upstream's limit of 300 a minute up and is hardly ever refused, with Retry-After: %s",
    (tellsWhen) => {
      const { connect, run } = watchLimitedUpstream({
        limiter: fixedWindow(300, 60_000),
        tellsWhen,
      });
      connect(100);
      run(600);
      const { used, refused } = useOf(run(1800), 5 * 1800);
      expect(used).toBeGreaterThanOrEqual(0.95);
      expect(refused).toBeLessThan(0.02);
    },
  );

  test("a lane finds a limit of 50 a second in the first minutes with few refusals, one poll in thirty", () => {
    const { connect, run } = watchLimitedUpstream({ limiter: tokenBucket(50, 50) });
    connect(300);
    const { refused } = useOf(run(WARM_UP_S), 50 * WARM_UP_S);
    expect(refused).toBeLessThan(1 / 30);
  });
});

describe("an upstream whose limit changes", () => {
  test("a lane follows a lowered limit at once and a raised one within minutes", () => {
    let limiter = tokenBucket(100, 100);
    const { connect, run } = watchLimitedUpstream({ limiter: (nowMs) => limiter(nowMs) });
    connect(1000);
    run(120);
    limiter = tokenBucket(40, 40);
    run(60);
    const lowered = useOf(run(120), 40 * 120);
    expect(lowered.used).toBeGreaterThan(0.95);
    expect(lowered.refused).toBeLessThan(0.02);
    limiter = tokenBucket(100, 100);
    run(420);
    expect(useOf(run(120), 100 * 120).used).toBeGreaterThan(0.9);
  });

  test("a lane is as fast as before three minutes after refusals without a reason", () => {
    let limiter: RateLimiter | null = tokenBucket(4, 4);
    const { connect, run } = watchLimitedUpstream({
      limiter: (nowMs) => limiter?.(nowMs) ?? { passes: true },
    });
    connect(100);
    run(60);
    limiter = null;
    run(180);
    expect(useOf(run(10), 90 * 10).used).toBeGreaterThan(0.95);
  });
});

describe("a lane that can't keep up", () => {
  test("a lane that can't keep up polls every job in turn: intervals stretch evenly, and none is left out", () => {
    const jobs = 1000;
    const perSecond = 50;
    const { connect, run } = watchLimitedUpstream({ limiter: null });
    connect(jobs, {
      settings: { poll_interval_s: 1, limits: { requests_per_second: perSecond } },
    });
    run(40);
    const times = new Map<string, number[]>();
    for (const { job, atMs } of run(200)) times.set(job, [...(times.get(job) ?? []), atMs]);
    expect(times.size).toBe(jobs);
    const gaps = [...times.values()].flatMap((polls) =>
      polls.slice(1).map((atMs, index) => atMs - (polls[index] ?? 0)),
    );
    const stretchedMs = (jobs / perSecond) * 1000;
    expect(Math.min(...gaps)).toBeGreaterThan(stretchedMs * 0.98);
    expect(Math.max(...gaps)).toBeLessThan(stretchedMs * 1.02);
  });
});

describe("nodes that share a connection", () => {
  const LIMITS = { concurrency: 32, requests_per_second: 50, burst: 10 };

  /** So many nodes, each with its part of the shards and of the jobs. */
  function startNodes(count: number, jobs: number) {
    return Array.from({ length: count }, () => {
      const node = watchLimitedUpstream({ limiter: null });
      node.list.upstreams.setShare(1 / count);
      node.connect(jobs / count, { settings: { poll_interval_s: 1, limits: LIMITS } });
      return node;
    });
  }

  test("nodes that share a connection keep to its limits together: rate, burst and concurrency", () => {
    const nodes = startNodes(4, 400);
    const answers = nodes.map(({ run }) => run(100).length);
    const sum = answers.reduce((all, one) => all + one, 0);
    expect(sum).toBeGreaterThan(0.97 * 50 * 100);
    expect(sum).toBeLessThanOrEqual(50 * 100 + 10);
    expect(nodes.map(({ list }) => list.upstream(CONNECTION_ID).lane.concurrency)).toEqual([
      8, 8, 8, 8,
    ]);
  });

  test("a node that leaves gives its part of a connection's limits to those that take over its jobs", () => {
    const [first, second] = startNodes(2, 400);
    second?.list.upstreams.setShare(0);
    first?.list.upstreams.setShare(1);
    first?.connect(200);
    first?.run(10);
    expect(first?.run(100).length).toBeGreaterThan(0.97 * 50 * 100);
  });

  test("nodes poll through a connection even if its concurrency is lower than their number", () => {
    const node = watchLimitedUpstream({ limiter: null });
    node.list.upstreams.setShare(1 / 16);
    node.connect(10, { settings: { poll_interval_s: 1, limits: { concurrency: 2 } } });
    expect(node.run(10).length).toBeGreaterThan(80);
  });
});
