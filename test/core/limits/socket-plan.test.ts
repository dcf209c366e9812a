import { expect, test } from "vitest";
import { planSockets } from "../../../src/core/limits/socket-plan.ts";
import { openFilesMax } from "../../../src/runtime/process/machine-limits.ts";

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
