import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** Where `.ci/run` wants the counts to be written; a person at a terminal needs no file. */
const reportFile = process.env["TEST_REPORT_FILE"];

const ALL = "test/**/*.test.ts";

/** Tests that start programs, or change what belongs to the process: each file has one of its own. */
const OF_PROCESSES = [
  "test/*.test.ts",
  "test/{bench,browser,cli,embedded-postgres,end-to-end,package,testing,torture}/**/*.test.ts",
  // Its name servers would stay those of every file that comes after it.
  "test/via/safety.test.ts",
  // Loads drizzle-kit, which adds to the prototype of all arrays.
  "test/store/db/baseline.test.ts",
];

const EACH = {
  setupFiles: ["test/support/set-up.ts"],
  pool: "forks",
  expect: { poll: { timeout: 60_000 } },
  // Only ends what hangs: a machine that does other work may take several times as long.
  testTimeout: 90_000,
  hookTimeout: 180_000,
  // A test that passes only at the second try has failed.
  retry: 0,
} satisfies TestProjectInlineConfiguration["test"];

export default defineConfig({
  test: {
    globalSetup: ["test/support/memory-files.ts", "test/support/global-setup.ts"],
    // One more than the cores it is meant for: many tests wait for leases, breakers and processes.
    maxWorkers: 3,
    teardownTimeout: 30_000,
    allowOnly: false,
    reporters: reportFile ? ["default", ["json", { outputFile: reportFile }]] : ["default"],
    projects: [
      { test: { ...EACH, name: "processes", include: OF_PROCESSES } },
      {
        test: {
          ...EACH,
          name: "parts",
          setupFiles: [...EACH.setupFiles, "test/support/property-seed.ts"],
          include: [ALL],
          exclude: OF_PROCESSES,
          // Loading the program again for each of some 280 files took a fifth of the whole suite.
          isolate: false,
        },
      },
    ],
  },
});
