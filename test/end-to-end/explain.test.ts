import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, test, type TestContext, vi } from "vitest";
import { jobExplanationSchema } from "../../src/api/jobs/schema.ts";
import { callbackOriginPageSchema } from "../../src/api/callback-origins/schema.ts";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer } from "../support/fake-upstream.ts";
import { type Scene, useScenes } from "./scene.ts";

/** Answers of the name servers to this process; a name that is not here does not exist. */
const addresses = vi.hoisted(() => new Map<string, string[]>());
/** A name that no server answers for. */
const SILENT = vi.hoisted(() => "silent.example");

vi.mock("node:dns/promises", async (importOriginal) => ({
  ...(await importOriginal<object>()),
  Resolver: class {
    cancel(): void {}

    resolve4(host: string): Promise<{ address: string; ttl: number }[]> {
      if (host === SILENT) {
        return Promise.reject(Object.assign(new Error("timed out"), { code: "ETIMEOUT" }));
      }
      const found = addresses.get(host);
      if (found === undefined) return this.resolve6(host);
      return Promise.resolve(found.map((address) => ({ address, ttl: 0 })));
    }

    resolve6(host: string): Promise<never> {
      const code = host === SILENT ? "ETIMEOUT" : "ENOTFOUND";
      return Promise.reject(Object.assign(new Error(`queryAaaa ${code} ${host}`), { code }));
    }
  },
}));

const openScene = useScenes();
/** A scene whose gateway gives receivers up soon. */
const openHastyScene = useScenes({ RINGBACK_CALLBACK_TIMEOUT_MS: "2000" });

const LATER = { retry_schedule_s: [600, 600] };
const INWARD = "10.0.0.1";
const MINUTE_MS = 60_000;

/** The explanation of the scene's job, once its owner gives this reason. */
async function explained(scene: Scene, reason: string, jobId = scene.jobId): Promise<Json> {
  const { gateway, connection } = scene;
  const path = `/v1/jobs/explain?job_id=${jobId}&provider=pulse&connection=${connection}`;
  // While a job ends, the facts come from the database for a moment.
  const body = await gateway.until(
    path,
    (explanation) => explanation.reason === reason && explanation.facts_from === "owner",
  );
  const explanation = jobExplanationSchema.parse(body);
  expect(explanation.summary).toMatch(/^[A-Z].*\.$/);
  expect(explanation.action).toMatch(/^[A-Z].*\.$/);
  return explanation;
}

