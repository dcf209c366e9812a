import { describe, expect, test } from "vitest";
import { planMemory } from "../../../src/core/limits/memory-plan.ts";

const GIB = 2 ** 30;

describe("memory for foreign bytes", () => {
  test.each([1, 2, 64])(
    "foreign bytes may take at most six tenths of a machine of %d GiB, all at once",
    (gib) => {
      const { readerHeapBytesMax: _, ...budgets } = planMemory(gib * GIB);
      const total = Object.values(budgets).reduce((sum, bytes) => sum + bytes, 0);
      expect(total).toBeLessThanOrEqual(0.6 * gib * GIB);
    },
  );

  test("the budget of foreign bytes is enough for large answers on the smallest machine, and bounded on the largest", () => {
    expect(planMemory(0).parsedAnswerBytesMax).toBe(32 * 2 ** 20);
    expect(planMemory(1024 * GIB)).toEqual(planMemory(16 * GIB));
  });
});
