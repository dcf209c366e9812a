import { describe, expect, test } from "vitest";
import { builtInProviders } from "../../support/providers.ts";
import { interpretAnswer } from "../../../src/providers/answer/interpret.ts";
import type { Provider } from "../../../src/providers/compile/provider.ts";

const NOW_MS = Date.parse("2026-01-01T00:00:10.000Z");
const CREATED = "2026-01-01T00:00:00Z";
const UPDATED = "2026-01-01T00:00:09Z";
const SEEN = { seenBefore: true, ageMs: 10_000, nowMs: NOW_MS };

const pulse = provider("pulse");
const sandbox = provider("sandbox");

function provider(name: string): Provider {
  const found = builtInProviders().get(name);
  if (found === undefined) throw new Error(`No provider ${name}.`);
  return found;
}

interface Given {
  readonly headers?: Record<string, string>;
  readonly facts?: Partial<typeof SEEN>;
}

/** Interprets an answer with Pulse's and with the sandbox's provider, which must agree. */
function observe(status: number, body: object | string, given: Given = {}): unknown {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = { status, headers: given.headers ?? {}, body: Buffer.from(text) };
  const facts = { ...SEEN, ...given.facts };
  const observation = interpretAnswer(pulse, answer, facts);
  expect(interpretAnswer(sandbox, answer, facts)).toStrictEqual(observation);
  return observation;
}

function job(status: string, more: object = {}): object {
  return { job_id: "abc123", status, created_at: CREATED, updated_at: UPDATED, ...more };
}

function refusal(code: string, message = "Told so"): object {
  return { error: { code, message, details: {} } };
}

const times = { createdAt: CREATED, updatedAt: UPDATED };
const noTimes = { createdAt: null, updatedAt: null };
const quiet = { progress: null, hintMs: null, unknownStatus: null };

describe("a status of 200 says how the job is", () => {
  test.each([
    ["pending", "pending"],
    ["queued", "pending"],
    ["processing", "processing"],
    ["Processing", "processing"],
  ])("a Pulse status of %s is running, phase %s", (status, phase) => {
    expect(observe(200, job(status))).toStrictEqual({ kind: "running", phase, ...quiet, times });
  });

  test("Pulse's answer to a submission (202) is understood too", () => {
    expect(
      observe(202, { job_id: "abc123", status: "pending", message: "Accepted" }),
    ).toStrictEqual({
      kind: "running",
      phase: "pending",
      ...quiet,
      times: noTimes,
    });
  });

  test("an unknown Pulse status is running, and shown", () => {
    expect(observe(200, job("reticulating splines"))).toStrictEqual({
      kind: "running",
      phase: "processing",
      ...quiet,
      unknownStatus: "reticulating splines",
      times,
    });
  });

  test("a completed Pulse job carries the result as written, except for white space between tokens", () => {
    const result = '{"n":12345678901234567890,"x":1.0,"markdown":"\\u00e9 a","page_count":1e2}';
    const spread = result.replaceAll(/[:,]/g, "$&\n ");
    const body = `{"job_id":"a","status":"completed","created_at":"${CREATED}","updated_at":"${UPDATED}","result": ${spread} }`;
    expect(observe(200, body)).toStrictEqual({ kind: "completed", result, times });
  });

  test("the spelling of Pulse's completion time does not matter", () => {
    const body = { status: "completed", created_at: CREATED, completed_at: UPDATED, result: 1 };
    expect(observe(200, body)).toStrictEqual({ kind: "completed", result: "1", times });
  });

  test("a completed Pulse job without a result, or with null, has the result null", () => {
    expect(observe(200, job("completed"))).toStrictEqual({
      kind: "completed",
      result: "null",
      times,
    });
    expect(observe(200, job("completed", { result: null }))).toMatchObject({ result: "null" });
  });

  test("Pulse's pointer to a large result is passed on unchanged", () => {
    const result = { is_url: true, url: "https://files.example.com/once?token=1" };
    expect(observe(200, job("completed", { result }))).toMatchObject({
      kind: "completed",
      result: JSON.stringify(result),
    });
  });

  test("a failed Pulse job carries the plain error text", () => {
    expect(observe(200, job("failed", { error: "Page 3 is unreadable" }))).toStrictEqual({
      kind: "failed",
      error: "Page 3 is unreadable",
      times,
    });
  });

  test("a failed Pulse job without a reason says so", () => {
    expect(observe(200, job("failed", { error: null }))).toMatchObject({
      kind: "failed",
      error: expect.stringContaining("no reason"),
    });
  });

  test.each(["canceled", "cancelled", "CANCELLED"])(
    "a Pulse status of %s is canceled",
    (status) => {
      expect(observe(200, job(status))).toMatchObject({ kind: "canceled", times });
    },
  );

  test("an expired Pulse job is expired, and its stub of a result is not one", () => {
    expect(observe(200, job("expired", { result: { expired: true } }))).toStrictEqual({
      kind: "expired",
      error: "The upstream reports that the job has expired.",
      times,
    });
  });
});

