import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { tryExample } from "./support/example-receiver.ts";

const ROOT = resolve(import.meta.dirname, "..");
const DOCUMENTS = ["README.md", ...globSync("docs/**/*.md", { cwd: ROOT })];

test("the receiver for Node takes a job event, an operational event and a test event, and refuses a forged one", async () => {
  const { statuses, printed } = await tryExample({
    command: process.execPath,
    args: [join(ROOT, "examples/receivers/node-http.ts")],
    cwd: ROOT,
  });
  expect(statuses).toEqual([204, 204, 204, 204, 400]);
  // The second delivery of msg_1 is known.
  expect(printed.trim().split("\n")).toEqual([
    "msg_1 job.completed job-1",
    "msg_2 connection.paused undefined",
    "msg_3 ringback.test ringback-test",
  ]);
});

/** Code blocks that begin with the path of a file in `examples/`, which they show as it is. */
const SHOWN = DOCUMENTS.flatMap((document) =>
  [
    ...readFileSync(join(ROOT, document), "utf8").matchAll(
      /```\w+\n((?:\/\/|#) (examples\/\S+)\n[^]*?)```/g,
    ),
  ].map(([, code = "", file = ""]) => ({ document, file, code })),
);

test.each(SHOWN)("$document shows $file as it is run", ({ file, code }) => {
  expect(code).toBe(readFileSync(join(ROOT, file), "utf8"));
});

test("The guides to receivers show one each", () => {
  expect(new Set(SHOWN.map(({ document }) => document))).toEqual(
    new Set(["docs/delivery.md", "docs/guides/verify-a-callback.md", "docs/receivers.md"]),
  );
});
