import fc from "fast-check";
import { expect, test } from "vitest";
import {
  operationalEventBody,
  operationalRetryMs,
} from "../../../src/core/delivery/operational-event.ts";

test("the body says what, when, how often, and gives the data back", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (data) => {
      const { occurrences: _, ...others } = data;
      const body = operationalEventBody({
        type: "delivery.exhausted",
        occurredAtMs: Date.UTC(2026, 0, 1),
        occurrences: 3,
        data: JSON.stringify(others),
      });
      expect(JSON.parse(body)).toEqual({
        type: "delivery.exhausted",
        timestamp: "2026-01-01T00:00:00.000Z",
        data: { ...others, occurrences: 3 },
      });
    }),
  );
});

test("it is tried six times within about three hours, and no more after a 410", () => {
  const waits: number[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const waitMs = operationalRetryMs(attempt, 500);
    if (waitMs === null) break;
    waits.push(waitMs);
  }
  expect(waits).toHaveLength(5);
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect(operationalRetryMs(1, null)).toBe(waits[0]);
  expect(operationalRetryMs(1, 410)).toBeNull();
});
