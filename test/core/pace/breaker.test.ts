import fc from "fast-check";
import { expect, test } from "vitest";
import {
  afterFailure,
  afterSuccess,
  afterTime,
  type Breaker,
  BREAKER_CLOSED,
} from "../../../src/core/pace/breaker.ts";

const LIMITS = { failuresInRowMax: 3, failingMsMin: 0, openMsInitial: 1000, openMsMax: 8000 };

function fail(breaker: Breaker, times: number, nowMs = 0): Breaker {
  let current = breaker;
  for (let time = 0; time < times; time += 1) current = afterFailure(current, LIMITS, nowMs);
  return current;
}

test("failures in a row open it, and one success in between restarts the count", () => {
  expect(fail(BREAKER_CLOSED, 2).state).toBe("closed");
  expect(fail(BREAKER_CLOSED, 3)).toEqual({ state: "open", untilMs: 1000, opensInRow: 1 });
  expect(fail(afterSuccess(), 2).state).toBe("closed");
});

test("failures within a moment don't open it, however many; going on for long enough does", () => {
  const limits = { ...LIMITS, failingMsMin: 5000 };
  let breaker: Breaker = BREAKER_CLOSED;
  for (let nowMs = 1000; nowMs < 6000; nowMs += 10) breaker = afterFailure(breaker, limits, nowMs);
  expect(breaker).toEqual({ state: "closed", failuresInRow: 500, sinceMs: 1000 });
  expect(afterFailure(breaker, limits, 6000).state).toBe("open");
  expect(afterFailure(afterSuccess(), limits, 6000).state).toBe("closed");
});

test("one probe may pass an open breaker when its time is up, and not before", () => {
  const open = fail(BREAKER_CLOSED, 3);
  expect(afterTime(open, 999)).toBe(open);
  expect(afterTime(open, 1000).state).toBe("half_open");
});

test("each failed probe doubles the time it stays open, up to the limit", () => {
  let breaker = fail(BREAKER_CLOSED, 3);
  const openMs: number[] = [];
  let nowMs = 0;
  for (let round = 0; round < 5; round += 1) {
    if (breaker.state === "open") {
      openMs.push(breaker.untilMs - nowMs);
      nowMs = breaker.untilMs;
    }
    breaker = fail(afterTime(breaker, nowMs), 1, nowMs);
  }
  expect(openMs).toEqual([1000, 2000, 4000, 8000, 8000]);
});

test("answers to requests sent before a breaker opened don't prolong it", () => {
  const open = fail(BREAKER_CLOSED, 3, 0);
  expect(fail(open, 10, 500)).toEqual(open);
});

test("whatever happens, a breaker lets a request through again after a bounded time", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 100 }), (outcomes) => {
      let breaker: Breaker = BREAKER_CLOSED;
      let nowMs = 0;
      for (const ok of outcomes) {
        breaker = ok ? afterSuccess() : afterFailure(breaker, LIMITS, nowMs);
        nowMs += 100;
        breaker = afterTime(breaker, nowMs);
      }
      expect(afterTime(breaker, nowMs + LIMITS.openMsMax).state).not.toBe("open");
    }),
  );
});
