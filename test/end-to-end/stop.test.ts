import { once } from "node:events";
import { connect as connectSocket, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, test, vi } from "vitest";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { type GatewayProcess, useGatewayProcesses } from "../support/gateway-process.ts";
import { ownedShards } from "../support/node-pair.ts";
import {
  breaches,
  connect,
  CONNECTION,
  openProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { API_KEY, gatewayEnvironment } from "../support/gateway-environment.ts";

const processes = useGatewayProcesses();

/** Longer than any orderly stop takes, on a busy machine too: an end with 0 was an orderly one. */
const PATIENT = { RINGBACK_SHUTDOWN_TIMEOUT_MS: "120000" };
const UNREACHABLE = "postgres://ringback:secret-password@127.0.0.1:9/ringback";

/** Lets a poll hang at the upstream and a callback at the receiver. */
async function getBusy(scene: ProcessScene, gateway: GatewayProcess): Promise<void> {
  const { upstream, receiver } = scene;
  await connect(gateway, upstream);
  upstream.answer("polling", "hang");
  upstream.answer("sending", pulseAnswer.completed());
  receiver.answer("/sending", "hang");
  for (const jobId of ["polling", "sending"]) await subscribe(gateway, receiver, jobId);
  await Promise.all([upstream.polled("polling", 1), receiver.takeOne("/sending")]);
}

/** A connection on which the gateway has read this much of a request, but not the rest. */
async function sendPart(gateway: GatewayProcess, part: string): Promise<Socket> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connectSocket({ host: hostname, port: Number(port) }).setEncoding("utf8");
  socket.on("error", () => undefined);
  // In one piece: the answer to the first shows that the part was read.
  socket.write(`GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n${part}`);
  await once(socket, "data");
  return socket;
}

/** Everything received until the gateway closes the connection. */
async function answerOn(socket: Socket): Promise<string> {
  let answer = "";
  for await (const chunk of socket) answer += chunk as string;
  return answer;
}

describe("SIGTERM", { timeout: 120_000 }, () => {
  test("SIGTERM with polls and deliveries in progress ends the process with 0, and aborted attempts don't count", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start(PATIENT);
    await getBusy(scene, gateway);
    expect(await gateway.stop()).toMatchObject({ code: 0, signal: null });
    const { sql } = scene;
    expect(await sql`select status, attempt_count from deliveries`).toEqual([
      { status: "pending", attempt_count: 0 },
    ]);
    expect(await sql`select from attempts`).toHaveLength(0);
    expect(await sql`select from nodes`).toHaveLength(0);
    expect(await sql`select from shards where owner_id is not null`).toHaveLength(0);
    expect(await breaches(sql)).toEqual([]);
  });

  test("the hangup of a closed terminal stops the gateway as SIGTERM does", async (context) => {
    const gateway = await (await openProcessScene(context)).start(PATIENT);
    gateway.kill("SIGHUP");
    expect(await gateway.exit).toMatchObject({ code: 0, signal: null });
    expect(await gateway.logged("stopping")).toMatchObject({ signal: "SIGHUP" });
  });

  test("SIGTERM refuses new connections at once and answers the requests in progress", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start();
    await getBusy(scene, gateway);
    const body = JSON.stringify({
      job_id: "under-way",
      callback_url: scene.receiver.url("/under-way"),
      connection: CONNECTION,
    });
    const head =
      `POST /v1/subscriptions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${API_KEY}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    const readiness = "GET /readyz HTTP/1.1\r\nhost: gateway\r\n";
    const [accept, ready] = await Promise.all([
      sendPart(gateway, head + body.slice(0, 10)),
      sendPart(gateway, readiness),
    ]);
    gateway.kill("SIGTERM");
    await gateway.logged("stopping");
    accept.write(body.slice(10));
    ready.write("\r\n");
    const [accepted, notReady] = await Promise.all([answerOn(accept), answerOn(ready)]);
    expect(notReady).toMatch(/^HTTP\/1\.1 503 [^]*"reasons":\["stopping"/);
    // Either is honest: stored before the queue closed, or refused and not stored.
    const isStored = accepted.startsWith("HTTP/1.1 201 ");
    expect(accepted).toMatch(/^HTTP\/1\.1 (?:201|503) /);
    // Not with `fetch`, which may use a connection that it kept.
    const { hostname, port } = new URL(gateway.url);
    const late = connectSocket({ host: hostname, port: Number(port) });
    await expect(once(late, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(await gateway.exit).toMatchObject({ code: 0 });
    const stored = await scene.sql`select from jobs where job_id = 'under-way'`;
    expect(stored).toHaveLength(isStored ? 1 : 0);
  });

  test("a second SIGTERM ends the process at once, and not with 0", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start();
    await getBusy(scene, gateway);
    gateway.kill("SIGTERM");
    const impatience = setInterval(() => gateway.kill("SIGTERM"), 100);
    context.onTestFinished(() => clearInterval(impatience));
    const { code, signal, output } = await gateway.exit;
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    // Neither did it end by itself, nor was it at the end of its time.
    expect(output).not.toContain("stopped");
    expect(output).not.toContain("shutdown timed out");
  });

  test("SIGTERM to an idle gateway ends it with 0, even right after a SIGINT, as npm sends both", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start();
    await vi.waitFor(async () => expect(await ownedShards(gateway)).toBe(256), {
      timeout: 60_000,
    });
    gateway.kill("SIGINT");
    gateway.kill("SIGTERM");
    expect(await gateway.exit).toMatchObject({ code: 0 });
  });

  test("SIGTERM ends the process although its database answers nothing any more", async (context) => {
    const scene = await openProcessScene(context);
    const address = new URL(scene.databaseUrl);
    const proxy = await startTcpProxy({ host: address.hostname, port: Number(address.port) });
    context.onTestFinished(() => proxy.close());
    address.host = `127.0.0.1:${proxy.port}`;
    const gateway = await scene.start({
      DATABASE_URL: address.href,
      RINGBACK_SHUTDOWN_TIMEOUT_MS: "4000",
    });
    await getBusy(scene, gateway);
    proxy.freeze();
    const { code, output } = await gateway.stop();
    expect(code).toBe(1);
    expect(output).toContain("shutdown timed out");
  });
});

describe("SIGTERM while the gateway starts", { timeout: 120_000 }, () => {
  test("SIGTERM while the gateway waits for its database ends it at once with 0", async (context) => {
    const starting = processes.run(context, gatewayEnvironment(UNREACHABLE));
    await starting.logged("database not ready, waiting");
    starting.kill("SIGTERM");
    // After its wait for the database it would end with 1.
    expect(await starting.exit).toMatchObject({ code: 0, signal: null });
    expect(starting.output()).not.toContain("secret-password");
  });

  test("SIGTERM while the database accepts connections but answers nothing ends the start at once with 0", async (context) => {
    const silent = createServer();
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    context.onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    const url = `postgres://ringback@127.0.0.1:${port}/ringback`;
    const starting = processes.run(context, gatewayEnvironment(url));
    await once(silent, "connection");
    starting.kill("SIGTERM");
    // After its wait for the database it would end with 1.
    expect(await starting.exit).toMatchObject({ code: 0, signal: null });
  });

  test("SIGTERM just after the start reached its database ends it with 0 and leaves no lease behind", async (context) => {
    const scene = await openProcessScene(context);
    const starting = processes.run(context, gatewayEnvironment(scene.databaseUrl));
    await starting.logged("database connected");
    starting.kill("SIGTERM");
    expect(await starting.exit).toMatchObject({ code: 0, signal: null });
    expect(await scene.sql`select from nodes`).toHaveLength(0);
  });
});
