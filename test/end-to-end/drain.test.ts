import { once } from "node:events";
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { describe, expect, test, type TestContext, vi } from "vitest";
import { API_KEY } from "../support/gateway-environment.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { ownedShards } from "../support/node-pair.ts";
import {
  connect,
  CONNECTION,
  openProcessScene,
  type ProcessScene,
} from "../support/process-scene.ts";

const CLIENTS = 200;
/** Long enough that a busy machine reaches every step of a test before it is over. */
const LONG_DRAIN_MS = "120000";

interface Sent {
  /** The status, or why there was none. */
  readonly outcome: number | string;
  readonly jobId: string;
  /** The gateway asked to close the connection. */
  readonly isLast: boolean;
}

/** Subscribes to job after job on one connection, until the gateway closes it. */
class KeptAliveClient {
  readonly #gateway: GatewayProcess;
  readonly #scene: ProcessScene;
  readonly #name: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly sent: Sent[] = [];

  constructor(scene: ProcessScene, gateway: GatewayProcess, name: string) {
    this.#scene = scene;
    this.#gateway = gateway;
    this.#name = name;
  }

  async run(): Promise<void> {
    for (let number = 0; ; number += 1) {
      const last = await this.#subscribe(`${this.#name}-${number}`);
      this.sent.push(last);
      if (last.isLast || typeof last.outcome === "string") break;
    }
    this.#agent.destroy();
  }

  async #subscribe(jobId: string): Promise<Sent> {
    const body = JSON.stringify({
      job_id: jobId,
      callback_url: this.#scene.receiver.url("/drain"),
      connection: CONNECTION,
    });
    try {
      const asked = request(`${this.#gateway.url}/v1/subscriptions`, {
        method: "POST",
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${API_KEY}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      });
      asked.end(body);
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      await json(response);
      const isLast = response.headers.connection === "close";
      return { outcome: response.statusCode ?? 0, jobId, isLast };
    } catch (error) {
      return { outcome: String(error), jobId, isLast: false };
    }
  }
}

async function readiness(gateway: GatewayProcess) {
  const response = await gateway.api("GET", "/readyz");
  return { status: response.status, body: response.body };
}

/** Repeats the signal, since two that come at nearly the same time count as one. */
async function endDrainEarly(context: TestContext, gateway: GatewayProcess): Promise<void> {
  const impatience = setInterval(() => gateway.kill("SIGINT"), 200);
  context.onTestFinished(() => clearInterval(impatience));
  await gateway.logged("drain ended early");
  clearInterval(impatience);
}

