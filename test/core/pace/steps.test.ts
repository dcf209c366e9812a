import fc from "fast-check";
import { expect, test } from "vitest";
import {
  FAN_OUT_ROWS_FIRST,
  fanOutRestMs,
  fanOutRows,
  REMOVAL_ROWS_FIRST,
  removalRestMs,
  removalRows,
} from "../../../src/core/pace/steps.ts";

test("however long steps take, the next takes some rows and not too many", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 60_000, noNaN: true })), (tookMs) => {
      let rows = REMOVAL_ROWS_FIRST;
      for (const ms of tookMs) {
        const next = removalRows(rows, ms);
        expect(next).toBeGreaterThanOrEqual(10);
        expect(next).toBeLessThanOrEqual(200);
        if (ms > 100 && rows > 10) expect(next).toBeLessThan(rows);
        expect(removalRestMs(ms)).toBeGreaterThanOrEqual(ms);
        rows = next;
      }
    }),
  );
});

test("a step of a fan-out is halved when it took more than 15 ms, and rests longer while other projects are at work", () => {
  expect(fanOutRows(FAN_OUT_ROWS_FIRST, 16)).toBe(FAN_OUT_ROWS_FIRST / 2);
  expect(fanOutRows(FAN_OUT_ROWS_FIRST, 15)).toBeGreaterThan(FAN_OUT_ROWS_FIRST);
  expect(fanOutRows(250, 1)).toBe(250);
  expect(fanOutRestMs(10, false)).toBe(10);
  expect(fanOutRestMs(10, true)).toBe(30);
});
