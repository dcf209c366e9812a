import { describe, expect, test } from "vitest";
import { buildCancelRequest, buildStatusRequest } from "../../src/providers/request/build.ts";
import { builtInProviders } from "../support/providers.ts";
import { type PreparedTarget, prepareTarget } from "../../src/providers/request/target.ts";
import type { Provider } from "../../src/providers/compile/provider.ts";

const FACTS = { nowMs: 0, nextUrl: null, etag: null, mayLongPoll: false };

const pulse = provider("pulse");
const sandbox = provider("sandbox");

function provider(name: string): Provider {
  const found = builtInProviders().get(name);
  if (found === undefined) throw new Error(`No provider ${name}.`);
  return found;
}

describe("Pulse's recommendations", () => {
  test("the provider polls as Pulse recommends: 1 s, ×1.5, at most 10 s, for 48 h", () => {
    expect(pulse).toMatchObject({
      baseUrl: "https://api.runpulse.com",
      schedule: { kind: "exponential", initialMs: 1000, factor: 1.5, capMs: 10_000 },
      limits: { concurrency: 64, requestsPerSecond: null },
      notFoundGraceMs: 30_000,
      deadlineMs: 48 * 3_600_000,
      deadlineMsMax: 30 * 24 * 3_600_000,
      supportsCancel: true,
    });
  });

  test("the provider uses GET and DELETE /job/{job_id} with the key in x-api-key, as Pulse documents", () => {
    const target = targetOf(pulse, pulse.baseUrl);
    const reference = { jobId: "../admin", params: {} };
    const request = {
      origin: "https://api.runpulse.com",
      path: "/job/..%2Fadmin",
      headers: { accept: "application/json", "user-agent": "Ringback", "x-api-key": "key" },
      body: null,
    };
    const asked = buildStatusRequest(target, reference, FACTS);
    expect(asked).toStrictEqual({ kind: "request", method: "GET", ...request });
    const canceled = buildCancelRequest(target, reference, 0);
    expect(canceled).toStrictEqual({ kind: "request", method: "DELETE", ...request });
  });
});

test("the sandbox is faster, has its own path, and takes the address of the gateway", () => {
  expect(sandbox.schedule).toStrictEqual({
    kind: "exponential",
    initialMs: 500,
    factor: 1.5,
    capMs: 5000,
  });
  const target = targetOf(sandbox, "http://127.0.0.1:9999");
  expect(buildStatusRequest(target, { jobId: "../admin", params: {} }, FACTS)).toStrictEqual({
    kind: "request",
    method: "GET",
    origin: "http://127.0.0.1:9999",
    path: "/sandbox/jobs/..%2Fadmin",
    headers: { accept: "application/json", "user-agent": "Ringback", "x-api-key": "key" },
    body: null,
  });
});

function targetOf(of: Provider, baseUrl: string | null): PreparedTarget {
  const preparation = prepareTarget(of, { baseUrl, credential: "key" });
  if (preparation.kind === "refused") throw new Error(preparation.problem);
  return preparation.target;
}
