import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tryProvider } from "../../src/cli/try-provider.ts";
import { exampleSource } from "../providers/example-provider.ts";
import { runMain } from "../support/gateway-process.ts";

const folder = mkdtempSync(join(tmpdir(), "ringback-test-try-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(content: object | string): string {
  files += 1;
  const path = join(folder, `${files}.json`);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const DONE = { status: 200, body: { status: "done", output: 7 } };

test("without a database or any setting, a definition is shown to read an answer; exit code 0", async () => {
  const { code, output } = await runMain({}, ["try", file(exampleSource), file(DONE)]).exit;
  expect(code).toBe(0);
  expect(output.split("\n")).toEqual(
    expect.arrayContaining([
      "The definition of example (Example) is valid.",
      '  /rules/0 (running): no; /status must be "running", and is "done"',
      "  /rules/1 (completed): MATCHES",
      '  /extract/status at /status: "done"',
      "kind: completed",
      "result: 7",
      "The job ends: job.completed is delivered with the result.",
    ]),
  );
});

test("the numbers of both files keep their digits", async () => {
  const rules = [{ all: [{ pointer: "/n", eq: 0 }], observe: "completed" }];
  const definition = JSON.stringify({ ...exampleSource, rules });
  const answer = '{"status":200,"body":{"n":7615917337495251231,"output":1.0}}';
  const tried = async (number: string) =>
    (await tryProvider([file(definition.replace('"eq":0', `"eq":${number}`)), file(answer)])).text;
  expect(await tried("7615917337495251231")).toContain("  /rules/0 (completed): MATCHES");
  expect(await tried("7615917337495251000")).toContain("/n must be 7615917337495251000, and is 76");
});

test("a definition with mistakes is refused with their places and what would be valid; exit code 1", async () => {
  const wrong = { ...exampleSource, rules: [{ observe: "done" }], retries: 3 };
  const { code, output } = await runMain({}, ["try", file(wrong), file(DONE)]).exit;
  expect(code).toBe(1);
  expect(output).toContain("has 2 mistakes:");
  expect(output).toMatch(/^ {2}\/rules\/0\/observe: Must be one of: "running", "completed"/m);
  expect(output).toMatch(/^ {2}\/retries: This field is unknown/m);
});

test("without an answer only the definition is checked", async () => {
  expect(await tryProvider([file(exampleSource)])).toEqual({
    code: 0,
    text: "The definition of example (Example) is valid.",
  });
});

test("what a 404 means hangs on the job's age and on whether it was seen before", async () => {
  const args = [file(exampleSource), file({ status: 404 })];
  const meaning = async (...options: string[]) => (await tryProvider([...args, ...options])).text;
  expect(await meaning()).toContain("cause: not_visible_yet");
  expect(await meaning("--age-s", "31")).toContain("kind: absent");
  expect(await meaning("--seen-before")).toContain("kind: absent");
  expect(await meaning()).toContain("No rule matches: HTTP's own meaning holds.");
});

test("the answer to the second request can be tried too", async () => {
  const definition = file({
    ...exampleSource,
    result: { kind: "request", request: { path: "/files/{job_id}" }, at: ["/data"] },
  });
  const { text } = await tryProvider([definition, file(DONE), "--result"]);
  expect(text).toContain("/result/at: nothing");
  expect((await tryProvider([definition, file(DONE)])).text).toContain("kind: result_wanted");
});

test.each<[string, () => string[], string]>([
  ["no file is named", () => [], "Usage: "],
  ["too many are", () => ["a", "b", "c"], "Usage: "],
  ["an option is unknown", () => ["a", "--what"], "Usage: "],
  ["the age is no number", () => ["a", "--age-s", "old"], "Usage: "],
  ["there is no such file", () => [join(folder, "none.json")], "There is no such file"],
  ["the definition is no JSON", () => [file("{")], "It is not JSON at line 1, column 2"],
  [
    "the answer is none",
    () => [file(exampleSource), file({ status: "ok", text: "" })],
    "/status: Must be",
  ],
  [
    "there is no second request",
    () => [file(exampleSource), file(DONE), "--result"],
    "no second request",
  ],
])("it says what is wrong when %s; exit code 1", async (_when, args, told) => {
  const { code, text } = await tryProvider(args());
  expect(code).toBe(1);
  expect(text).toContain(told);
});
