import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MIB = 2 ** 20;
const READ_BOMBS = fileURLToPath(new URL("../support/read-bombs.ts", import.meta.url));

interface Measured {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  readonly causes: readonly string[];
}

test("answers of 10 MiB that are built to take a gigabyte take next to nothing, and leave nothing", async () => {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["--expose-gc", READ_BOMBS]);
  const { before, peak, after, causes } = JSON.parse(stdout) as Measured;
  expect(new Set(causes)).toEqual(new Set(["unreadable_answer"]));
  // Parsed, the worst of them takes more than 500 MiB.
  expect(peak - before).toBeLessThan(200 * MIB);
  expect(after - before).toBeLessThan(100 * MIB);
}, 120_000);