describe("while the job is not known to have ended", () => {
  test("explain says that a job still runs", async (context) => {
    const scene = await openScene(context);
    scene.upstream.answer(scene.jobId, pulseAnswer.processing());
    await scene.subscribe();
    await scene.upstream.polled(scene.jobId, 2);
    // While a poll is in progress there is no time of the next one.
    await vi.waitFor(async () => {
      expect(await explained(scene, "job_running")).toMatchObject({
        job: { status: "processing", waiting_for: "job_running", not_before: expect.any(String) },
        upstream: { last_answer: { http_status: 200, outcome: "running", error: null } },
        subscriptions: [{ reason: "job_running", waiting_for: "job_running", deliveries: [] }],
      });
    }, 60_000);
  });

  test("explain says that a job's deadline is near", async (context) => {
    const scene = await openScene(context);
    scene.upstream.answer(scene.jobId, pulseAnswer.processing());
    await scene.subscribe({ deadline_s: 45 });
    await scene.upstream.polled(scene.jobId, 1);
    const explanation = await explained(scene, "deadline_near");
    expect(explanation.summary).toContain(explanation.job.deadline_at);
  });

  test("explain says that the provider does not know the job", async (context) => {
    const scene = await openScene(context);
    await scene.subscribe();
    const explanation = await explained(scene, "job_not_found");
    expect(explanation).toMatchObject({
      summary: expect.stringContaining("Job not found"),
      job: { waiting_for: "job_not_found", last_outcome: "job_absent" },
      upstream: { last_answer: { http_status: 404, outcome: "job_absent" } },
    });
  });

  test("explain says that the upstream can't be reached", async (context) => {
    const scene = await openScene(context);
    await scene.upstream.close();
    await scene.subscribe();
    expect(await explained(scene, "upstream_failing")).toMatchObject({
      upstream: { last_answer: { http_status: null, outcome: "upstream_fault" } },
    });
    await scene.upstream.open();
  });

  test("explain says that the upstream refuses polls because of their rate", async (context) => {
    const scene = await openScene(context);
    const { upstream, jobId } = scene;
    upstream.answer(
      jobId,
      pulseAnswer.error(429, "RATE_001", "Slow down", { "retry-after": "40" }),
    );
    await scene.subscribe();
    const explanation = await explained(scene, "upstream_rate_limit");
    expect(explanation.upstream.paused_until).not.toBeNull();
    expect(Date.parse(explanation.subscriptions[0].not_before)).toBeGreaterThanOrEqual(
      Date.parse(explanation.upstream.paused_until),
    );
  });

  test("explain says that the connection is paused because its credential is wrong", async (context) => {
    const scene = await openScene(context);
    scene.upstream.acceptKey("another");
    scene.upstream.answer(scene.jobId, pulseAnswer.processing());
    await scene.subscribe();
    const early = await explained(scene, "connection_paused");
    expect(early).toMatchObject({
      summary: expect.stringContaining("Invalid API key"),
      upstream: { connection: { state: "paused", paused_reason: expect.any(String) } },
    });
    // The row is written a moment after the pause.
    const explanation = await scene.gateway.until(
      `/v1/jobs/${early.job.id}/explain`,
      ({ upstream }) => upstream.connection.next_probe_at !== null,
    );
    const [subscription] = explanation.subscriptions;
    expect(subscription).toMatchObject({
      waiting_for: "connection_paused",
      not_before: explanation.upstream.connection.next_probe_at,
    });
    expect(await scene.look(`/v1/jobs/${explanation.job.id}`)).toMatchObject({
      waiting_for: "connection_paused",
    });
  });

  test("explain says that the answers can't be read", async (context) => {
    const scene = await openScene(context);
    scene.upstream.answer(scene.jobId, { body: "<html>hello</html>" });
    await scene.subscribe();
    expect(await explained(scene, "answer_unusable")).toMatchObject({
      upstream: { last_answer: { http_status: 200 } },
    });
  });
});

