import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCli } from "../support/cli-process.ts";
import { type CliResult, runCli } from "../support/cli.ts";
import { type FakeUpstream, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY } from "../support/gateway-environment.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/* `ringback import`, on a gateway. */

const folder = mkdtempSync(join(tmpdir(), "ringback-test-import-"));
let gateway: TestGateway;
let upstream: FakeUpstream;
let env: Record<string, string>;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  gateway = await startTestGateway({
    PULSE_API_KEY: "upstream-key",
    PULSE_BASE_URL: upstream.origin,
  });
  env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: API_KEY };
});

afterAll(async () => {
  await gateway.discard();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

function fileWith(name: string, ...lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}

function importing(...args: readonly string[]): Promise<CliResult> {
  return runCli(["import", ...args], env);
}

/** A busy gateway may have stored a line whose response was late: sent again, it was there before. */
function summaryIn({ stdout }: CliResult): object {
  const [, lines, made, before, refused] =
    /(\d+) lines: (\d+) subscribed, (\d+) subscribed before, (\d+) refused\.\n$/.exec(stdout) ?? [];
  return {
    lines: Number(lines),
    accepted: Number(made) + Number(before),
    refused: Number(refused),
  };
}

async function count(inbox: string): Promise<number> {
  const [row] = await gateway.sql<{ count: number }[]>`
    select count(*)::int as count from subscriptions where callback_url = ${`inbox:${inbox}`}`;
  return row?.count ?? 0;
}

test("subscribes to each line, says which are refused and why, and a second run makes nothing twice", async () => {
  const good = '{"job_id": "i1", "metadata": {"n": 1.10, "big": 12345678901234567890}}';
  const file = fileWith("jobs.ndjson", good, '{"job_id": ""}', "", "{", '{"job_id": "i2"}', good);
  const checked = await importing(file, "--inbox", "first", "--dry-run");
  expect(checked.stdout).toMatch(/\n5 lines: 3 would be accepted, 2 refused\.\n$/);
  expect(checked.code).toBe(1);
  expect(await count("first")).toBe(0);

  const first = await importing(file, "--inbox", "first");
  expect(first.stdout).toMatch(
    /^line 2 {2}validation_failed {2}.*job_id.*\nline 4 {2}invalid_line {2}The line is not valid JSON\.\n5 lines/,
  );
  expect(summaryIn(first)).toEqual({ lines: 5, accepted: 3, refused: 2 });
  expect(first).toMatchObject({ code: 1, stderr: "" });
  expect(await count("first")).toBe(2);
  const { body } = await gateway.api("GET", "/v1/subscriptions?job_id=i1");
  const [{ id }] = body.data;
  const shown = await fetch(`${gateway.url}/v1/subscriptions/${id}`, {
    headers: { authorization: `Bearer ${API_KEY}` },
  });
  expect(await shown.text()).toContain('{"n": 1.10, "big": 12345678901234567890}');

  // Corrected, with a line more at its beginning.
  const mended = fileWith("mended.ndjson", '{"job_id": "i0"}', good, '{"job_id": "i2"}');
  const again = await importing(mended, "--inbox", "first");
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(summaryIn(again)).toEqual({ lines: 3, accepted: 3, refused: 0 });
  expect(await count("first")).toBe(3);
});

test("import takes CSV, and prints JSON for programs", async () => {
  const file = fileWith(
    "jobs.csv",
    "job_id,inbox,provider,metadata.invoice",
    "c1,csv,,17",
    "c2,csv,absent,18",
  );
  const { code, stdout } = await importing(file, "--json");
  expect(code).toBe(1);
  const [refused, summary] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(refused).toMatchObject({
    line: 3,
    code: "unknown_provider",
    errors: [{ pointer: "/provider" }],
  });
  expect(summary).toMatchObject({ lines: 2, refused: 1, dry_run: false });
  expect(summary.subscribed + summary.already_subscribed).toBe(1);
  const { body } = await gateway.api("GET", "/v1/subscriptions?job_id=c1");
  expect(body.data).toMatchObject([{ inbox: "csv", metadata: { invoice: "17" } }]);
});

test("import shows progress on a terminal, nothing of it when piped, and reads standard input", async () => {
  const lines = Array.from({ length: 20 }, (_, index) => `{"job_id":"p${index}"}`).join("\n");
  const args = ["import", "-", "--inbox", "piped"];
  const shown = await runCli(args, env, lines, true);
  expect(shown.stderr).toContain("20 lines imported, 0 of them refused …");
  expect(summaryIn(shown)).toEqual({ lines: 20, accepted: 20, refused: 0 });
  const piped = await runCli(args, env, lines);
  expect(piped.stdout).toBe("20 lines: 0 subscribed, 20 subscribed before, 0 refused.\n");
  expect(piped.stderr).toBe("");
  expect(await count("piped")).toBe(20);
});

test.each([
  [["absent.csv"], 1, /There is no file absent\.csv/],
  [["jobs.txt"], 1, /does not say what is in it\.\nGive --format/],
  [["-", "--inbox", "a", "--callback-url", "https://x.example"], 1, /Give either/],
  [[folder, "--format", "csv"], 1, /is a folder/],
])("import %j is refused before anything is sent", async (args, code, message) => {
  const refused = await importing(...args);
  expect(refused.stderr).toMatch(message);
  expect(refused.code).toBe(code);
});

test("a wrong key has its own exit code", async () => {
  const file = fileWith("one.ndjson", '{"job_id":"x","inbox":"x"}');
  const wrong = await runCli(["import", file], { ...env, RINGBACK_API_KEY: "rb_wrong" });
  expect(wrong.stderr).toMatch(/^Error: The API key is unknown/);
  expect(wrong.code).toBe(3);
});

test("Ctrl-C ends it while it waits for input and a response, and it says how to go on", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const asked = once(server, "request");
  const { child, exit } = startCli(["import", "-", "--inbox", "held"], {
    RINGBACK_URL: `http://127.0.0.1:${port}`,
    RINGBACK_API_KEY: API_KEY,
  });
  const lines = Array.from({ length: 1000 }, (_, index) => `{"job_id":"h${index}"}\n`);
  child.stdin?.write(lines.join(""));
  await asked;
  child.kill("SIGINT");
  const { code, stderr } = await exit;
  expect(stderr).toMatch(/^Stopped after 0 lines\. Run the same command again within 24 hours/);
  expect(code).toBe(130);
  server.closeAllConnections();
  server.close();
});
