import fc from "fast-check";
import { expect, test } from "vitest";
import { pollMoment } from "../../../src/core/job/poll-moment.ts";

const HOUR_MS = 3_600_000;

/** The moment of a poll that is due at `dueAtMs`, of so many jobs that are polled every hour. */
function momentOf(dueAtMs: number, watchedJobs: number, nowMs = 0): number {
  return pollMoment({ dueAtMs, nowMs, intervalMs: HOUR_MS, watchedJobs });
}

test("few polls that are due within one second much later are sent at one moment", () => {
  const dueAtMs = [HOUR_MS + 1, HOUR_MS + 20.5, HOUR_MS + 999, HOUR_MS + 1_000];
  const moments = dueAtMs.map((ms) => momentOf(ms, 100_000));
  expect(new Set(moments)).toEqual(new Set([HOUR_MS + 1_000]));
});

test.each([
  [115_200, 1_000],
  [230_400, 500],
  [460_800, 250],
  [921_600, 125],
])("with %d hourly jobs they are sent every %d ms, about 32 at a time", (jobs, momentMs) => {
  const moments = Array.from({ length: 8_000 }, (_, ms) => momentOf(HOUR_MS + 1 + ms, jobs));
  expect(new Set(moments).size).toBe(8_000 / momentMs);
  expect(momentOf(HOUR_MS + 1, jobs)).toBe(HOUR_MS + momentMs);
});

test("with more they keep their own times, as polls do that are due within a minute", () => {
  expect(momentOf(HOUR_MS + 1, 1_000_000)).toBe(HOUR_MS + 1);
  expect(momentOf(59_999, 10)).toBe(59_999);
  expect(momentOf(Infinity, 10)).toBe(Infinity);
});

test("a poll is never sent before it is due, nor a second after", () => {
  const ms = (max: number) => fc.double({ min: 0, max, noNaN: true });
  fc.assert(
    fc.property(
      ms(1e12),
      ms(1e9),
      fc.integer({ min: 0, max: 5_000_000 }),
      (nowMs, waitMs, jobs) => {
        const dueAtMs = nowMs + waitMs;
        const laterMs = momentOf(dueAtMs, jobs, nowMs) - dueAtMs;
        expect(laterMs).toBeGreaterThanOrEqual(0);
        expect(laterMs).toBeLessThan(1_000);
      },
    ),
  );
});
