import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exampleSource } from "../providers/example-provider.ts";
import { runCli } from "../support/cli.ts";
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

/** Its output on both streams, and its exit code. */
async function tryProvider(args: readonly string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await runCli(["try", ...args]);
  return { code, text: `${stdout}${stderr}`.trimEnd() };
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

test("a built-in provider goes by its name, and a name that is none is told the others", async () => {
  const answer = file({ status: 200, body: { job_id: "a", status: "completed", result: 7 } });
  const { code, text } = await tryProvider(["pulse", answer]);
  expect(text).toContain("The definition of pulse (Pulse) is valid.");
  expect(text).toContain("The job ends: job.completed is delivered with the result.");
  expect(code).toBe(0);
  const unknown = await tryProvider(["pulze", answer]);
  expect(unknown.text).toMatch(
    /^pulze: There is no such file or folder\.\nBuilt-in providers: .*\bpulse\b/,
  );
  expect(unknown.code).toBe(1);
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

test.each([
  [
    "output of curl -i",
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"status":"done","output":7}',
  ],
  [
    "curl -i over HTTP/2, with LF",
    'HTTP/2 200\ncontent-type: application/json\n\n{"status":"done","output":7}',
  ],
  [
    "curl -i through a proxy, after an interim answer",
    'HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx: 1\r\nx: 2\r\n\r\n{"status":"done","output":7}',
  ],
  ["a bare body", '{"status":"done","output":7}'],
])("an answer may be %s", async (_what, text) => {
  const tried = await tryProvider([file(exampleSource), file(text)]);
  expect(tried.text).toContain("result: 7");
  expect(tried.text.includes("is read as a body that came with HTTP 200")).toBe(
    !text.startsWith("HTTP"),
  );
  expect(tried.code).toBe(0);
});

test("headers and status of what curl -i printed count", async () => {
  const answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\nslow down";
  const { text } = await tryProvider([file(exampleSource), file(answer)]);
  expect(text).toContain("HTTP 429, 9 bytes, not read as JSON");
  expect(text).toContain("retry_after_s: 7");
});

test("a bare body comes with the status that is given, and from standard input for -", async () => {
  const { stdout } = await runCli(
    ["try", file(exampleSource), "-", "--status", "503"],
    {},
    "<html>",
  );
  expect(stdout).toContain("HTTP 503, 6 bytes, not read as JSON");
});

test("--json prints the same for a program", async () => {
  const { stdout } = await runCli(["try", file(exampleSource), file(DONE), "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({
    valid: true,
    provider: "example",
    steps: { http_status: 200, observation: { kind: "completed", result: "7" } },
  });
  const refused = await runCli(["try", file({}), "--json"]);
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({ valid: false });
});

test("the meaning of a 404 depends on the job's age and on whether it was seen before", async () => {
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
  ["no file is named", () => [], "missing required argument 'definition'"],
  ["too many are", () => ["a", "b", "c"], "too many arguments for 'try'"],
  ["an option is unknown", () => ["a", "--what"], "unknown option '--what'"],
  ["the age is no number", () => ["a", "--age-s", "old"], "Give a number from 0 to"],
  ["the status is none", () => ["a", "--status", "20"], "Give a whole number from 100 to 599"],
  ["there is no such file", () => [join(folder, "none.json")], "There is no such file"],
  ["the definition is no JSON", () => [file("{")], "It is not JSON at line 1, column 2"],
  [
    "the answer is none",
    () => [file(exampleSource), file({ status: "ok", body: "" })],
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

test("an answer to a submission shows the job that it would be read as having submitted", async () => {
  const definition = file({
    ...exampleSource,
    submit: [{ path: "/jobs", job_id: { pointer: "/id" }, params: {} }],
  });
  const answer = file({ status: 202, body: { id: "j-1" } });
  const { code, text } = await tryProvider([definition, answer, "--submission", "POST /jobs"]);
  expect({ code, lines: text.split("\n") }).toEqual({
    code: 0,
    lines: expect.arrayContaining(["job_id: j-1", "recognized_by: /submit/0"]),
  });
  const other = await tryProvider([definition, answer, "--submission", "POST /others"]);
  expect(other.text).toContain("no entry of submit fits POST /others");
});
