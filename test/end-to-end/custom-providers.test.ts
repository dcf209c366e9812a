import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestContext } from "vitest";
import type { Json } from "../support/api-client.ts";
import { pulseAnswer, startFakeUpstream } from "../support/fake-upstream.ts";
import type { FakeUpstream } from "../support/fake-upstream.ts";
import { SIGNING_SECRET } from "../support/gateway-environment.ts";
import { startReceiver } from "../support/receiver.ts";
import type { Receiver } from "../support/receiver.ts";
import { startTestGateway } from "../support/test-gateway.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { ACME_KEY, acmeDefinition, OTHER_RULES } from "./provider-scene.ts";

const folder = mkdtempSync(join(tmpdir(), "ringback-test-providers-"));
let gateway: TestGateway;
let upstream: FakeUpstream;
let receiver: Receiver;
beforeAll(async () => {
  [upstream, receiver] = await Promise.all([startFakeUpstream(), startReceiver(SIGNING_SECRET)]);
  const shared = { ...acmeDefinition(upstream.origin), name: "shared" };
  writeFileSync(join(folder, "shared.json"), JSON.stringify(shared));
  gateway = await startTestGateway({ RINGBACK_PROVIDERS_DIR: folder, RINGBACK_CONSOLE: "0" });
});
afterAll(async () => {
  await gateway.discard();
  await Promise.all([upstream.close(), receiver.close()]);
  rmSync(folder, { recursive: true, force: true });
});

let scenes = 0;

/** A provider, its connection and a job, all of one test. */
async function setUp(definition = acmeDefinition(upstream.origin)) {
  scenes += 1;
  const name = `acme-${scenes}`;
  const ok = async (method: string, path: string, body?: object): Promise<Json> => {
    const answer = await gateway.api(method, path, body);
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.body;
  };
  await ok("PUT", `/v1/providers/${name}`, definition);
  const connection = await ok("POST", "/v1/connections", { provider: name, credential: ACME_KEY });
  return {
    name,
    connection,
    ok,
    put: (changed: object) => ok("PUT", `/v1/providers/${name}`, changed),
    subscribe: (jobId: string): Promise<Json> =>
      ok("POST", "/v1/subscriptions", {
        provider: name,
        job_id: jobId,
        callback_url: receiver.url(`/${jobId}`),
      }),
    endingOf: async (jobId: string) => (await receiver.takeOne(`/${jobId}`)).event.type,
  };
}

test("a definition from a file that is new at a start is in the audit log", async () => {
  const { body } = await gateway.api("GET", "/v1/audit-log?limit=100");
  const entries: Json[] = body.data.filter(({ subject }: Json) => subject === "shared");
  expect(entries).toMatchObject([
    {
      action: "provider.created",
      actor: { kind: "operator", command: "start" },
      details: { version: 1, source: "file" },
    },
  ]);
});

test("a new version leaves jobs that are watched as they were, and counts for new ones", async () => {
  const { put, subscribe, endingOf } = await setUp();
  for (const jobId of ["before", "after"]) upstream.answer(jobId, pulseAnswer.processing());
  await subscribe("before");
  await upstream.polled("before", 2);
  await put(acmeDefinition(upstream.origin, OTHER_RULES));
  await subscribe("after");
  // A second subscription joins the job as it is.
  await subscribe("before");
  await Promise.all([upstream.polledAgain("before"), upstream.polledAgain("after")]);
  for (const jobId of ["before", "after"]) upstream.answer(jobId, pulseAnswer.completed());
  expect(await endingOf("before")).toBe("job.completed");
  expect(await endingOf("after")).toBe("job.failed");
  const twice = await receiver.take("/before", 2);
  expect(twice.map(({ event }) => event.type)).toEqual(["job.completed", "job.completed"]);
});

