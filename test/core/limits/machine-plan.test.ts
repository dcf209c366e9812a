import { describe, expect, test } from "vitest";
import { planMemory, planSockets } from "../../../src/core/limits/machine-plan.ts";
import { openFilesMax } from "../../../src/runtime/process/machine-limits.ts";

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

test.each([
  [Infinity, { upstream: 4096, callback: 4096, listener: 20_000 }],
  [1_048_576, { upstream: 4096, callback: 4096, listener: 20_000 }],
  [10_240, { upstream: 2496, callback: 2496, listener: 4992 }],
  [1024, { upstream: 192, callback: 192, listener: 384 }],
  [100, { upstream: 16, callback: 16, listener: 16 }],
])("the sockets of all ways together leave a reserve of %d open files", (openFiles, plan) => {
  expect(planSockets(openFiles)).toEqual(plan);
});

test("the limit of this process is known", () => {
  expect(openFilesMax()).toBeGreaterThan(100);
});