describe("a stop that drains", { timeout: 120_000 }, () => {
  test("a draining stop answers every request of hundreds of kept-alive connections and resets none", async (context) => {
    const scene = await openProcessScene(context, { LOG_LEVEL: "info" });
    const gateway = await scene.start({ RINGBACK_DRAIN_MS: LONG_DRAIN_MS });
    await connect(gateway, scene.upstream);
    const clients = Array.from(
      { length: CLIENTS },
      (_, index) => new KeptAliveClient(scene, gateway, `client-${index}`),
    );
    const running = Promise.all(clients.map((client) => client.run()));
    await vi.waitFor(() => expect(clients.every(({ sent }) => sent.length >= 2)).toBe(true), {
      timeout: 60_000,
    });
    gateway.kill("SIGTERM");
    await gateway.logged("stopping");
    // Each is told to close its connection with its next answer, while the gateway still serves.
    await running;
    expect(await readiness(gateway)).toMatchObject({
      status: 503,
      body: { code: "not_ready", reasons: ["stopping"] },
    });
    await endDrainEarly(context, gateway);
    expect(await gateway.exit).toMatchObject({ code: 0 });
    const sent = clients.flatMap((client) => client.sent);
    expect(sent.filter(({ outcome }) => outcome !== 201)).toEqual([]);
    const stored = await scene.sql<{ job_id: string }[]>`select job_id from jobs`;
    expect(stored.map((row) => row.job_id).sort()).toEqual(sent.map(({ jobId }) => jobId).sort());
  });

  test("a stop without a drain also resets no request on a kept-alive connection", async (context) => {
    const scene = await openProcessScene(context, { LOG_LEVEL: "info" });
    const gateway = await scene.start();
    await connect(gateway, scene.upstream);
    const clients = Array.from(
      { length: CLIENTS },
      (_, index) => new KeptAliveClient(scene, gateway, `client-${index}`),
    );
    const running = Promise.all(clients.map((client) => client.run()));
    await vi.waitFor(() => expect(clients.every(({ sent }) => sent.length >= 2)).toBe(true), {
      timeout: 60_000,
    });
    gateway.kill("SIGTERM");
    await running;
    expect(await gateway.exit).toMatchObject({ code: 0 });
    const sent = clients.flatMap((client) => client.sent);
    // Accepted, or refused since nothing is stored any more: answered in any case.
    expect(sent.filter(({ outcome }) => outcome !== 201 && outcome !== 503)).toEqual([]);
    const stored = await scene.sql<{ job_id: string }[]>`select job_id from jobs`;
    const accepted = sent.filter(({ outcome }) => outcome === 201).map(({ jobId }) => jobId);
    expect(stored.map((row) => row.job_id)).toEqual(expect.arrayContaining(accepted));
  });

  test("a draining stop ends by itself", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start({ RINGBACK_DRAIN_MS: "3000" });
    gateway.kill("SIGTERM");
    const { time: stoppingAt } = await gateway.logged("stopping");
    expect(await gateway.exit).toMatchObject({ code: 0, signal: null });
    const { time: stoppedAt } = await gateway.logged("stopped");
    expect(Date.parse(stoppedAt) - Date.parse(stoppingAt)).toBeGreaterThanOrEqual(2_900);
  });

  test("a draining stop is not ready at once, serves new connections until the end, and is shortened by a second signal", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start({ RINGBACK_DRAIN_MS: LONG_DRAIN_MS });
    gateway.kill("SIGTERM");
    await gateway.logged("stopping");
    expect(await readiness(gateway)).toMatchObject({ status: 503 });
    expect((await gateway.api("GET", "/healthz")).status).toBe(200);
    await endDrainEarly(context, gateway);
    expect(await gateway.exit).toMatchObject({ code: 0, signal: null });
  });

  test("a draining stop hands its shards to the other node without waiting for a lease", async (context) => {
    const scene = await openProcessScene(context);
    const leaving = await scene.start();
    await vi.waitFor(async () => expect(await ownedShards(leaving)).toBe(256), { timeout: 60_000 });
    const staying = await scene.start();
    // A lease that would have to run out first would do so long after the test.
    await scene.sql`update nodes set lease_expires_at = now() + interval '1 hour'`;
    expect(await leaving.stop()).toMatchObject({ code: 0 });
    await vi.waitFor(async () => expect(await ownedShards(staying)).toBe(256), { timeout: 60_000 });
  });

  test("a draining stop releases the shards in time although a statement hangs", async (context) => {
    const scene = await openProcessScene(context);
    const gateway = await scene.start({ RINGBACK_SHUTDOWN_TIMEOUT_MS: "60000" });
    await vi.waitFor(async () => expect(await ownedShards(gateway)).toBe(256), { timeout: 60_000 });
    const released = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const lock = scene.sql.begin(async (tx) => {
      // Reads of the mailbox wait for this lock.
      await tx`lock table mailbox in access exclusive mode`;
      locked.resolve();
      await released.promise;
    });
    await locked.promise;
    gateway.kill("SIGTERM");
    await vi.waitFor(
      async () => {
        const rows = await scene.sql`select from shards where owner_id is not null`;
        expect(rows).toHaveLength(0);
      },
      { timeout: 60_000, interval: 50 },
    );
    released.resolve();
    await lock;
    expect(await gateway.exit).toMatchObject({ code: 0 });
  });
});
