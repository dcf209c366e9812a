import { randomBytes } from "node:crypto";
import pty from "@lydell/node-pty";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { cliCommand, type RunningCli, startCli } from "../support/cli-process.ts";
import { runCli } from "../support/cli.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type FakeUpstream, pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { unusedPort } from "../support/ports.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

/* Events that come to a receiver on this machine through an inbox. */

let database: TestDatabase;
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
let settings: Record<string, string>;
let env: Record<string, string>;
const running: RunningCli[] = [];

beforeAll(async () => {
  upstream = await startFakeUpstream();
  receiver = await startReceiver(SIGNING_SECRET);
  database = await createTestDatabase();
  const port = await unusedPort();
  settings = {
    PORT: String(port),
    DATABASE_URL: database.url,
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    PULSE_API_KEY: "upstream-key",
    PULSE_BASE_URL: upstream.origin,
  };
  gateway = await startTestGateway(settings);
  env = { RINGBACK_URL: gateway.url, RINGBACK_API_KEY: API_KEY };
});

afterEach(async () => {
  for (const { child } of running) child.kill("SIGKILL");
  await Promise.all(running.splice(0).map(({ exit }) => exit));
});

afterAll(async () => {
  await gateway.discard();
  await database.drop();
  await receiver.close();
  await upstream.close();
});

function listen(args: readonly string[], more: Record<string, string> = {}): RunningCli {
  const started = startCli(["listen", ...args], { ...env, ...more });
  running.push(started);
  return started;
}

/** Has a job end whose event goes into an inbox. */
async function endJob(jobId: string, inbox: string): Promise<string> {
  upstream.answer(jobId, pulseAnswer.completed());
  const { body } = await gateway.api("POST", "/v1/subscriptions", { job_id: jobId, inbox });
  return body.id as string;
}

function jobsAt(path: string): string[] {
  return receiver.received(path).map(({ event }) => event.data.job_id as string);
}

test("events are forwarded as they would be called back, and each exchange is a line", async () => {
  const listening = listen([
    "--inbox",
    "lines",
    "--forward-to",
    receiver.url("/lines"),
    "--header",
    "x-dev=1",
  ]);
  await listening.until(/Listening to the inbox lines at http:.* as listen-\S+, from now on\.\n/);
  const subscriptionId = await endJob("lines-1", "lines");
  const callback = await receiver.takeOne("/lines");
  expect(callback).toMatchObject({ problem: null, headers: { "x-dev": "1" } });
  await listening.until(
    /^\d\d:\d\d:\d\d {2}job\.completed {2}lines-1 {2}→ {2}200 {2}\d+ ms {2}msg_\w+\n/,
  );

  const { body } = await gateway.api("GET", `/v1/subscriptions/${subscriptionId}/deliveries`);
  const [delivery] = body.data as { id: string }[];
  await gateway.api("POST", `/v1/deliveries/${delivery?.id}/redeliver`);
  const [, again] = await receiver.take("/lines", 2);
  expect(again).toMatchObject({ problem: null, webhookId: callback.webhookId });
  await listening.until(/lines-1 {2}→ {2}200 {2}\d+ ms {2}msg_\w+ {2}\(again\)\n/);

  receiver.answer("/lines", { status: 503 });
  await endJob("lines-2", "lines");
  await listening.until(/lines-2 {2}→ {2}503 /);
  listening.child.kill("SIGINT");
  expect(await listening.exit).toMatchObject({ code: 0 });

  // Messages that arrived while it was away are forwarded when it is back.
  await endJob("lines-3", "lines");
  const back = listen(["--inbox", "lines", "--forward-to", receiver.url("/lines")]);
  await back.until(/going on where it was\./);
  await back.until(/lines-3 {2}→/);
  expect(jobsAt("/lines")).toEqual(["lines-1", "lines-1", "lines-2", "lines-3"]);
});

test("it says loudly when the gateway is away, and goes on when it is back: nothing lost, nothing doubled", async () => {
  const listening = listen(["--inbox", "restart", "--forward-to", receiver.url("/restart")]);
  await listening.until(/from now on/);
  await endJob("restart-1", "restart");
  await listening.until(/restart-1 {2}→ {2}200/);
  await gateway.stop();
  await listening.until(/DISCONNECTED from http:\/\/127\.0\.0\.1:\d+: /);
  gateway = await startTestGateway(settings);
  await endJob("restart-2", "restart");
  await listening.until(/Connected again after \d+ s\.\n/);
  await listening.until(/restart-2 {2}→ {2}200/);
  expect(jobsAt("/restart")).toEqual(["restart-1", "restart-2"]);
});