describe("once the job has ended", () => {
  async function ended(context: TestContext, fields: object = {}): Promise<Scene> {
    const scene = await openScene(context);
    scene.upstream.answer(scene.jobId, pulseAnswer.completed());
    await scene.subscribe({ ...LATER, ...fields });
    return scene;
  }

  async function answered(
    context: TestContext,
    answer: Parameters<Scene["receiver"]["answer"]>[1],
    fields: object = {},
    open = openScene,
  ): Promise<Scene> {
    const scene = await open(context);
    scene.receiver.answer(scene.path, answer);
    scene.upstream.answer(scene.jobId, pulseAnswer.completed());
    await scene.subscribe({ ...LATER, ...fields });
    return scene;
  }

  test("explain says that the callback was delivered, with what was sent", async (context) => {
    const scene = await ended(context);
    const explanation = await explained(scene, "delivered");
    const callback = await scene.receiver.takeOne(scene.path);
    expect(explanation.subscriptions).toMatchObject([
      {
        waiting_for: null,
        not_before: null,
        deliveries: [{ status: "delivered", waiting_for: null, attempts: [{ http_status: 200 }] }],
        request: {
          url: scene.receiver.url(scene.path),
          headers: { "webhook-id": callback.webhookId, "content-type": "application/json" },
          body: callback.body,
        },
      },
    ]);
  });

  test("explain says that the receiver failed and is tried again by the schedule", async (context) => {
    const scene = await answered(context, { status: 500, body: "out of order" });
    const explanation = await explained(scene, "receiver_error");
    const [{ deliveries, not_before: notBefore, waiting_for: waitingFor }] =
      explanation.subscriptions;
    expect(waitingFor).toBe("schedule");
    expect(deliveries).toMatchObject([
      {
        status: "pending",
        waiting_for: "schedule",
        next_attempt_at: notBefore,
        attempts: [{ http_status: 500, response_excerpt: "out of order" }],
      },
    ]);
    expect(await scene.look(`/v1/deliveries/${deliveries[0].id}`)).toMatchObject({
      waiting_for: "schedule",
      not_before: notBefore,
    });
  });

  test("explain says that the receiver did not accept the callback", async (context) => {
    const scene = await answered(context, { status: 401 });
    expect((await explained(scene, "receiver_refused")).action).toContain("signature");
  });

  test("explain says that the receiver redirects", async (context) => {
    const scene = await answered(context, { status: 302, headers: { location: "/elsewhere" } });
    expect((await explained(scene, "receiver_redirects")).summary).toContain("/elsewhere");
  });

  test("explain says that the receiver takes too long", async (context) => {
    const patient = await answered(context, "hang");
    expect((await explained(patient, "sending")).reason).toBe("sending");
    const hasty = await answered(context, "hang", {}, openHastyScene);
    expect((await explained(hasty, "receiver_timeout")).reason).toBe("receiver_timeout");
  });

  test("explain says that the receiver asked for fewer callbacks", async (context) => {
    const scene = await answered(context, { status: 429, headers: { "retry-after": "50" } });
    expect((await explained(scene, "receiver_rate_limited")).reason).toBe("receiver_rate_limited");
    // Another callback to the same origin is due, and waits for the end of the pause.
    const other = `${scene.jobId}-other`;
    scene.upstream.answer(other, pulseAnswer.completed());
    await scene.subscribe({ ...LATER, job_id: other });
    expect((await explained(scene, "origin_paused", other)).subscriptions).toMatchObject([
      { waiting_for: "origin_paused", deliveries: [{ attempt_count: 0 }] },
    ]);
  });

  test("explain says that nothing listens at the callback URL", async (context) => {
    const scene = await openScene(context);
    await scene.receiver.close();
    scene.upstream.answer(scene.jobId, pulseAnswer.completed());
    await scene.subscribe(LATER);
    expect((await explained(scene, "receiver_unreachable")).summary).toContain("refused");
  });

  test("explain says that the receiver's certificate is not valid", async (context) => {
    const pem = readFileSync(new URL("../outbound/fixtures/self-signed.pem", import.meta.url));
    const server = createServer({ key: pem, cert: pem });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    context.onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const scene = await ended(context, { callback_url: `https://127.0.0.1:${port}/hook` });
    expect((await explained(scene, "tls_failed")).reason).toBe("tls_failed");
  });

  test("explain says that the receiver's name does not exist", async (context) => {
    const scene = await ended(context, { callback_url: "https://nothing.example/hook" });
    expect((await explained(scene, "dns_failed")).reason).toBe("dns_failed");
  });

  test("explain says that no name server answers", async (context) => {
    const scene = await ended(context, { callback_url: `https://${SILENT}/hook` });
    expect((await explained(scene, "cannot_send")).reason).toBe("cannot_send");
  });

  test("explain says that the receiver's address is no longer public", async (context) => {
    addresses.set("inward.example", [INWARD]);
    const scene = await ended(context, { callback_url: "https://inward.example/hook" });
    expect((await explained(scene, "address_blocked")).action).toContain("RINGBACK_EGRESS_ALLOW");
  });

  test("explain says that every attempt failed", async (context) => {
    const scene = await answered(context, { status: 500 }, { retry_schedule_s: [] });
    const explanation = await explained(scene, "exhausted");
    expect(explanation.subscriptions).toMatchObject([{ waiting_for: null, not_before: null }]);
  });

  test("explain says that the receiver wants no more attempts", async (context) => {
    const headers = { "ringback-retry": "no" };
    expect(
      (await explained(await answered(context, { status: 500, headers }), "stopped_by_receiver"))
        .reason,
    ).toBe("stopped_by_receiver");
  });

  test("explain says that the receiver is gone", async (context) => {
    expect((await explained(await answered(context, { status: 410 }), "gone")).reason).toBe("gone");
  });

  test("explain says that the subscription was deleted", async (context) => {
    const scene = await openScene(context);
    scene.upstream.answer(scene.jobId, pulseAnswer.processing());
    const { id } = await scene.subscribe();
    await scene.gateway.api("DELETE", `/v1/subscriptions/${id}`);
    expect((await explained(scene, "canceled")).reason).toBe("canceled");
  });

  test("explain says that the subscription is not for this event", async (context) => {
    const scene = await ended(context, { events: ["job.failed"] });
    expect((await explained(scene, "event_not_subscribed")).summary).toContain("job.completed");
  });

  test("explain says that an older event of the subscription is being sent", async (context) => {
    const scene = await openScene(context);
    const { upstream, receiver, jobId, path } = scene;
    const held = Promise.withResolvers<object>();
    context.onTestFinished(() => held.resolve({}));
    receiver.answer(path, () => held.promise);
    upstream.answer(jobId, pulseAnswer.processing());
    await scene.subscribe({ ...LATER, events: ["job.processing", "job.completed"] });
    await receiver.takeOne(path);
    upstream.answer(jobId, pulseAnswer.completed());
    const explanation = await explained(scene, "older_event");
    expect(explanation.subscriptions[0].deliveries).toMatchObject([
      { event_type: "job.completed", waiting_for: "older_event" },
      { event_type: "job.processing" },
    ]);
  });
});

