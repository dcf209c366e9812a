import fc from "fast-check";
import { expect, test } from "vitest";
import { RETRY_FLOOR_MS_MAX, retryDelayMs } from "../../../src/core/delivery/retry-schedule.ts";

const SCHEDULE = [5000, 30_000, 120_000];

test("each failed attempt waits for its place in the schedule, then there is no more", () => {
  const delays = [1, 2, 3, 4].map((failed) => retryDelayMs(SCHEDULE, failed, 0, 0.5));
  expect(delays).toEqual([5000, 30_000, 120_000, null]);
});

test("jitter stays within a fifth in both directions", () => {
  expect(retryDelayMs(SCHEDULE, 1, 0, 0)).toBe(4000);
  expect(retryDelayMs(SCHEDULE, 1, 0, 0.9999999)).toBe(6000);
});

test("Retry-After is a floor, not a ceiling, and believed up to a day", () => {
  expect(retryDelayMs(SCHEDULE, 1, 60_000, 0.5)).toBe(60_000);
  expect(retryDelayMs(SCHEDULE, 3, 60_000, 0.5)).toBe(120_000);
  expect(retryDelayMs(SCHEDULE, 1, 10 * RETRY_FLOOR_MS_MAX, 0.5)).toBe(RETRY_FLOOR_MS_MAX);
});

test("a delay is never below four fifths of its place in the schedule, nor ever missing before the end", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1, maxLength: 20 }),
      fc.nat(30),
      fc.nat(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (schedule, extra, floorMs, random) => {
        const failed = 1 + extra;
        const delay = retryDelayMs(schedule, failed, floorMs, random);
        const base = schedule[failed - 1];
        if (base === undefined) expect(delay).toBeNull();
        else expect(delay).toBeGreaterThanOrEqual(base * 0.8);
      },
    ),
  );
});
