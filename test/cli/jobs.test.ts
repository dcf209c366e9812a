import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCliProcess, startCli } from "../support/cli-process.ts";
import { runCli } from "../support/cli.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/* The commands for a gateway's jobs. */

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
  });
  env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: API_KEY };
});

afterAll(async () => {
  await gateway.discard();
  await receiver.close();
  await upstream.close();
});

const RESULT = '{"decimal":1.10,"integer":12345678901234567890}';

test("subscribe, wait and why: a job from its subscription to its ending", async () => {
  upstream.answer("cli-job", [pulseAnswer.processing(), pulseAnswer.processing()]);
  const target = ["--callback-url", receiver.url("/cli-job"), "--metadata", '{"invoice":17}'];
  const subscribed = await runCliProcess(["subscribe", "cli-job", ...target], env);
  expect(subscribed.stdout).toMatch(
    /^sub_[0-9a-f]{32} {2}cli-job at pulse\/default → http:\/\/127\.0\.0\.1:\d+\/cli-job\n$/,
  );
  expect(subscribed.code).toBe(0);

  const running = await runCliProcess(["why", "cli-job"], env);
  expect(running.stdout).toMatch(
    /^cli-job at pulse\/default: p\w+ {2}\(job_[0-9a-f]{32}\)\n\n.+\n→ .+\n/,
  );
  expect(running.stdout).toContain("Waits for: ");

  const waiting = startCli(["wait", "cli-job"], env);
  await upstream.polled("cli-job", 3);
  upstream.answer("cli-job", pulseAnswer.completed(RESULT));
  const waited = await waiting.exit;
  expect(waited).toMatchObject({ code: 0, stderr: "" });
  expect(waited.stdout).toMatch(/^completed {2}cli-job\n/);
  expect((await receiver.takeOne("/cli-job")).event.data.metadata).toEqual({ invoice: 17 });
});

test("extend moves the deadline of a job, by whatever name it is given", async () => {
  upstream.answer("cli-extended", pulseAnswer.processing());
  await runCli(["subscribe", "cli-extended", "--inbox", "cli", "--deadline", "25d"], env);
  const extended = await runCli(["extend", "cli-extended", "--deadline", "30d", "--json"], env);
  const { id, deadline_at: deadline } = JSON.parse(extended.stdout);
  const shown = await runCli(["extend", id, "--deadline", "1h"], env);
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toContain(deadline.slice(0, 10));
  const tooFar = await runCli(["extend", id, "--deadline", "399d"], env);
  expect(tooFar.stderr).toContain("the longest that pulse allows");
  expect((await runCli(["extend", id, "--deadline", "1y"], env)).stderr).toContain("400 days");
});

test("wait --result prints the result as the provider wrote it, and --json the event", async () => {
  upstream.answer("cli-digits", pulseAnswer.completed(RESULT));
  await runCli(["subscribe", "cli-digits", "--inbox", "cli"], env);
  expect(await runCliProcess(["wait", "cli-digits", "--result"], env)).toEqual({
    code: 0,
    stdout: RESULT,
    stderr: "",
  });
  const { stdout } = await runCli(["wait", "cli-digits", "--json"], env);
  expect(stdout).toContain(`"result":${RESULT}`);
  expect(JSON.parse(stdout)).toMatchObject({ type: "job.completed" });
});

test("subscribe keeps each digit of the metadata, and wait shows each of the result", async () => {
  upstream.answer("cli-exact", pulseAnswer.completed(RESULT));
  const metadata = '{"price": 1.10, "id": 12345678901234567890}';
  const args = ["subscribe", "cli-exact", "--inbox", "cli", "--metadata", metadata, "--json"];
  expect((await runCli(args, env)).stdout).toContain(`"metadata":${metadata}`);
  expect((await runCli(["wait", "cli-exact"], env)).stdout).toBe(
    `completed  cli-exact\n${RESULT}\n`,
  );
  const explained = await runCli(["why", "cli-exact", "--json"], env);
  expect(JSON.parse(explained.stdout)).toMatchObject({ reason: "delivered" });
});