test("a callback origin that fails is shown with its backlog, and tried when somebody asks", async (context) => {
  const scene = await openScene(context);
  const { gateway, upstream, receiver, jobId, path, subscribe } = scene;
  upstream.answer(jobId, pulseAnswer.processing());
  const retries = { retry_schedule_s: [30, 600, 600] };
  await Promise.all(Array.from({ length: 12 }, () => subscribe(retries)));
  await receiver.close();
  upstream.answer(jobId, pulseAnswer.completed());
  const attempts = async (): Promise<number> => {
    const [row] = await gateway.sql`
      select count(*)::int as made from attempts join deliveries on deliveries.id = delivery_id
      where callback_origin = ${receiver.origin}`;
    return (row?.["made"] ?? 0) as number;
  };
  const listed = async (): Promise<Json> => {
    const { body } = await gateway.api("GET", "/v1/callback-origins?limit=100");
    const { data }: Json = callbackOriginPageSchema.parse(body);
    return data.find(({ origin }: Json) => origin === receiver.origin);
  };
  // On a busy machine the first attempts may take so long that the origin counts as failing over them.
  const isTried = async () => (await listed())?.state === "failing" || (await attempts()) === 12;
  await vi.waitFor(async () => expect(await isTried()).toBe(true), { timeout: 60_000 });
  await gateway.noAttemptInProgress(`&callback_origin=${receiver.origin}`);
  // The second attempt is due, and fails as the first did, long enough after it.
  await gateway.pass(0.7 * MINUTE_MS);
  await vi.waitFor(async () => expect(await listed()).toMatchObject({ state: "failing" }), {
    timeout: 60_000,
  });
  // A delivery that arrives now is not tried at all.
  const late = `${jobId}-late`;
  upstream.answer(late, pulseAnswer.completed());
  await subscribe({ ...retries, job_id: late });
  const explanation = await explained(scene, "origin_failing", late);
  expect(explanation.subscriptions[0].deliveries).toMatchObject([
    { attempt_count: 0, waiting_for: "origin_failing" },
  ]);
  expect(await listed()).toMatchObject({
    pending_deliveries: 13,
    pending_is_capped: false,
    last_error: { code: "connect_refused" },
  });

  await receiver.open();
  // Time has not passed: without being asked, the next probe would be seconds away at least.
  const before = gateway.clock.monotonic();
  const tried = await gateway.api("POST", "/v1/callback-origins/try", { origin: receiver.origin });
  expect(tried).toMatchObject({ status: 202, body: { origin: receiver.origin } });
  await receiver.take(path, 1);
  await vi.waitFor(async () => expect(await listed()).not.toMatchObject({ state: "failing" }), {
    timeout: 60_000,
  });
  expect(gateway.clock.monotonic()).toBeGreaterThan(before);
  expect((await explained(scene, "delivered", late)).reason).toBe("delivered");
  expect(
    await gateway.api("POST", "/v1/callback-origins/try", { origin: "https://no.example" }),
  ).toMatchObject({ status: 404, body: { code: "not_found" } });
}, 240_000);
