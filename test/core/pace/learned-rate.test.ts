import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterRefusal,
  afterUse,
  type LearnedRate,
  PER_SECOND_MAX,
  PER_SECOND_MIN,
  perSecondOf,
  UNREFUSED,
} from "../../../src/core/pace/learned-rate.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;

type Happening =
  | {
      readonly kind: "refused";
      readonly limit: number;
      readonly requests: number;
      readonly ms: number;
    }
  | { readonly kind: "used"; readonly ms: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    kind: fc.constant("refused" as const),
    limit: fc.oneof(fc.constant(Infinity), fc.double({ min: 1e-6, max: 1e9, noNaN: true })),
    requests: fc.double({ min: 0, max: 1e12, noNaN: true }),
    ms: fc.integer({ min: 0, max: YEAR_MS }),
  }),
  fc.record({ kind: fc.constant("used" as const), ms: fc.integer({ min: 0, max: YEAR_MS }) }),
);

function after(rate: LearnedRate, what: Happening): LearnedRate {
  if (what.kind === "used") return afterUse(rate, what.ms);
  return afterRefusal(rate, Math.min(what.limit, perSecondOf(rate)), what);
}

function learned(perSecond: number): LearnedRate {
  const searching = afterRefusal(UNREFUSED, perSecond, { requests: 0, ms: 0 });
  return afterRefusal(searching, perSecond, { requests: 0, ms: 0 });
}

describe("whatever happens", () => {
  test("the learned rate stays within its bounds, and is absent before the first refusal", () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 50 }), (happenings) => {
        let rate: LearnedRate = UNREFUSED;
        let isRefused = false;
        for (const what of happenings) {
          rate = after(rate, what);
          isRefused ||= what.kind === "refused";
          const perSecond = perSecondOf(rate);
          if (!isRefused) expect(perSecond).toBe(Infinity);
          else {
            expect(perSecond).toBeGreaterThanOrEqual(PER_SECOND_MIN);
            expect(perSecond).toBeLessThanOrEqual(PER_SECOND_MAX);
          }
        }
      }),
    );
  });

  test("a refusal never raises the learned rate, and use never lowers it", () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 50 }), (happenings) => {
        let rate: LearnedRate = UNREFUSED;
        for (const what of happenings) {
          const before = perSecondOf(rate);
          rate = after(rate, what);
          if (what.kind === "used") expect(perSecondOf(rate)).toBeGreaterThanOrEqual(before);
          else expect(perSecondOf(rate)).toBeLessThanOrEqual(before);
        }
      }),
    );
  });

  test("the learned rate grows the same in small steps as in one", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 30 }), (steps) => {
        const inSteps = steps.reduce(afterUse, learned(100));
        const atOnce = afterUse(
          learned(100),
          steps.reduce((sum, ms) => sum + ms, 0),
        );
        expect(perSecondOf(inSteps)).toBeCloseTo(perSecondOf(atOnce), 6);
      }),
    );
  });
});

describe("the rate after a refusal", () => {
  test("the rate after a refusal is half of the refused one", () => {
    expect(perSecondOf(learned(100))).toBe(50);
    expect(perSecondOf(afterRefusal(UNREFUSED, Infinity, { requests: 300, ms: 3000 }))).toBe(50);
  });

  test("the rate is just below the limit two seconds after a refusal, at it after a minute, far above it after ten", () => {
    const refused = afterRefusal(afterUse(learned(100), 62_000), 100, {
      requests: 3000,
      ms: 30_000,
    });
    const at = (seconds: number) => perSecondOf(afterUse(refused, seconds * 1000));
    expect(at(1)).toBeCloseTo(74.5);
    expect(at(2)).toBe(99);
    expect(at(62)).toBe(100);
    expect(at(122)).toBe(102);
    expect(at(602)).toBeGreaterThan(1000);
  });

  test("the rate grows fast once frequent refusals have stopped", () => {
    let rate = learned(100);
    for (let refusal = 0; refusal < 10; refusal += 1) {
      rate = afterRefusal(afterUse(rate, 4000), perSecondOf(rate), { requests: 0, ms: 4000 });
    }
    const low = perSecondOf(afterUse(rate, 2000));
    expect(perSecondOf(afterUse(rate, 15_000))).toBeLessThan(1.02 * low);
    expect(perSecondOf(afterUse(rate, 150_000))).toBeGreaterThan(10 * low);
  });

  test("the rate doubles every two seconds until the second refusal", () => {
    const searching = afterRefusal(UNREFUSED, Infinity, { requests: 20, ms: 1000 });
    expect(perSecondOf(afterUse(searching, 6000))).toBe(80);
  });
});

describe("the limit that is assumed", () => {
  const limitOf = (rate: LearnedRate) => (rate.kind === "learned" ? rate.limitPerSecond : null);

  test("the assumed limit is the rate between two distant refusals, but at least half of the refused rate", () => {
    const rate = afterUse(learned(100), 60_000);
    expect(limitOf(afterRefusal(rate, 100, { requests: 8000, ms: 100_000 }))).toBe(80);
    expect(limitOf(afterRefusal(rate, 100, { requests: 800, ms: 100_000 }))).toBe(50);
    expect(limitOf(afterRefusal(rate, 100, { requests: 80_000, ms: 100_000 }))).toBe(100);
  });

  test("the assumed limit is slightly lower when the next refusal comes soon", () => {
    expect(limitOf(afterRefusal(learned(100), 90, { requests: 1, ms: 5000 }))).toBeCloseTo(85.5);
  });
});
