import fc from "fast-check";
import { expect, test } from "vitest";
import {
  REDELIVERIES_PER_SECOND_MAX,
  REDELIVERIES_PER_SECOND_MIN,
  redeliveryBatch,
  redeliveryDueTimes,
  redeliveryStepMs,
} from "../../../src/core/delivery/redelivery-pace.ts";

const perSecond = fc.double({
  min: REDELIVERIES_PER_SECOND_MIN,
  max: REDELIVERIES_PER_SECOND_MAX,
  noNaN: true,
});

test("steps one after the other are never faster than the pace, and a batch never waits longer than its share", () => {
  fc.assert(
    fc.property(perSecond, fc.integer({ min: 1, max: 20 }), (rate, steps) => {
      const batch = redeliveryBatch(rate);
      let nowMs = 0;
      const due: number[] = [];
      for (let step = 0; step < steps; step += 1) {
        due.push(...redeliveryDueTimes(nowMs, batch, rate));
        nowMs += redeliveryStepMs(batch, rate);
      }
      for (let index = 1; index < due.length; index += 1) {
        const gap = (due[index] ?? 0) - (due[index - 1] ?? 0);
        expect(gap).toBeGreaterThan((1000 / rate) * 0.999_999 - 1e-6);
      }
      expect(batch).toBeGreaterThanOrEqual(1);
      expect(batch).toBeLessThanOrEqual(500);
    }),
  );
});

test("a step that found nothing is followed by a moment of rest", () => {
  expect(redeliveryStepMs(0, 10_000)).toBeGreaterThan(0);
});