test("a connection that breaks while a message is forwarded neither loses nor doubles one", async () => {
  const proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(settings["PORT"]) });
  try {
    const url = { RINGBACK_URL: `http://127.0.0.1:${proxy.port}` };
    const { promise: isCut, resolve: cut } = Promise.withResolvers<void>();
    receiver.answer("/cut", async (_callback, number) => {
      if (number === 2) await isCut;
      return {};
    });
    // More than a page.
    const jobs = Array.from({ length: 12 }, (_, index) => `cut-${index + 10}`);
    const listening = listen(["--inbox", "cut", "--forward-to", receiver.url("/cut")], url);
    await listening.until(/from now on/);
    for (const job of jobs) await endJob(job, "cut");
    await receiver.take("/cut", 2);
    await proxy.close();
    cut();
    await listening.until(/DISCONNECTED/);
    const again = await startTcpProxy(
      { host: "127.0.0.1", port: Number(settings["PORT"]) },
      proxy.port,
    );
    await listening.until(/Connected again/);
    await receiver.take("/cut", jobs.length);
    await again.close();
    expect(jobsAt("/cut").sort()).toEqual(jobs);
  } finally {
    await proxy.close();
  }
});

test("one process serves many receivers and inboxes, and --events chooses", async () => {
  upstream.answer("many-failed", pulseAnswer.failed("broken"));
  const listening = listen([
    `--forward-to=many-a=${receiver.url("/many-a")}`,
    `--forward-to=many-b=${receiver.url("/many-b")}`,
    `--forward-to=many-b=${receiver.url("/many-b2")}`,
    "--events=job.completed",
    "--json",
  ]);
  await listening.until(/inbox many-b at/);
  await gateway.api("POST", "/v1/subscriptions", { job_id: "many-failed", inbox: "many-a" });
  await endJob("many-1", "many-a");
  await endJob("many-2", "many-b");
  await receiver.takeOne("/many-a");
  await receiver.takeOne("/many-b");
  await receiver.takeOne("/many-b2");
  await expect.poll(() => listening.stdout().trim().split("\n").length).toBe(3);
  const lines = listening
    .stdout()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(lines).toContainEqual(
    expect.objectContaining({
      inbox: "many-a",
      type: "job.completed",
      job_id: "many-1",
      status: 200,
      error: null,
      url: receiver.url("/many-a"),
    }),
  );
  expect(jobsAt("/many-a")).toEqual(["many-1"]);
});

test("a receiver that is not there is said so, and the listening goes on", async () => {
  const port = await unusedPort();
  const listening = listen(["--inbox", "absent", "--forward-to", `localhost:${port}/hook`]);
  await listening.until(/from now on/);
  await endJob("absent-1", "absent");
  await listening.until(/absent-1 {2}→ {2}connection refused: nothing listens there/);
  await endJob("absent-2", "absent");
  await listening.until(/absent-2 {2}→ {2}connection refused/);
  expect(listening.child.exitCode).toBeNull();
});

test("on a terminal r sends the last one again with a fresh signature, d shows it and q quits", async () => {
  const args = ["listen", "--inbox", "keys", "--forward-to", receiver.url("/keys")];
  const command = cliCommand(args, env);
  const terminal = pty.spawn(command.file, command.args, { cols: 200, rows: 30, env: command.env });
  let printed = "";
  terminal.onData((chunk) => (printed += chunk));
  const exit = new Promise<number>((resolve) =>
    terminal.onExit(({ exitCode }) => resolve(exitCode)),
  );
  await expect.poll(() => printed).toContain("Keys: r sends the last one again");
  await endJob("keys-1", "keys");
  await expect.poll(() => printed).toContain("keys-1");
  terminal.write("r");
  const [first, second] = await receiver.take("/keys", 2);
  expect(second).toMatchObject({ problem: null, webhookId: first?.webhookId });
  await expect.poll(() => printed).toContain("(again)");
  terminal.write("d");
  await expect.poll(() => printed).toContain("webhook-signature: v1,");
  terminal.write("q");
  expect(await exit).toBe(0);
});

test("--print-secret prints what verifies the events, and nothing else", async () => {
  expect(await runCli(["listen", "--print-secret"], env)).toEqual({
    code: 0,
    stdout: `${SIGNING_SECRET}\n`,
    stderr: "",
  });
});

test("a key that is no longer accepted ends the listening, with what to do", async () => {
  const { body: key } = await gateway.api("POST", "/v1/api-keys", {
    name: "listener",
    scopes: ["subscriptions:read", "subscriptions:write"],
  });
  const listening = listen(["--inbox", "revoked"], { RINGBACK_API_KEY: key.key as string });
  await listening.until(/from now on/);
  await gateway.api("DELETE", `/v1/api-keys/${key.id}`);
  await endJob("revoked-1", "revoked");
  const { code, stderr } = await listening.exit;
  expect(stderr).toMatch(/Error: .+\nCheck RINGBACK_API_KEY or the profile/);
  expect(code).toBe(3);
});