test("wait --result prints nothing but a result: how the job failed goes to standard error", async () => {
  upstream.answer("cli-unread", pulseAnswer.failed("The file is empty."));
  await runCli(["subscribe", "cli-unread", "--inbox", "cli"], env);
  expect(await runCliProcess(["wait", "cli-unread", "--result"], env)).toEqual({
    code: 5,
    stdout: "",
    stderr: "failed  cli-unread\nThe file is empty.\n",
  });
});

test("subscribe --wait subscribes and waits; a job that fails has an exit code of its own", async () => {
  upstream.answer("cli-failed", pulseAnswer.failed("The file is empty."));
  const args = ["subscribe", "cli-failed", "--inbox", "cli", "--wait"];
  const { code, stdout } = await runCliProcess(args, env);
  expect(stdout).toMatch(/^sub_.* → inbox cli\nfailed {2}cli-failed\nThe file is empty\.\n$/);
  expect(code).toBe(5);
});

test("wait gives up after --timeout, and ends at Ctrl-C, each with its exit code", async () => {
  upstream.answer("cli-long", pulseAnswer.processing());
  await runCli(["subscribe", "cli-long", "--inbox", "cli"], env);
  const late = await runCli(["wait", "cli-long", "--timeout", "100ms"], env);
  expect(late.stderr).toMatch(
    /^Error: The job of sub_\w+ had not ended after 100 ms\. It is still watched: wait again, or longer\.\n$/,
  );
  expect(late.code).toBe(6);

  const waiting = startCli(["wait", "cli-long"], env);
  await requestWaits();
  waiting.child.kill("SIGINT");
  expect(await waiting.exit).toEqual({ code: 130, stdout: "", stderr: "" });
});

/** Resolves once the gateway holds back the answer to a request that waits. */
async function requestWaits(): Promise<void> {
  await expect
    .poll(async () => (await gateway.api("GET", "/metrics")).text)
    .toMatch(/^ringback_ending_waits(?:\{.*\})? [1-9]/m);
}

test("list shows what is there, as a table or digit by digit as JSON lines", async () => {
  upstream.answer("cli-listed", pulseAnswer.processing());
  const args = ["subscribe", "cli-listed", "--inbox", "cli", "--json"];
  const { stdout: made } = await runCli(args, env);
  const { id } = JSON.parse(made) as { id: string };
  const table = await runCliProcess(["list", "--job", "cli-listed"], env);
  expect(table.stdout).toMatch(
    new RegExp(
      `^id +status +job +provider +goes to +created\\n${id} +active +cli-listed +pulse +cli +\\S+ \\S+Z\\n$`,
    ),
  );
  const json = await runCli(["list", "--job", "cli-listed", "--json"], env);
  expect(JSON.parse(json.stdout)).toMatchObject({ id, object: "subscription" });

  for (const what of [
    "jobs",
    "deliveries",
    "events",
    "inboxes",
    "connections",
    "providers",
    "origins",
    "redeliveries",
  ]) {
    const listed = await runCli(["list", what, "--json"], env);
    expect(listed, what).toMatchObject({ code: 0, stderr: "" });
    const shown = await runCli(["list", what], env);
    expect(shown.code, what).toBe(0);
  }
  const all = await runCli(["list", "--all", "--json"], env);
  const ids = all.stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { id: string }).id);
  expect(ids).toContain(id);
  expect(new Set(ids).size).toBe(ids.length);
});

