import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { tryExample } from "./support/example-receiver.ts";

/*
 * The examples that use `ringback/receiver`, each sent an event of every kind as a gateway sends it. `npm run
 * examples` runs all of them from the packed package, and also those whose platform is too large for the
 * project's own packages: workerd (160 MB), Next, Bun, Deno and other languages.
 */

const ROOT = resolve(import.meta.dirname, "..");
const FUNCTION = join(ROOT, "test/support/platform.mjs");

test.each([
  ["node.mjs", []],
  ["express.mjs", []],
  ["fastify.mjs", []],
  ["hono.mjs", []],
  ["workers.mjs", [FUNCTION]],
  ["next-route.mjs", [FUNCTION]],
  ["vercel.mjs", [FUNCTION]],
  ["lambda.mjs", [FUNCTION]],
])("%s takes each callback once, and refuses a forged one", async (file, platform) => {
  const { statuses, printed } = await tryExample({
    command: process.execPath,
    // The package's own source in place of what is built of it.
    args: ["--conditions=ringback-source", ...platform, join(ROOT, "examples/platforms", file)],
    cwd: ROOT,
  });
  expect(statuses).toEqual([204, 204, 204, 204, 400]);
  expect(printed.trim().split("\n")).toEqual([
    "msg_1 job.completed job-1",
    "msg_2 connection.paused undefined",
    "msg_3 ringback.test ringback-test",
  ]);
});
