import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { REQUEST_DEADLINE_MS } from "../../src/api/app.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { CALLBACK_URL } from "./api-fixture.ts";
import { type Answered, openOutageScene } from "./outage-scene.ts";

/** The deadline, and what a handler may overrun it by. */
const ANSWER_MS_MAX = REQUEST_DEADLINE_MS + 600;

let scene: Awaited<ReturnType<typeof openOutageScene>>;
beforeEach(async () => {
  scene = await openOutageScene();
});
afterEach(() => scene.close());

const wish = (jobId: string) => ({ job_id: jobId, callback_url: CALLBACK_URL });
const batchOf = (count: number) => ({
  subscriptions: Array.from({ length: count }, (_, index) => wish(`of-batch-${index}`)),
});

/** One of each kind of request; the last has a key that was never seen. */
async function askEverything(): Promise<Record<string, Promise<Response>>> {
  const { ask, api } = scene;
  const strange = await api.addKey(["admin"]);
  return {
    list: ask("GET", "/v1/subscriptions"),
    "list of one job": ask("GET", "/v1/subscriptions?job_id=some-job"),
    single: ask("GET", "/v1/subscriptions/sub_00000000000070000000000000000000"),
    accept: ask("POST", "/v1/subscriptions", wish("some-job")),
    batch: ask("POST", "/v1/subscriptions/batch", batchOf(1000)),
    "unknown key": ask("GET", "/v1/subscriptions", undefined, strange),
  };
}

function expectUnavailable(answered: Answered): void {
  expect(answered.status).toBe(503);
  expect(answered.body).toMatchObject({ code: "database_unavailable" });
  expect(Number(answered.headers.get("retry-after"))).toBeGreaterThan(0);
}

async function recognizeKey(): Promise<void> {
  expect((await scene.ask("GET", "/v1/subscriptions")).status).toBe(200);
}

describe("a database that swallows everything", { timeout: 240_000 }, () => {
  test("no request waits longer than its deadline for a database that answers nothing", async () => {
    await recognizeKey();
    scene.proxy.freeze();
    const asked = await askEverything();
    for (const [name, answered] of await Promise.all(
      Object.entries(asked).map(async ([name, response]) => {
        return [name, await scene.interpretResponse(response)] as const;
      }),
    )) {
      expectUnavailable(answered);
      expect(answered.tookMs, name).toBeGreaterThan(REQUEST_DEADLINE_MS - 200);
      expect(answered.tookMs, name).toBeLessThanOrEqual(ANSWER_MS_MAX);
    }
  });

  test("a database that answers nothing is detected after a few seconds, and then requests are answered at once", async () => {
    await recognizeKey();
    await scene.monitor.start();
    scene.proxy.freeze();
    await vi.waitFor(
      async () => {
        await scene.clock.advanceSettling(1_000);
        expect(scene.database.health.condition).toBe("unreachable");
      },
      { timeout: 60_000, interval: 10 },
    );
    for (const [name, response] of Object.entries(await askEverything())) {
      // The clock is not moved: nothing but the breaker can answer.
      const answered = await response;
      const body = (await answered.json()) as Answered["body"];
      expect([name, answered.status, body.outcome]).toEqual([name, 503, "none"]);
      expect(Number(answered.headers.get("retry-after"))).toBeGreaterThan(0);
    }
  });
});

test("a database that refuses connections makes every request fail in time, and it recovers by itself", async () => {
  await recognizeKey();
  await scene.monitor.start();
  const { port } = scene.proxy;
  await scene.proxy.close();
  const first = await scene.interpretResponse(
    scene.ask("POST", "/v1/subscriptions", wish("refused")),
  );
  expectUnavailable(first);
  expect(first.tookMs).toBeLessThanOrEqual(ANSWER_MS_MAX);
  await vi.waitFor(() => expect(scene.database.health.condition).toBe("unreachable"), {
    timeout: 60_000,
  });
  const second = await scene.ask("POST", "/v1/subscriptions/batch", batchOf(1000));
  expect(second.status).toBe(503);
  const target = { host: "127.0.0.1", port: Number(new URL(scene.api.databaseUrl).port) };
  scene.proxy = await startTcpProxy(target, port);
  await vi.waitFor(
    async () => {
      await scene.clock.advanceSettling(1_000);
      expect(scene.database.health.condition).toBe("ok");
    },
    { timeout: 60_000, interval: 500 },
  );
  expect((await scene.ask("POST", "/v1/subscriptions", wish("back"))).status).toBe(201);
});

