import { defineConfig } from "vitest/config";

/** The torture suite, which is not in the gate: `npm run torture`. */
export default defineConfig({
  test: {
    include: ["test/torture/torture.ts"],
    globalSetup: "test/support/global-setup.ts",
    pool: "forks",
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    // Where a fault shows something, what follows it is still worth knowing.
    bail: 0,
  },
});
