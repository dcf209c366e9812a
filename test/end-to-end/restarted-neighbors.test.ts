import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { TestContext } from "vitest";
import { expect, test, vi } from "vitest";
import type { Api } from "../support/api-client.ts";
import { apiOf } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import {
  breaches,
  connect,
  openProcessScene,
  type ProcessScene,
  subscribe,
} from "../support/process-scene.ts";
import { createProjectKey } from "../support/second-project.ts";
import { acmeDefinition } from "./provider-scene.ts";

/*
 * Stored work of a project goes on after a restart. Each test kills a gateway in the middle of it, and
 * expects another project's callbacks from the next one, while what is stored has not ended: no clock decides.
 */

const WAIT = { timeout: 120_000, interval: 20 };
/** Connections of a project to receivers, and to upstreams. */
const CONNECTIONS_MAX = 4;
const HANGING = 24;
const QUIET_JOBS = 10;

/** A server that takes connections and never answers; counts those that are open. */
async function startHanging(context: TestContext) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  context.onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, open: () => sockets.size };
}

interface Started {
  readonly scene: ProcessScene;
  readonly gateway: GatewayProcess;
  /** The other project's way into a gateway. */
  readonly quietOf: (gateway: GatewayProcess) => Api;
}

/** A gateway with a connection of each project, and live jobs of the quiet one. */
async function start(context: TestContext): Promise<Started> {
  const settings = {
    RINGBACK_ENCRYPTION_KEYS: randomBytes(32).toString("base64"),
    RINGBACK_PROJECT_CALLBACK_CONNECTIONS: String(CONNECTIONS_MAX),
    RINGBACK_PROJECT_UPSTREAM_CONNECTIONS: String(CONNECTIONS_MAX),
    RINGBACK_CALLBACK_TIMEOUT_MS: "120000",
  };
  const scene = await openProcessScene(context, settings);
  const key = await createProjectKey(scene, "quiet", settings);
  const gateway = await scene.start();
  await connect(gateway, scene.upstream);
  const quietOf = ({ url }: GatewayProcess): Api => {
    const api = apiOf(url);
    return (method, path, body) => api(method, path, body, { authorization: `Bearer ${key}` });
  };
  const quiet = quietOf(gateway);
  const connection = { provider: "pulse", credential: "key", base_url: scene.upstream.origin };
  expect((await quiet("POST", "/v1/connections", connection)).status).toBe(201);
  for (let job = 0; job < QUIET_JOBS; job += 1) {
    scene.upstream.answer(`quiet-${job}`, pulseAnswer.processing());
    const wish = { job_id: `quiet-${job}`, callback_url: scene.receiver.url("/quiet") };
    expect((await quiet("POST", "/v1/subscriptions", wish)).status).toBe(201);
  }
  return { scene, gateway, quietOf };
}

/** Ends the quiet project's jobs, and waits for their callbacks and for that of a job that is new. */
async function expectQuietCallbacks({ scene, quietOf }: Started, gateway: GatewayProcess) {
  const { upstream, receiver } = scene;
  for (let job = 0; job < QUIET_JOBS; job += 1)
    upstream.answer(`quiet-${job}`, pulseAnswer.completed());
  upstream.answer("quiet-new", pulseAnswer.completed());
  const wish = { job_id: "quiet-new", callback_url: receiver.url("/quiet") };
  expect((await quietOf(gateway)("POST", "/v1/subscriptions", wish)).status).toBe(201);
  await vi.waitFor(() => expect(receiver.received("/quiet")).toHaveLength(QUIET_JOBS + 1), WAIT);
}

test("callbacks that are owed to origins that hang hold a few connections after a restart too, and another project's arrive", async (context) => {
  const started = await start(context);
  const { scene, gateway } = started;
  const hanging = await Promise.all(Array.from({ length: HANGING }, () => startHanging(context)));
  const open = (): number => hanging.reduce((sum, server) => sum + server.open(), 0);
  for (const [index, { origin }] of hanging.entries()) {
    scene.upstream.answer(`owed-${index}`, pulseAnswer.completed());
    const fields = { callback_url: `${origin}/hook` };
    await subscribe(gateway, scene.receiver, `owed-${index}`, fields);
  }
  const owed = () => scene.sql`select from deliveries where status = 'pending'`;
  await vi.waitFor(async () => expect(await owed()).toHaveLength(HANGING), WAIT);
  await gateway.crash();

  const next = await scene.start();
  await vi.waitFor(() => expect(open()).toBe(CONNECTIONS_MAX), WAIT);
  await expectQuietCallbacks(started, next);
  expect(open()).toBeLessThanOrEqual(CONNECTIONS_MAX);
  // The records of the others may come a moment after their callbacks.
  await vi.waitFor(async () => expect(await owed()).toHaveLength(HANGING), WAIT);
  expect(await breaches(scene.sql)).toEqual([]);
});

