import { defineConfig } from "vitest/config";

/** Where `.ci/run` wants the counts to be written; a person at a terminal needs no file. */
const reportFile = process.env["TEST_REPORT_FILE"];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/memory-files.ts", "test/support/global-setup.ts"],
    setupFiles: ["test/support/set-up.ts"],
    pool: "forks",
    expect: { poll: { timeout: 60_000 } },
    // One more than the cores it is meant for: many tests wait for leases, breakers and processes.
    maxWorkers: 3,
    // Only ends what hangs: a machine that does other work may take several times as long.
    testTimeout: 90_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    // A test that passes only at the second try has failed.
    retry: 0,
    allowOnly: false,
    reporters: reportFile ? ["default", ["json", { outputFile: reportFile }]] : ["default"],
  },
});
