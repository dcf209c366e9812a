import { describe, expect, test } from "vitest";
import { RateLimit, type RateLimits } from "../../src/lanes/rate-limit.ts";

const STARTED_MS = Date.UTC(2026, 0, 1);

/** A pace and one who always wants to go on. */
function setPace(limits: Partial<RateLimits> = {}) {
  const pace = new RateLimit({ requestsPerSecond: null, burst: 1, ...limits }, STARTED_MS);
  let nowMs = STARTED_MS;
  /** How many go in the next `ms`, of at most `wanted` each millisecond. */
  const go = (ms: number, wanted = 2): number => {
    let gone = 0;
    for (const untilMs = nowMs + ms; nowMs < untilMs; nowMs += 1) {
      for (let one = 0; one < wanted && pace.has(nowMs); one += 1) {
        pace.take();
        pace.passed();
        gone += 1;
      }
    }
    return gone;
  };
  const wait = (ms: number): void => void (nowMs += ms);
  /** A refusal, and after a pause an answer that passes. */
  const refuse = (pauseMs = 1000): void => {
    pace.refused(nowMs);
    wait(pauseMs);
    pace.resume(nowMs);
  };
  return { pace, go, wait, refuse };
}

describe("a limit that is set", () => {
  test("a set limit holds over time, after the burst", () => {
    const { go } = setPace({ requestsPerSecond: 10, burst: 5 });
    expect(go(1, 10)).toBe(5);
    expect(go(1000)).toBe(10);
    expect(go(10_000)).toBe(100);
  });

  test("a set limit applies to this node by its share", () => {
    const { pace, go } = setPace();
    pace.configure({ requestsPerSecond: 100, burst: 40 }, 0.25, STARTED_MS);
    expect(pace.perSecond).toBe(25);
    expect(go(10_000)).toBeLessThanOrEqual(250 + 10);
  });

  test("a set limit lets a late user catch up only a little", () => {
    const { go, wait } = setPace({ requestsPerSecond: 500 });
    go(1000);
    wait(1000);
    expect(go(1, 1000)).toBeLessThanOrEqual(1 + 500 * 0.05);
  });
});

describe("a refusal", () => {
  test("a refusal without a set limit starts the search for one at half of the passed rate", () => {
    const { pace, go, refuse } = setPace();
    expect(pace.perSecond).toBeNull();
    go(5000, 1);
    refuse();
    expect(pace.perSecond).toBeCloseTo(500, 0);
    go(2000);
    expect(pace.perSecond).toBeGreaterThan(900);
    expect(pace.perSecond).toBeLessThan(1100);
  });

  test("a refusal halves the rate, which has almost recovered after two seconds and not quite after thirty", () => {
    const { pace, go, refuse } = setPace({ requestsPerSecond: 100 });
    go(10_000);
    refuse();
    go(3000);
    refuse();
    const before = pace.perSecond ?? 0;
    go(2500);
    const recovered = pace.perSecond ?? 0;
    expect(recovered / before).toBeGreaterThan(1.8);
    expect(recovered / before).toBeLessThan(2);
    go(30_000);
    expect((pace.perSecond ?? 0) / recovered).toBeGreaterThan(1);
    expect((pace.perSecond ?? 0) / recovered).toBeLessThan(1.01);
  });

  test("a refusal never lets the rate grow above the set limit", () => {
    const { pace, go, refuse } = setPace({ requestsPerSecond: 20 });
    for (let time = 0; time < 3; time += 1) {
      go(2000);
      refuse();
    }
    go(1_800_000, 1);
    expect(pace.perSecond).toBe(20);
  });

  test("a refusal is remembered for as long as the rate is used up", () => {
    const { pace, go, wait, refuse } = setPace();
    go(2000, 1);
    refuse();
    const before = pace.perSecond;
    for (let hour = 0; hour < 24; hour += 1) {
      wait(3_600_000);
      go(1);
    }
    expect(pace.perSecond).toBeLessThan(1.2 * (before ?? 0));
  });

  test("a refusal counts for the whole connection, of which other nodes have their share", () => {
    const { pace, go, refuse } = setPace();
    pace.configure({ requestsPerSecond: null, burst: 1 }, 0.5, STARTED_MS);
    go(5000, 1);
    refuse();
    const half = pace.perSecond ?? 0;
    pace.configure({ requestsPerSecond: null, burst: 1 }, 1, STARTED_MS + 6000);
    expect(pace.perSecond).toBeCloseTo(2 * half);
  });
});