test("jobs of upstreams that hang hold a few connections after a restart too, and another project's jobs end", async (context) => {
  const started = await start(context);
  const { scene, gateway } = started;
  const hanging = await Promise.all(Array.from({ length: HANGING }, () => startHanging(context)));
  const open = (): number => hanging.reduce((sum, server) => sum + server.open(), 0);
  for (const [index, { origin }] of hanging.entries()) {
    const name = `hanging-${index}`;
    await connect(gateway, scene.upstream, { name, base_url: origin });
    await subscribe(gateway, scene.receiver, name, { connection: name });
  }
  await gateway.crash();

  const next = await scene.start();
  // One may be left for the connection that answers.
  await vi.waitFor(() => expect(open()).toBeGreaterThanOrEqual(CONNECTIONS_MAX - 1), WAIT);
  await expectQuietCallbacks(started, next);
  expect(open()).toBeLessThanOrEqual(CONNECTIONS_MAX);
  const live = await scene.sql`
    select from jobs where ended_at is null and job_id like 'hanging-%'`;
  expect(live).toHaveLength(HANGING);
});

test("an event whose row was set aside when the gateway was killed is recorded once by the next one, others before it", async (context) => {
  const started = await start(context);
  const { scene, gateway } = started;
  const { upstream, receiver, sql } = scene;
  const jobs = ["stuck", ...Array.from({ length: 7 }, (_, index) => `free-${index}`)];
  for (const job of jobs) {
    upstream.answer(job, pulseAnswer.processing());
    await subscribe(gateway, receiver, job);
  }
  const lock = await sql.reserve();
  await lock`begin`;
  await lock`select from jobs where job_id = 'stuck' for update`;
  for (const job of jobs) upstream.answer(job, pulseAnswer.completed());
  await vi.waitFor(
    async () => expect(await gateway.metric("ringback_rows_set_aside")).toBe(1),
    WAIT,
  );
  for (const job of jobs.slice(1)) await receiver.take(`/${job}`, 1);
  await gateway.crash();
  const next = await scene.start();
  await expectQuietCallbacks(started, next);
  expect(receiver.received("/stuck")).toHaveLength(0);
  await lock`rollback`;
  lock.release();
  await receiver.take("/stuck", 1);
  const [row] = await sql`
    select count(*)::int from events join jobs on jobs.shard_id = events.shard_id
      and jobs.id = events.job_row_id where jobs.job_id = 'stuck'`;
  expect(row).toEqual({ count: 1 });
  expect(await breaches(sql)).toEqual([]);
});

test("stored bytes of a project count after a restart, so its limit still holds, and another project's jobs are accepted", async (context) => {
  const started = await start(context);
  const { scene, gateway } = started;
  const { upstream, receiver, sql } = scene;
  upstream.answer("stored", pulseAnswer.completed(JSON.stringify({ text: "x".repeat(200_000) })));
  await subscribe(gateway, receiver, "stored");
  await receiver.take("/stored", 1);
  const [own] = await sql<
    { id: string }[]
  >`select project_id as id from jobs where job_id = 'stored'`;
  await sql`
    update projects set limits = '{"stored_bytes": 100000}' where id = ${own?.id ?? ""}`;
  await gateway.crash();

  const next = await scene.start();
  await vi.waitFor(async () => {
    const { status, body } = await next.api("POST", "/v1/subscriptions", {
      connection: "of-the-scene",
      job_id: "more",
      callback_url: receiver.url("/more"),
    });
    expect({ status, limit: body.limit }).toEqual({ status: 429, limit: "stored_bytes" });
  }, WAIT);
  await expectQuietCallbacks(started, next);
});

test("answers that a definition takes too many steps to read are given up after a restart too, and another project's jobs end", async (context) => {
  const started = await start(context);
  const { scene, gateway } = started;
  const { upstream, receiver } = scene;
  const almost = "a".repeat(480);
  const definition = acmeDefinition(upstream.origin, {
    // Each place in the text is compared with nearly all of what is wanted.
    rules: Array.from({ length: 100 }, (_, rule) => ({
      all: [{ pointer: "/x", contains: `${almost}${rule}` }],
      observe: "running",
    })),
  });
  expect((await gateway.api("PUT", "/v1/providers/heavy", definition)).status).toBe(201);
  await connect(gateway, upstream, { provider: "heavy", name: "heavy" });
  const jobs = Array.from({ length: HANGING }, (_, index) => `heavy-${index}`);
  for (const job of jobs) {
    upstream.answer(job, { body: { status: "processing", x: `${almost}b`.repeat(20) } });
    await subscribe(gateway, receiver, job, { provider: "heavy", connection: "heavy" });
  }
  await upstream.polled("heavy-0", 1);
  await gateway.crash();

  const before = jobs.map((job) => upstream.polls(job).length);
  const next = await scene.start();
  await Promise.all(jobs.map((job, at) => upstream.polled(job, (before[at] ?? 0) + 1)));
  await expectQuietCallbacks(started, next);
  await vi.waitFor(async () => {
    const { body } = await next.api("GET", `/v1/subscriptions?provider=heavy&limit=${HANGING}`);
    const errors = body.data.map(({ job }: { job: { last_error: string } }) => job.last_error);
    expect(errors).toEqual(jobs.map(() => expect.stringMatching(/takes more than \d+ steps/)));
  }, WAIT);
});