describe("progress", () => {
  const progress = '{"total":10,"completed":3.0,"failed":0}';
  const body = (status: string): string =>
    `{"status":"${status}","result":{"progress":${progress},"jobs":{"a":"processing"}}}`;

  test("the progress of a Pulse batch comes from its result while it is processing, as written", () => {
    expect(observe(200, body("processing"))).toMatchObject({ kind: "running", progress });
  });

  test("the progress of a completed Pulse batch is part of its result", () => {
    expect(observe(200, body("completed"))).toStrictEqual({
      kind: "completed",
      result: `{"progress":${progress},"jobs":{"a":"processing"}}`,
      times: noTimes,
    });
  });
});

describe("an error status means what Pulse documents", () => {
  test.each([
    [401, "AUTH_001"],
    [401, "AUTH_002"],
    [401, "AUTH_003"],
    [401, "AUTH_005"],
    [403, "AUTH_004"],
    [403, "AUTH_006"],
    [403, "BILLING_001"],
    [402, "BILLING_002"],
  ])("Pulse's %i %s rejects the credential, and says why", (status, code) => {
    expect(observe(status, refusal(code))).toStrictEqual({
      kind: "credential_rejected",
      reason: `HTTP ${status}: Told so (${code})`,
      isPlain: status !== 403,
    });
  });

  test("Pulse's 404 JOB_001 just after acceptance is not visible yet", () => {
    const facts = { seenBefore: false, ageMs: 29_999 };
    expect(observe(404, refusal("JOB_001"), { facts })).toStrictEqual({
      kind: "retry",
      cause: "not_visible_yet",
      reason: "HTTP 404: Told so (JOB_001)",
      retryAfterMs: null,
    });
  });

  test("Pulse's 404 JOB_001 after the grace period is absent, and expired once confirmed", () => {
    const facts = { seenBefore: false, ageMs: 30_000 };
    expect(observe(404, refusal("JOB_001"), { facts })).toMatchObject({
      kind: "absent",
      ending: {
        status: "expired",
        error:
          "The upstream did not know the job 30 s after it was accepted. HTTP 404: Told so (JOB_001)",
      },
    });
  });

  test("Pulse's 404 JOB_001 of a job that was seen before is absent, however young it is", () => {
    expect(observe(404, refusal("JOB_001"), { facts: { ageMs: 1 } })).toMatchObject({
      kind: "absent",
      confirmedBy: { answers: 3, overMs: 30_000 },
      ending: {
        status: "expired",
        error: "The upstream no longer knows the job. HTTP 404: Told so (JOB_001)",
      },
    });
  });

  test("a 410 without Pulse's own code may be transient", () => {
    expect(observe(410, "gone")).toMatchObject({ kind: "absent" });
  });

  test("Pulse's 410 JOB_003 is expired, grace period or not", () => {
    const facts = { seenBefore: false, ageMs: 0 };
    expect(observe(410, refusal("JOB_003"), { facts })).toStrictEqual({
      kind: "expired",
      error: "Told so (JOB_003)",
      times: noTimes,
    });
  });

  test("Pulse's 409 JOB_004 is still processing", () => {
    expect(observe(409, refusal("JOB_004"))).toStrictEqual({
      kind: "running",
      phase: "processing",
      ...quiet,
      times: noTimes,
    });
  });

  test("Pulse's 500 JOB_005 is the job's own failure", () => {
    expect(observe(500, refusal("JOB_005", "Extraction failed"))).toStrictEqual({
      kind: "failed",
      error: "Extraction failed (JOB_005)",
      times: noTimes,
    });
  });

  test.each<[number, object | string]>([
    [500, refusal("GENERAL_001")],
    [500, "<html>Internal Server Error</html>"],
    [500, ""],
    [502, "Bad Gateway"],
    [503, refusal("GENERAL_002")],
    [503, refusal("JOB_005")],
    [504, refusal("GENERAL_003")],
    [599, ""],
  ])("Pulse's %i with %j is an outage", (status, body) => {
    expect(observe(status, body)).toMatchObject({ kind: "retry", cause: "upstream_fault" });
  });

  test.each([
    [429, "GENERAL_004"],
    [503, "PROC_004"],
  ])("Pulse's %i %s is a rate limit", (status, code) => {
    expect(observe(status, refusal(code))).toStrictEqual({
      kind: "retry",
      cause: "rate_limited",
      reason: `HTTP ${status}: Told so (${code})`,
      retryAfterMs: null,
    });
  });

  test("Pulse's rate limit ends as Retry-After says, or else X-RateLimit-Reset", () => {
    const reset = { "x-ratelimit-reset": String(NOW_MS / 1000 + 20) };
    expect(observe(429, "", { headers: reset })).toMatchObject({ retryAfterMs: 20_000 });
    expect(observe(429, "", { headers: { ...reset, "retry-after": "7" } })).toMatchObject({
      retryAfterMs: 7000,
    });
  });

  test("X-RateLimit-Reset counts only with a rate limit, because every Pulse answer may carry it", () => {
    const headers = { "x-ratelimit-reset": "20" };
    expect(observe(200, job("processing"), { headers })).toMatchObject({ hintMs: null });
    expect(observe(502, "", { headers })).toMatchObject({ retryAfterMs: null });
  });
});
