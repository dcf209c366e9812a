import { randomBytes } from "node:crypto";
import { connect as connectTo, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Api } from "../support/api-client.ts";
import { pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import type { FakeUpstream } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { addProject } from "../support/second-project.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { UPSTREAM_KEY } from "./scene.ts";

/** The first project's limit of connections to receivers, and to upstreams. */
const CONNECTIONS_MAX = 4;
const HANGING = 24;
/** The limit of connections from all clients of the API. */
const CLIENTS_MAX = 32;

let gateway: TestGateway;
let other: Api;
let upstream: FakeUpstream;
let receiver: Receiver;
const hanging: HangingServer[] = [];
beforeAll(async () => {
  const settings = {
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    RINGBACK_PROJECT_CALLBACK_CONNECTIONS: String(CONNECTIONS_MAX),
    RINGBACK_PROJECT_UPSTREAM_CONNECTIONS: String(CONNECTIONS_MAX),
    RINGBACK_CALLBACK_TIMEOUT_MS: "120000",
    RINGBACK_CLIENT_CONNECTIONS_MAX: String(CLIENTS_MAX),
  };
  [upstream, receiver] = await Promise.all([startFakeUpstream(), startReceiver(SIGNING_SECRET)]);
  gateway = await startTestGateway(settings);
  other = await addProject(gateway, "other", settings);
});
afterAll(async () => {
  for (const server of hanging) server.close();
  await gateway.discard();
  await Promise.all([upstream.close(), receiver.close()]);
});

class HangingServer {
  readonly #server: Server;
  readonly sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.sockets.delete(socket));
      socket.resume();
    });
    hanging.push(this);
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

function startHanging(count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => new HangingServer().start()));
}

const open = (): number => hanging.reduce((count, { sockets }) => count + sockets.size, 0);

async function made(answer: ReturnType<Api>): Promise<void> {
  const { status, text } = await answer;
  if (status !== 201) throw new Error(text);
}

test("receivers and upstreams that hang hold few connections, and nothing of another project's", async () => {
  const connect = (api: Api, name: string, origin: string) =>
    made(
      api("POST", "/v1/connections", {
        provider: "pulse",
        name,
        credential: UPSTREAM_KEY,
        base_url: origin,
        settings: { poll_interval_s: 0.05 },
      }),
    );
  const subscribe = (api: Api, connection: string, jobId: string, callbackUrl: string) =>
    made(
      api("POST", "/v1/subscriptions", {
        connection,
        job_id: jobId,
        callback_url: callbackUrl,
      }),
    );
  // Endings that are owed to receivers that hang.
  await connect(gateway.api, "good", upstream.origin);
  const receivers = await startHanging(HANGING);
  for (const [index, origin] of receivers.entries()) {
    upstream.answer(`ended-${index}`, pulseAnswer.completed());
    await subscribe(gateway.api, "good", `ended-${index}`, `${origin}/hook`);
  }
  await vi.waitFor(() => expect(open()).toBeGreaterThanOrEqual(CONNECTIONS_MAX), 60_000);
  // Polls of upstreams that hang.
  const upstreams = await startHanging(HANGING);
  for (const [index, origin] of upstreams.entries()) {
    await connect(gateway.api, `hanging-${index}`, origin);
    await subscribe(gateway.api, `hanging-${index}`, `job-${index}`, receiver.url("/never"));
  }
  await vi.waitFor(() => expect(open()).toBeGreaterThanOrEqual(2 * CONNECTIONS_MAX - 1), 60_000);

  await connect(other, "own", upstream.origin);
  for (let round = 0; round < 3; round += 1) {
    upstream.answer(`other-${round}`, pulseAnswer.completed());
    await subscribe(other, "own", `other-${round}`, receiver.url(`/other-${round}`));
    // Signed with the other project's secret, which this receiver does not know.
    await vi.waitFor(() => expect(receiver.received(`/other-${round}`)).toHaveLength(1), 60_000);
    expect(open()).toBeLessThanOrEqual(2 * CONNECTIONS_MAX);
  }
});

test("clients that open connections and send nothing hold no more than the operator allows, and another address is served", async (context) => {
  const { port } = new URL(gateway.url);
  const flood = Array.from({ length: 10 * CLIENTS_MAX }, () =>
    connectTo({ port: Number(port), host: "127.0.0.1", localAddress: "127.0.0.2" }),
  );
  context.onTestFinished(() => {
    for (const socket of flood) socket.destroy();
  });
  let closed = 0;
  for (const socket of flood) {
    socket.on("error", () => undefined);
    socket.on("close", () => void (closed += 1));
    socket.resume();
  }
  await vi.waitFor(() => expect(closed).toBeGreaterThanOrEqual(9 * CLIENTS_MAX), 60_000);
  const answer = await fetch(`${gateway.url}/healthz`);
  expect(answer.status).toBe(200);
  expect(closed).toBeLessThan(10 * CLIENTS_MAX);
});