describe("a version that leads elsewhere", () => {
  async function elsewhere({ onTestFinished }: TestContext): Promise<FakeUpstream> {
    const other = await startFakeUpstream();
    onTestFinished(() => other.close());
    return other;
  }

  test("a version with a new host never gets the credential until it is set again; older jobs continue", async (context) => {
    const other = await elsewhere(context);
    const { connection, ok, put, subscribe, endingOf } = await setUp();
    const jobIds = [`older-${scenes}`, `newer-${scenes}`] as const;
    const [older, newer] = jobIds;
    upstream.answer(older, pulseAnswer.processing());
    other.answer(newer, pulseAnswer.completed());
    await subscribe(older);
    await upstream.polled(older, 1);
    await put(acmeDefinition(other.origin));
    const { id } = await subscribe(newer);
    const waiting = await gateway.until(
      `/v1/subscriptions/${id}`,
      ({ job }) => job.last_error !== null,
    );
    expect(waiting.job).toMatchObject({
      status: "pending",
      last_error: expect.stringContaining(`leads to ${other.origin}`),
      next_poll_at: null,
    });
    await upstream.polledAgain(older, 3);
    expect(other.requests).toEqual([]);
    upstream.answer(older, pulseAnswer.completed());
    expect(await endingOf(older)).toBe("job.completed");

    await ok("PATCH", `/v1/connections/${connection.id}`, { credential: "agreed-key" });
    expect(await endingOf(newer)).toBe("job.completed");
    expect(other.requests.map(({ headers }) => headers["x-api-key"])).toEqual(["agreed-key"]);
  });

  test("a version with a new host never gets the credential by a trial either", async (context) => {
    const other = await elsewhere(context);
    const { name } = await setUp();
    const definition = acmeDefinition(other.origin);
    const answer = await gateway.api("POST", `/v1/providers/${name}/try`, {
      definition,
      job_id: "a",
    });
    expect(answer.status).toBe(409);
    expect(answer.body.detail).toContain(`leads to ${other.origin}`);
    expect(other.requests).toEqual([]);
  });
});

test("a trial asks about a live job once and changes nothing, neither of it nor of the connection", async () => {
  const { name, connection, ok, subscribe } = await setUp(
    acmeDefinition(upstream.origin, { schedule: { kind: "fixed", interval_s: 3600 } }),
  );
  const jobId = `tried-${scenes}`;
  upstream.answer(jobId, pulseAnswer.processing());
  const { id } = await subscribe(jobId);
  await gateway.until(`/v1/subscriptions/${id}`, ({ job }) => job.poll_count === 1);
  const tryOut = () => ok("POST", `/v1/providers/${name}/try`, { job_id: jobId });
  const look = () =>
    Promise.all([
      ok("GET", `/v1/subscriptions/${id}`),
      ok("GET", `/v1/connections/${connection.id}`),
    ]);
  const before = await look();

  upstream.answer(jobId, { body: { status: "completed", result: { key: ACME_KEY } } });
  const completed = await tryOut();
  expect(completed).toMatchObject({
    asked: { method: "GET", url: `${upstream.origin}/job/${jobId}` },
    answer: { status: 200 },
    steps: { decided_by: "/rules/1", observation: { kind: "completed" } },
  });
  expect(JSON.stringify(completed)).not.toContain(ACME_KEY);
  upstream.answer(jobId, pulseAnswer.error(401, "AUTH_002", "Invalid API key"));
  expect(await tryOut()).toMatchObject({ steps: { observation: { kind: "credential_rejected" } } });

  expect(upstream.polls(jobId)).toHaveLength(3);
  expect(await look()).toEqual(before);
  expect(receiver.received(`/${jobId}`)).toEqual([]);
});

test("a definition from a file is every project's, and its jobs are watched like others", async () => {
  const { body: shown } = await gateway.api("GET", "/v1/providers/shared");
  expect(shown).toMatchObject({ source: "file", version: 1, definition: { title: "Acme" } });
  const taken = await gateway.api("PUT", "/v1/providers/shared", acmeDefinition(upstream.origin));
  expect(taken.body).toMatchObject({ status: 409, code: "provider_name_taken" });
  await gateway.api("POST", "/v1/connections", { provider: "shared", credential: ACME_KEY });
  upstream.answer("of-a-file", pulseAnswer.completed());
  await gateway.api("POST", "/v1/subscriptions", {
    provider: "shared",
    job_id: "of-a-file",
    callback_url: receiver.url("/of-a-file"),
  });
  const { event } = await receiver.takeOne("/of-a-file");
  expect(event).toMatchObject({ type: "job.completed", data: { provider: "shared" } });
});

test("a definition can't lead inwards", async () => {
  const changes = { allowed_hosts: ["a.example", "169.254.169.254"] };
  const definition = acmeDefinition("https://10.0.0.1", changes);
  const answer = await gateway.api("PUT", "/v1/providers/inwards", definition);
  expect(answer.status).toBe(422);
  expect(answer.body.errors).toMatchObject([
    { pointer: "/base_url" },
    { pointer: "/allowed_hosts/1" },
  ]);
});

test("a console that is turned off is not served, and not led to", async () => {
  for (const path of ["/console", "/console/", "/console/sign-in", "/console/overview"]) {
    const response = await fetch(gateway.url + path, { redirect: "manual" });
    expect(response.status, path).toBe(404);
  }
  expect(await (await fetch(gateway.url)).text()).not.toContain("data-console");
});
