import fc from "fast-check";
import { expect, test } from "vitest";
import { REMOVAL_ROWS_FIRST, removalRestMs, removalRows } from "../../../src/core/pace/steps.ts";

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
