import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PLATFORM_NAMES, PLATFORMS } from "../../src/cli/commands/receivers/platforms.ts";
import { startCli } from "../support/cli-process.ts";
import { type CliResult, runCli } from "../support/cli.ts";
import { exampleSource } from "../providers/example-provider.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/* The remaining commands for a gateway. */

const PROJECT = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "ringback-test-commands-"));
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
let env: Record<string, string>;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  receiver = await startReceiver(SIGNING_SECRET);
  gateway = await startTestGateway({
    PULSE_API_KEY: "upstream-key",
    PULSE_BASE_URL: upstream.origin,
    RINGBACK_RETRY_SCHEDULE_S: "0.05",
  });
  env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: API_KEY };
});

afterAll(async () => {
  await gateway.discard();
  await receiver.close();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

function run(...args: string[]): Promise<CliResult> {
  return runCli(args, env);
}

/** Has a job end whose callback goes to this path. */
async function callBack(jobId: string, path: string): Promise<void> {
  upstream.answer(jobId, pulseAnswer.completed());
  const body = { job_id: jobId, callback_url: receiver.url(path) };
  expect((await gateway.api("POST", "/v1/subscriptions", body)).status).toBe(201);
}

describe("trigger", () => {
  test("trigger sends a signed sample that the receiver verifies with the project's secret", async () => {
    const data = ["--data", '{"job_id":"mine"}'];
    const sent = await run("trigger", "job.failed", "--to", receiver.url("/trigger"), ...data);
    expect(sent.stdout).toMatch(
      / job\.failed {2}mine {2}→ http:\S+\/trigger {2}200 {2}\d+ ms {2}msg_/,
    );
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    expect(await receiver.takeOne("/trigger")).toMatchObject({
      problem: null,
      event: { type: "job.failed", data: { job_id: "mine", status: "failed" } },
    });
  });

  test("trigger needs no gateway when the secret is given, and fails if the receiver does", async () => {
    receiver.answer("/refuses", { status: 400 });
    const args = ["trigger", "connection.paused", "--to", receiver.url("/refuses"), "--json"];
    const refused = await runCli(args, { WEBHOOK_SECRET: SIGNING_SECRET });
    expect(JSON.parse(refused.stdout)).toMatchObject({ type: "connection.paused", status: 400 });
    expect(refused.stderr).toContain("ringback listen --print-secret");
    expect(refused.code).toBe(1);
    expect((await receiver.takeOne("/refuses")).problem).toBeNull();
  });

  test("trigger refuses an unknown event and lists the known ones", async () => {
    const refused = await run("trigger", "job.done", "--to", receiver.url("/"));
    expect(refused.stderr).toMatch(/Allowed choices are job\.completed, .*ringback\.test/);
  });
});

describe("redeliver", () => {
  test("redeliver sends one callback again, or all that match a filter; --dry-run only counts", async () => {
    receiver.answer("/again", [{ status: 500 }, { status: 500 }, {}]);
    await callBack("again", "/again");
    const { body } = await gateway.api("GET", "/v1/jobs?job_id=again");
    expect(body.data).toHaveLength(1);
    const list = await gateway.until(
      "/v1/deliveries?job_id=again",
      ({ data }) => data[0]?.status === "exhausted",
    );
    const { id } = list.data[0] as { id: string };
    const filter = ["redeliver", "--status", "exhausted", "--origin", receiver.origin];
    expect((await run(...filter, "--dry-run")).stdout).toBe("1 delivery would be sent again.\n");
    expect(receiver.received("/again")).toHaveLength(2);
    expect((await run("redeliver", id, "--dry-run")).stdout).toContain(
      "would be sent again; it is exhausted",
    );

    expect((await run(...filter, "--after", "1h")).stdout).toBe(
      "Sent again: 1 delivery of 1 found.\n",
    );
    await receiver.take("/again", 3);
    await gateway.until(`/v1/deliveries/${id}`, ({ status }) => status === "delivered");
    expect((await run("redeliver", id)).stdout).toMatch(
      /^msg_\w+ {2}job\.completed to http:\S+ is sent again/,
    );
    const callbacks = await receiver.take("/again", 4);
    expect(new Set(callbacks.map(({ webhookId }) => webhookId)).size).toBe(1);
  });

  test("redeliver shows on a terminal how far it is, and nothing of that when piped", async () => {
    for (const job of ["far-1", "far-2"]) await callBack(job, "/far");
    await receiver.take("/far", 2);
    await gateway.until(
      "/v1/deliveries?callback_origin=" + encodeURIComponent(receiver.origin),
      ({ data }) => data.every(({ status }: { status: string }) => status !== "pending"),
    );
    const args = ["redeliver", "--status", "delivered", "--per-second", "4"];
    const shown = await runCli(args, env, "", true);
    expect(shown.stderr).toMatch(/\d+ found, \d+ sent again …/);
    expect(shown.stderr.endsWith("\r\u001b[K")).toBe(true);
    expect(shown.stdout).toMatch(/^Sent again: \d+ deliveries of \d+ found\.\n$/);
    expect(await run(...args)).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([
    [["redeliver"], "Say what to send again"],
    [["redeliver", "msg_1", "--status", "gone"], "not both"],
    [["redeliver", "--status", "lost"], "Valid: exhausted, delivered, gone, pending."],
    [["redeliver", "--status", "gone", "--after", "yesterday"], "Give a time such as"],
  ])("redeliver refuses %j", async (args, told) => {
    const refused = await run(...args);
    expect(refused.stderr).toContain(told);
    expect(refused.code).toBe(1);
  });
});

test("tail shows events as they are recorded, each once, and only those that are asked for", async () => {
  await callBack("tail-before", "/tail");
  await receiver.take("/tail", 1);
  const tailing = startCli(["tail", "--since", "1h", "--job", "tail-2", "--json"], env);
  const all = startCli(["tail", "--since", "1h"], env);
  try {
    await all.until(/job\.completed {2}tail-before/);
    await callBack("tail-1", "/tail");
    await callBack("tail-2", "/tail");
    await all.until(/job\.completed {2}tail-1 /);
    await all.until(/job\.completed {2}tail-2 /);
    await tailing.until(/tail-2/);
    tailing.child.kill("SIGINT");
    const { code, stdout } = await tailing.exit;
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toEqual([
      expect.objectContaining({
        object: "event",
        data: expect.objectContaining({ job_id: "tail-2" }),
      }),
    ]);
    const ids = [...all.stdout().matchAll(/evt_\w+/g)].map(([id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  } finally {
    all.child.kill("SIGKILL");
    tailing.child.kill("SIGKILL");
    await all.exit;
  }
});

test("tail without --since shows nothing that was there before", async () => {
  await callBack("tail-old", "/tail-old");
  await receiver.takeOne("/tail-old");
  const tailing = startCli(["tail"], env);
  try {
    await tailing.until(/Following the events of/);
    await callBack("tail-new", "/tail-old");
    await tailing.until(/tail-new/);
    expect(tailing.stdout()).not.toContain("tail-old");
  } finally {
    tailing.child.kill("SIGKILL");
    await tailing.exit;
  }
});

test("key makes, lists and revokes API keys", async () => {
  const made = await run(
    "key",
    "create",
    "ci",
    "--scopes",
    "subscriptions:read",
    "--expires",
    "30d",
  );
  expect(made.stdout).toMatch(/^rb_\w+\n$/);
  const key = made.stdout.trim();
  expect((await runCli(["list"], { ...env, RINGBACK_API_KEY: key })).code).toBe(0);
  const forbidden = await runCli(["key", "list"], { ...env, RINGBACK_API_KEY: key });
  expect(forbidden.stderr).toContain("The API key lacks the scope for this");
  expect(forbidden.code).toBe(3);
  const [, id = ""] =
    /^(key_\w+) +ci +subscriptions:read /m.exec((await run("key", "list")).stdout) ?? [];
  expect((await run("key", "revoke", id)).stdout).toBe(`${id} is revoked.\n`);
  await expect
    .poll(async () => (await runCli(["list"], { ...env, RINGBACK_API_KEY: key })).code)
    .toBe(3);
});

test("inbox read prints messages, and --ack goes on behind them", async () => {
  upstream.answer("inbox-1", pulseAnswer.completed());
  await run("subscribe", "inbox-1", "--inbox", "cli-read", "--wait");
  const read = ["inbox", "read", "cli-read", "--consumer", "worker", "--ack"];
  await expect
    .poll(async () => (await run("inbox", "read", "cli-read")).stdout)
    .toContain("inbox-1");
  expect((await run(...read)).stdout).toMatch(/^msg_\w+ {2}job\.completed {2}inbox-1\n$/);
  expect((await run(...read)).stdout).toBe("");
  expect((await run("inbox", "delete", "cli-read")).code).toBe(0);
  expect((await run("inbox", "read", "cli-read")).code).toBe(4);
});

test("try asks about a live job by a provider's name, or by a file that the gateway does not have", async () => {
  upstream.answer("try-job", pulseAnswer.failed("The file is empty."));
  const named = await run("try", "pulse", "--job", "try-job");
  expect(named.stdout).toMatch(/^GET http:\S+\/job\/try-job\nHTTP 200, /);
  expect(named.stdout).toContain("job.failed is delivered");
  expect(named.code).toBe(0);
  const { name, ...definition } = exampleSource;
  expect((await gateway.api("PUT", `/v1/providers/${name}`, definition)).status).toBe(201);
  const connection = { provider: name, credential: "upstream-key", base_url: upstream.origin };
  expect((await gateway.api("POST", "/v1/connections", connection)).status).toBe(201);
  const changed = {
    ...exampleSource,
    status: { path: "/job/{job_id}" },
    rules: [{ all: [{ pointer: "/status", eq: "failed" }], observe: "failed" }],
  };
  const file = join(folder, "example.json");
  writeFileSync(file, JSON.stringify(changed));
  const tried = await run("try", file, "--job", "try-job", "--json");
  expect(tried).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(tried.stdout)).toMatchObject({
    provider: "example",
    asked: { method: "GET", url: expect.stringMatching(/\/job\/try-job$/) },
    steps: { observation: { kind: "failed", error: "The file is empty." } },
  });
  // Neither the file's digits nor the answer's are rounded.
  upstream.answer("try-digits", {
    body: '{"status":"done","id":12345678901234567890,"output":{"price":1.10}}',
  });
  const rules =
    '[{"all":[{"pointer":"/id","eq":12345678901234567891}],"observe":"failed"},' +
    '{"all":[{"pointer":"/id","eq":12345678901234567890}],"observe":"completed"}]';
  writeFileSync(file, JSON.stringify({ ...changed, rules: "RULES" }).replace('"RULES"', rules));
  const exact = await run("try", file, "--job", "try-digits", "--json");
  expect(JSON.parse(exact.stdout)).toMatchObject({ steps: { observation: { kind: "completed" } } });
  expect(exact.stdout).toContain("1.10");
  const stored = await gateway.api("GET", `/v1/providers/${name}`);
  expect(stored.body.definition.status).toEqual({ path: "/jobs/{job_id}" });
});

describe("init", () => {
  test.each(PLATFORM_NAMES)(
    "init writes a receiver for %s that equals the example",
    async (platform) => {
      const dir = join(folder, platform);
      const written = await runCli(["init", platform, "--dir", dir, "--json"]);
      expect(written).toMatchObject({ code: 0, stderr: "" });
      for (const [from, to] of Object.entries(PLATFORMS[platform].files)) {
        const example = readFileSync(join(PROJECT, "examples", from), "utf8");
        expect(readFileSync(join(dir, to), "utf8")).toBe(example);
      }
    },
  );

  test("init never replaces a file without --force, and then writes none", async () => {
    const dir = join(folder, "taken");
    await runCli(["init", "go", "--dir", dir]);
    rmSync(join(dir, "go.mod"));
    writeFileSync(join(dir, "main.go"), "mine");
    const refused = await runCli(["init", "go", "--dir", dir]);
    expect(refused.stderr).toMatch(/^Error: There is a file already: \S+main\.go, /);
    expect(refused.code).toBe(1);
    expect(existsSync(join(dir, "go.mod"))).toBe(false);
    expect(readFileSync(join(dir, "main.go"), "utf8")).toBe("mine");
    expect((await runCli(["init", "go", "--dir", dir, "--force"])).code).toBe(0);
    expect(readFileSync(join(dir, "main.go"), "utf8")).toContain("package main");
  });
});

test("a gateway of this machine that left its key in its data folder is found without any setting", async () => {
  const dataDir = join(folder, "data");
  await runCli(["init", "node", "--dir", dataDir]);
  writeFileSync(join(dataDir, "api-key"), `${API_KEY}\n`, { mode: 0o600 });
  const local = { RINGBACK_URL: gateway.url, DATA_DIR: dataDir, XDG_CONFIG_HOME: folder };
  expect((await runCli(["list"], local)).code).toBe(0);
  chmodSync(join(dataDir, "api-key"), 0o644);
  expect((await runCli(["list"], local)).stderr).toContain("Others can read");
});