test.each([
  [["why", "cli-unknown"], 4, /^Error: .*\n/],
  [
    ["wait", "cli-unknown"],
    4,
    /^Error: No subscription watches the job cli-unknown\.\nSubscribe to it first: /,
  ],
  [["subscribe", "x"], 1, /^Error: Give either --callback-url or --inbox\.\n/],
  [
    ["subscribe", "x", "--callback-url", "mailto:a@b"],
    1,
    /'--callback-url <url>' argument 'mailto:a@b' is invalid\. Give a URL/,
  ],
  [["subscribe", "x", "--inbox", "a b"], 1, /^Error: .*\/inbox: Must be 1 to 64 letters/],
  [["subscribe", "x", "--inbox", "a", "--events", "job.done"], 1, /Valid: job\.completed, /],
  [
    ["subscribe", "x", "--callback-url", "http://10.0.0.1/hook"],
    1,
    /^Error: .*10\.0\.0\.1 is an address that is not public.*\nGive a public https URL, .*--inbox/,
  ],
  [
    ["subscribe", "x", "--connection", "nope", "--inbox", "a"],
    1,
    /^Error: .*"nope".*\nName another with --provider and --connection/,
  ],
  [["console-link", "--subscription", "x"], 1, /Must be sub_ and 32 hex digits\./],
  [["list", "--limit", "0"], 1, /Give a whole number from 1 to 100\.\nSee: ringback help list\n$/],
  [["list", "nothing"], 1, /Allowed choices are subscriptions, jobs/],
  [["list", "--status", "done"], 1, /^Error: .*status/],
  [
    ["list", "--url", "http://127.0.0.1:9"],
    2,
    /^Error: GET \/v1\/subscriptions got no answer from http:\/\/127\.0\.0\.1:9: bad port\. Check that the gateway runs.+\nThe address comes from --url, RINGBACK_URL or the profile\.\n$/,
  ],
  [["list", "--url", "gateway"], 1, /^Error: "gateway" is not the address of a gateway\.\nValid: /],
])("%j is refused in plain words, exit code %i", async (args, code, told) => {
  const refused = await runCli(args, env);
  expect(refused.stderr).toMatch(told);
  expect(refused.stderr).not.toMatch(/^ +at /m);
  expect(refused).toMatchObject({ code, stdout: "" });
});

test.each(["list", "why x", "subscribe x --inbox a", "extend job_0 --deadline 1h"])(
  "%s says that the address is that of another program",
  async (command) => {
    const page = createServer((_, response) => response.end("<p>Welcome</p>"));
    page.listen(0, "127.0.0.1");
    await once(page, "listening");
    const url = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
    const { stderr, code } = await runCli([...command.split(" "), "--url", url], env);
    page.close();
    expect(stderr).toMatch(
      /^Error: http:\S+ answered 200, and not as a gateway does: <p>Welcome<\/p>\. Check .+\nThe address comes from/,
    );
    expect(code).toBe(1);
  },
);

test("a wrong API key and a missing one have an exit code of their own", async () => {
  const wrong = await runCli(["list"], { ...env, RINGBACK_API_KEY: "rb_wrong" });
  expect(wrong.stderr).toMatch(/^Error: .+\nCheck RINGBACK_API_KEY or the profile/);
  expect(wrong.code).toBe(3);
  const missing = await runCli(["list"], {
    RINGBACK_URL: gateway.url,
    XDG_CONFIG_HOME: "/nowhere",
    DATA_DIR: "/nowhere",
  });
  expect(missing.stderr).toMatch(
    /^Error: There is no API key for the gateway at .+\nSet RINGBACK_API_KEY/,
  );
  expect(missing.code).toBe(3);
});

test("with --json an error is JSON too", async () => {
  const { stderr, code } = await runCli(["wait", "cli-unknown", "--json"], env);
  expect(JSON.parse(stderr)).toEqual({
    error: {
      code: "not_watched",
      message: "No subscription watches the job cli-unknown.",
      hint: expect.any(String),
      exit_code: 4,
    },
  });
  expect(code).toBe(4);
});

test("nothing is printed when nothing reads the output any more", async () => {
  const listing = startCli(["list", "--all"], env);
  listing.child.stdout?.destroy();
  expect(await listing.exit).toMatchObject({ stderr: "" });
});
