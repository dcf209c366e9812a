import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join, relative as relativePath } from "node:path";
import { expect, test, vi } from "vitest";
import { useDataDir } from "../support/data-dir.ts";
import { pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import { useGatewayProcesses } from "../support/gateway-process.ts";
import { connect, subscribe } from "../support/process-scene.ts";
import { startReceiver } from "../support/receiver.ts";
import { API_KEY, SIGNING_SECRET } from "../support/gateway-environment.ts";
import { within } from "../support/within.ts";

const directory = useDataDir();
vi.setConfig({ testTimeout: 180_000 });
// After the directory, so that they end before it is removed.
const processes = useGatewayProcesses();

/** No DATABASE_URL: the gateway brings its own Postgres. */
function environment(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PORT: "0", DATA_DIR: directory.path, ...changes };
}

test("a start shows where it listens and where its data lies; the first one puts an API key, that works with later ones too, in a file and in no log", async (context) => {
  await directory.fill();
  const first = await processes.start(context, environment());
  const keyFile = join(directory.path, "api-key");
  expect(await first.logged("the first API key is in a file")).toMatchObject({ file: keyFile });
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const key = readFileSync(keyFile, "utf8").trim();
  expect(key).toMatch(/^rb_\S{40,}$/);
  await vi.waitFor(() => expect(first.output()).toContain(`API key: in ${keyFile}`), {
    timeout: 60_000,
  });
  expect(first.output()).not.toContain(key);
  expect(first.output()).toContain(`listens on ${first.url}`);
  expect(first.output()).toContain(`Pages: ${first.url}  ${first.url}/docs  ${first.url}/sandbox`);
  expect(first.output()).toContain(`Data: ${directory.path}`);
  expect(first.output()).toContain(`curl -s ${first.url}/v1/subscriptions`);
  expect(statSync(join(directory.path, "encryption.key")).mode & 0o777).toBe(0o600);
  const headers = { authorization: `Bearer ${key}` };
  expect((await first.api("GET", "/v1/connections", undefined, headers)).status).toBe(200);
  expect((await first.api("GET", "/v1/connections")).status).toBe(401);
  // The operator's commands work beside a gateway that runs.
  const project = processes.run(context, environment(), ["project", "create", "another"]);
  expect(await project.exit).toMatchObject({
    code: 0,
    output: expect.stringMatching(/: rb_\S+$/m),
  });
  expect(await first.stop()).toMatchObject({ code: 0 });
  expect(await directory.postmasterPid()).toBeNull();

  const publicUrl = "https://gateway.example.com";
  const relative = relativePath(process.cwd(), directory.path);
  const second = await processes.start(
    context,
    environment({ DATA_DIR: relative, RINGBACK_PUBLIC_URL: publicUrl }),
  );
  await vi.waitFor(() => expect(second.output()).toContain(`Data: ${directory.path}`), {
    timeout: 60_000,
  });
  expect(second.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(second.output()).toContain(`listens on ${second.url}`);
  expect(second.output()).toContain(`Others reach it at ${publicUrl}`);
  expect(second.output()).toContain(`"callback_url":"${second.url}/sandbox/inbox"`);
  expect(second.output()).not.toContain("API key:");
  expect(second.output()).not.toContain(key);
  const answer = await second.api("GET", "/v1/connections", undefined, headers);
  expect(answer.body.data).toMatchObject([{ provider: "sandbox", name: "default" }]);
  const { data: providers } = (await second.api("GET", "/v1/providers", undefined, headers)).body;
  expect(providers).toContainEqual(
    expect.objectContaining({ name: "sandbox", base_url: second.url }),
  );
});

test("a start after kill -9 takes the Postgres over and goes on at once, while a second gateway is refused", async (context) => {
  await directory.fill();
  const [upstream, receiver] = await Promise.all([
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  context.onTestFinished(async () => {
    await Promise.all([upstream.close(), receiver.close()]);
  });
  const env = environment({
    RINGBACK_API_KEY: API_KEY,
    RINGBACK_SIGNING_SECRET: SIGNING_SECRET,
    RINGBACK_EGRESS_ALLOW: "127.0.0.0/8",
    // The attempt that hangs is still in progress when the gateway is killed.
    RINGBACK_CALLBACK_TIMEOUT_MS: "120000",
  });
  const killed = await processes.start(context, env);
  await connect(killed, upstream);
  upstream.answer("running", pulseAnswer.processing());
  upstream.answer("sending", pulseAnswer.completed());
  receiver.answer("/sending", ["hang", {}]);
  for (const jobId of ["running", "sending"]) await subscribe(killed, receiver, jobId);
  await Promise.all([upstream.polled("running", 2), receiver.takeOne("/sending")]);
  const postmaster = await directory.postmasterPid();

  const { code, output } = await processes.run(context, env).exit;
  expect(code).toBe(1);
  expect(output).toContain(`is in use by another Ringback (pid ${killed.pid}). Stop it, or choose`);
  expect((await killed.api("GET", "/readyz")).status).toBe(200);

  await killed.crash();
  expect(await directory.postmasterPid()).toBe(postmaster);
  upstream.answer("running", pulseAnswer.completed());
  const next = await processes.start(context, env);
  expect(await next.logged("embedded Postgres is up")).toMatchObject({ takenOver: true });
  // The lease of the killed one would have lasted for up to 15 s.
  await within(5_000, [next], () => {
    expect(receiver.received("/sending")).toHaveLength(2);
    expect(receiver.received("/running")).toHaveLength(1);
  });
  const [first, again] = await receiver.take("/sending", 2);
  expect(again?.webhookId).toBe(first?.webhookId);
  expect(await next.stop()).toMatchObject({ code: 0 });
  expect(await directory.postmasterPid()).toBeNull();
});

test("a receiver on this machine needs no setting while the database and the listener are this machine's too", async (context) => {
  await directory.fill();
  const [upstream, receiver] = await Promise.all([
    startFakeUpstream(),
    startReceiver(SIGNING_SECRET),
  ]);
  context.onTestFinished(async () => {
    await Promise.all([upstream.close(), receiver.close()]);
  });
  const env = environment({
    RINGBACK_API_KEY: API_KEY,
    RINGBACK_SIGNING_SECRET: SIGNING_SECRET,
    RINGBACK_SANDBOX: "0",
    PULSE_API_KEY: "pulse-key",
    PULSE_BASE_URL: upstream.origin,
  });
  const gateway = await processes.start(context, env);
  upstream.answer("local", pulseAnswer.completed());
  const wish = { job_id: "local", callback_url: receiver.url("/hook") };
  const accepted = await gateway.api("POST", "/v1/subscriptions", wish);
  expect(accepted).toMatchObject({
    status: 201,
    body: { warnings: [{ code: "callback_on_this_machine" }] },
  });
  await receiver.takeOne("/hook");
  const refusal = { status: 422, body: { code: "callback_url_refused" } };
  const own = { job_id: "own", callback_url: `${gateway.url}/healthz` };
  expect(await gateway.api("POST", "/v1/subscriptions", own)).toMatchObject(refusal);
  // Upstreams are as restricted as ever.
  const connection = {
    provider: "pulse",
    name: "here",
    base_url: new URL(receiver.url("/")).origin,
    credential: "x",
  };
  expect((await gateway.api("POST", "/v1/connections", connection)).status).toBe(422);
  await gateway.stop();

  const reachable = await processes.start(context, { ...env, HOST: "0.0.0.0" });
  const again = { ...wish, job_id: "another" };
  expect(await reachable.api("POST", "/v1/subscriptions", again)).toMatchObject(refusal);
});

test("a port that is taken ends the start with a message, and the Postgres that it had started", async (context) => {
  await directory.fill();
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  context.onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const { code, output } = await processes.run(context, environment({ PORT: String(port) })).exit;
  expect(code).toBe(1);
  expect(output).toContain("embedded Postgres is up");
  expect(output).toContain(`can't listen on 127.0.0.1:${port} (listen EADDRINUSE: address already`);
  expect(output).toContain("choose another PORT");
  expect(output).not.toContain("    at ");
  expect(output).not.toContain("stack");
  expect(await directory.postmasterPid()).toBeNull();
});

test("SIGTERM while Postgres starts ends both", async (context) => {
  await directory.fill();
  const starting = processes.run(context, environment());
  const pidFile = join(directory.data, "postmaster.pid");
  await vi.waitFor(() => expect(existsSync(pidFile)).toBe(true), { timeout: 60_000, interval: 5 });
  starting.kill("SIGTERM");
  expect(await starting.exit).toMatchObject({ code: 0, signal: null });
  expect(starting.output()).not.toContain("Ringback is ready");
  expect(await directory.postmasterPid()).toBeNull();
});