test("a read-only database is read, and what would be stored is refused at once", async () => {
  await recognizeKey();
  scene.database.health.probed({ kind: "read_only" });
  expect((await scene.ask("GET", "/v1/subscriptions")).status).toBe(200);
  for (const path of ["/v1/subscriptions", "/v1/subscriptions/batch"]) {
    const body = path.endsWith("batch") ? batchOf(3) : wish("read-only");
    const response = await scene.ask("POST", path, body);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      detail: expect.stringContaining("read-only"),
      outcome: "none",
    });
  }
});

describe("a subscription whose deadline passes", { timeout: 240_000 }, () => {
  let sql: postgres.Sql;
  let unlock: () => void;
  let locked: Promise<unknown>;
  beforeEach(async () => {
    sql = postgres(scene.api.databaseUrl, { max: 2, onnotice: () => {} });
    const held = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<void>();
    unlock = held.resolve;
    await recognizeKey();
    locked = sql.begin(async (tx) => {
      await tx`lock table jobs in access exclusive mode`;
      ready.resolve();
      await held.promise;
    });
    await ready.promise;
  });
  afterEach(async () => {
    unlock();
    await locked;
    await sql.end({ timeout: 1 });
  });

  const waiting = (count: number) =>
    vi.waitFor(
      async () => {
        const [row] = await sql`
          select count(*)::int as count from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        expect(row?.["count"]).toBe(count);
      },
      { timeout: 60_000, interval: 10 },
    );
  const stored = async (): Promise<string[]> =>
    (await sql<{ job_id: string }[]>`select job_id from jobs order by job_id`).map(
      (row) => row.job_id,
    );

  test("a subscription that times out in a batch being stored may be stored, as its answer says; if stored, it is watched and repeatable", async () => {
    const accept = scene.ask("POST", "/v1/subscriptions", wish("in-flight"));
    await waiting(1);
    const answered = await scene.interpretResponse(accept);
    expectUnavailable(answered);
    expect(answered.body).toMatchObject({
      outcome: "unknown",
      detail: expect.stringMatching(/may have been stored.*same Idempotency-Key/),
    });
    expect(scene.watched).toEqual([]);
    unlock();
    await vi.waitFor(() => expect(scene.watched).toEqual(["in-flight"]), { timeout: 60_000 });
    expect(await stored()).toEqual(["in-flight"]);
  });

  test("a subscription that times out in the queue is withdrawn, as its answer says, and never stored", async () => {
    const inFlight = [];
    // As many as may be in flight, one a batch.
    for (const jobId of ["in-flight-1", "in-flight-2"]) {
      inFlight.push(scene.ask("POST", "/v1/subscriptions", wish(jobId)));
      await vi.waitFor(
        async () => {
          await scene.clock.advanceSettling(2);
          await waiting(inFlight.length);
        },
        { timeout: 60_000 },
      );
    }
    const queued = scene.ask("POST", "/v1/subscriptions", wish("queued"));
    await scene.clock.advanceSettling(0);
    const answers = await Promise.all(
      [...inFlight, queued].map((one) => scene.interpretResponse(one)),
    );
    expect(answers.map(({ body }) => body.outcome)).toEqual(["unknown", "unknown", "none"]);
    unlock();
    await vi.waitFor(() => expect(scene.watched).toHaveLength(2), { timeout: 60_000 });
    expect((await scene.ask("POST", "/v1/subscriptions", wish("after"))).status).toBe(201);
    expect(await stored()).toEqual(["after", "in-flight-1", "in-flight-2"]);
  });

  test("a timed-out item of a batch gets its own answer, beside those refused for their own faults", async () => {
    const body = { subscriptions: [...batchOf(300).subscriptions, { job_id: "no-callback" }] };
    const asked = scene.ask("POST", "/v1/subscriptions/batch", body);
    await waiting(1);
    const answered = await scene.interpretResponse(asked);
    expect(answered.status).toBe(200);
    expect(answered.tookMs).toBeLessThanOrEqual(ANSWER_MS_MAX);
    const statuses = (answered.body.results as { status: number }[]).map(({ status }) => status);
    expect(statuses).toEqual([...Array.from({ length: 300 }, () => 503), 422]);
  });
});
