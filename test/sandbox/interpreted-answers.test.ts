import { describe, expect, test } from "vitest";
import {
  buildCancelRequest,
  buildStatusRequest,
  type RequestBuilding,
} from "../../src/providers/request/build.ts";
import type { UpstreamRequest } from "../../src/providers/request/upstream-request.ts";
import { builtInProviders } from "../support/providers.ts";
import { interpretAnswer, type Interpretation } from "../../src/providers/answer/interpret.ts";
import { type PreparedTarget, prepareTarget } from "../../src/providers/request/target.ts";
import { startSandbox } from "./sandbox-harness.ts";

type Sandbox = ReturnType<typeof startSandbox>;

function sandboxTarget(): PreparedTarget {
  const provider = builtInProviders().get("sandbox");
  if (provider === undefined) throw new Error("There is no provider named sandbox.");
  const preparation = prepareTarget(provider, {
    baseUrl: "http://127.0.0.1:8080",
    credential: "key-1",
  });
  if (preparation.kind !== "ready") throw new Error(preparation.problem);
  return preparation.target;
}

function sent(building: RequestBuilding | null): UpstreamRequest {
  if (building?.kind !== "request") throw new Error("no request");
  return building;
}

/** Polls the sandbox and interprets its answer with the gateway's own provider. */
async function poll(sandbox: Sandbox, jobId: string, seenBefore = false): Promise<Interpretation> {
  const target = sandboxTarget();
  const facts = { nowMs: sandbox.clock.now(), nextUrl: null, etag: null, mayLongPoll: false };
  const building = buildStatusRequest(target, { jobId, params: {} }, facts);
  const { method, path, headers } = sent(building);
  const response = await sandbox.request(path.replace(/^\/sandbox/, ""), { method, headers });
  return interpretAnswer(
    target.provider,
    {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    },
    { seenBefore, ageMs: 0, nowMs: sandbox.clock.now() },
  );
}

describe("the provider `sandbox` understands what the sandbox answers", () => {
  test("the provider sandbox understands a running job with its progress, and a completed one with its result", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted('{"duration_s": 10, "result": {"n": 12345678901234567890}}');
    expect(await poll(sandbox, id)).toMatchObject({ kind: "running", phase: "pending" });
    sandbox.clock.advance(5000);
    expect(await poll(sandbox, id)).toMatchObject({
      kind: "running",
      phase: "processing",
      progress: '{"total":10,"completed":5,"failed":0}',
      unknownStatus: null,
    });
    sandbox.clock.advance(5000);
    expect(await poll(sandbox, id)).toEqual({
      kind: "completed",
      result: '{"n":12345678901234567890}',
      times: { createdAt: "2026-01-01T00:00:00.000Z", updatedAt: "2026-01-01T00:00:10.000Z" },
    });
  });

  test.each([
    ["failed", "The document could not be read."],
    ["canceled", "The upstream reports that the job was canceled."],
    ["expired", expect.any(String)],
  ])("the provider sandbox understands a job that ends as %s", async (outcome, error) => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 0, outcome });
    expect(await poll(sandbox, id)).toMatchObject({ kind: outcome, error });
  });

  test("the provider sandbox understands a pointer as the result", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 0, pointer: true });
    expect(await poll(sandbox, id)).toMatchObject({
      kind: "completed",
      result: expect.stringContaining('"is_url":true'),
    });
  });

  test("the provider sandbox sends cancel requests to the job", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ outcome: "never" });
    const job = { jobId: id, params: {} };
    const { method, path } = sent(buildCancelRequest(sandboxTarget(), job, sandbox.clock.now()));
    await sandbox.request(path.replace(/^\/sandbox/, ""), { method });
    expect(await poll(sandbox, id)).toMatchObject({ kind: "canceled" });
  });

  test("the provider sandbox understands an unknown job as not visible yet, or gone once it was seen", async () => {
    const sandbox = startSandbox();
    expect(await poll(sandbox, "unknown")).toMatchObject({ cause: "not_visible_yet" });
    expect(await poll(sandbox, "unknown", true)).toMatchObject({
      kind: "absent",
      ending: { status: "expired" },
    });
  });
});

describe("each misbehaviour means what it is meant to", () => {
  test.each<[string, number, object]>([
    ["flaky_500", 1, { kind: "retry", cause: "upstream_fault" }],
    ["flaky_500", 2, { kind: "running" }],
    ["rate_limited", 2, { kind: "running" }],
    ["rate_limited", 3, { kind: "retry", cause: "rate_limited", retryAfterMs: 1000 }],
    ["not_found_first", 2, { kind: "retry", cause: "not_visible_yet" }],
    ["not_found_first", 3, { kind: "running" }],
    ["garbage", 1, { kind: "retry", cause: "unusable_answer" }],
    ["garbage", 2, { kind: "running" }],
    ["unauthorized", 1, { kind: "credential_rejected" }],
  ])(
    "this misbehavior is read as intended: %s at poll %d",
    async (misbehaviour, polls, meaning) => {
      const sandbox = startSandbox();
      const id = await sandbox.submitted({ misbehaviour });
      for (let n = 1; n < polls; n += 1) await poll(sandbox, id);
      expect(await poll(sandbox, id)).toMatchObject(meaning);
    },
  );

  test("unknown_status is a running job with a status for people to see", async () => {
    const sandbox = startSandbox();
    const id = await sandbox.submitted({ duration_s: 2, misbehaviour: "unknown_status" });
    sandbox.clock.advance(1000);
    expect(await poll(sandbox, id)).toMatchObject({
      kind: "running",
      unknownStatus: "reticulating",
    });
  });
});
