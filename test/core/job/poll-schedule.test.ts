import fc from "fast-check";
import { expect, test } from "vitest";
import {
  nextPollDelayMs,
  POLL_INTERVAL_MS_MAX,
  POLL_INTERVAL_MS_MIN,
  pollIntervalMs,
  type PollSchedule,
  takeOverDelayMs,
} from "../../../src/core/job/poll-schedule.ts";

const PULSE: PollSchedule = { kind: "exponential", initialMs: 1000, factor: 1.5, capMs: 10_000 };

const anyMs = fc.double({ min: 0, max: 1e15, noNaN: true });
const anySchedule: fc.Arbitrary<PollSchedule> = fc.oneof(
  fc.record({
    kind: fc.constant("exponential" as const),
    initialMs: anyMs,
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    capMs: anyMs,
  }),
  fc.record({ kind: fc.constant("fixed" as const), intervalMs: anyMs }),
  fc.record({ kind: fc.constant("square_root" as const), initialMs: anyMs, capMs: anyMs }),
);

test("Pulse's recommendation by age is min(10 s, 1 s + 0.5 · age)", () => {
  expect(pollIntervalMs(PULSE, 0)).toBe(1000);
  expect(pollIntervalMs(PULSE, 1000)).toBe(1500);
  expect(pollIntervalMs(PULSE, 2500)).toBe(2250);
  expect(pollIntervalMs(PULSE, 18_000)).toBe(10_000);
  expect(pollIntervalMs(PULSE, 48 * 3600 * 1000)).toBe(10_000);
});

test("following the exponential schedule from its start multiplies each wait by the factor", () => {
  let age = 0;
  const waits = Array.from({ length: 5 }, () => {
    const wait = pollIntervalMs(PULSE, age);
    age += wait;
    return wait;
  });
  expect(waits).toEqual([1000, 1500, 2250, 3375, 5063]);
});

test("the square-root schedule grows with the square root of age up to its cap", () => {
  const schedule: PollSchedule = { kind: "square_root", initialMs: 1000, capMs: 60_000 };
  expect(pollIntervalMs(schedule, 0)).toBe(1000);
  expect(pollIntervalMs(schedule, 100_000)).toBe(21_000);
  expect(pollIntervalMs(schedule, 1e9)).toBe(60_000);
});

test("a negative age, from a clock set back, counts as none", () => {
  expect(pollIntervalMs(PULSE, -5000)).toBe(1000);
});

test("no schedule, age, floor or jitter waits less than the minimum or overflows a timer", () => {
  fc.assert(
    fc.property(
      anySchedule,
      fc.double({ min: -1e12, max: 1e15, noNaN: true }),
      anyMs,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (schedule, ageMs, floorMs, random) => {
        const delay = nextPollDelayMs({ schedule, ageMs, floorMs, random });
        expect(delay).toBeGreaterThanOrEqual(POLL_INTERVAL_MS_MIN);
        expect(delay).toBeLessThanOrEqual(POLL_INTERVAL_MS_MAX);
        expect(delay).toBeGreaterThanOrEqual(
          Math.min(POLL_INTERVAL_MS_MAX, pollIntervalMs(schedule, ageMs)),
        );
        expect(delay).toBeGreaterThanOrEqual(Math.min(POLL_INTERVAL_MS_MAX, floorMs));
      },
    ),
  );
});

test("an older job never waits less than a younger one", () => {
  fc.assert(
    fc.property(anySchedule, anyMs, anyMs, (schedule, a, b) => {
      const [younger, older] = a < b ? [a, b] : [b, a];
      expect(pollIntervalMs(schedule, older)).toBeGreaterThanOrEqual(
        pollIntervalMs(schedule, younger),
      );
    }),
  );
});

test("jitter only lengthens the wait, by at most a tenth", () => {
  const delays = [0, 0.5, 0.999].map((random) =>
    nextPollDelayMs({ schedule: PULSE, ageMs: 0, floorMs: 0, random }),
  );
  expect(delays).toEqual([1000, 1050, 1100]);
});

const TAKEN_OVER = {
  intervalMs: 10_000,
  ageMs: 3_600_000,
  untilDeadlineMs: 3_600_000,
  unservedMs: 4_000,
  random: 0.5,
};

test("a job that is taken over is polled when it would have been, or soon if that has passed", () => {
  const delay = (changes: Partial<typeof TAKEN_OVER>) =>
    takeOverDelayMs({ ...TAKEN_OVER, ...changes });
  expect(delay({ random: 0.5 })).toBe(1_000);
  expect(delay({ random: 0.99 })).toBeCloseTo(5_900);
  // Fell due 4 s and 2 s ago.
  expect([delay({ random: 0 }), delay({ random: 0.2 })]).toEqual([0, 1_000]);
  // Whatever the moment in its interval was, it has passed.
  expect([0, 0.5].map((random) => delay({ random, unservedMs: Infinity }))).toEqual([0, 1_000]);
  expect([0, 0.5].map((random) => delay({ random, unservedMs: 60_000 }))).toEqual([0, 1_000]);
});

test("a job that was never polled, or is near its deadline, does not wait", () => {
  expect(takeOverDelayMs({ ...TAKEN_OVER, ageMs: 3_000 })).toBe(0);
  expect(takeOverDelayMs({ ...TAKEN_OVER, untilDeadlineMs: 15_000 })).toBe(-4_000);
  expect(takeOverDelayMs({ ...TAKEN_OVER, untilDeadlineMs: -5, unservedMs: Infinity })).toBe(
    -60_000,
  );
});

test("a job that is taken over never waits longer than its interval, nor much longer than it is due", () => {
  fc.assert(
    fc.property(
      fc.record({
        intervalMs: fc.integer({ min: POLL_INTERVAL_MS_MIN, max: 3_600_000 }),
        ageMs: fc.nat(1e9),
        untilDeadlineMs: fc.nat(1e9),
        unservedMs: fc.oneof(fc.nat(1e8), fc.constant(Infinity)),
        random: fc.double({ min: 0, max: 0.999, noNaN: true }),
      }),
      (job) => {
        const delayMs = takeOverDelayMs(job);
        expect(delayMs).toBeLessThanOrEqual(job.intervalMs);
        expect(delayMs).toBeLessThanOrEqual(
          Math.max(2_000, job.random * job.intervalMs - job.unservedMs),
        );
      },
    ),
  );
});
