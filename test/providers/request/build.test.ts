import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildCancelRequest,
  buildStatusRequest,
  missingParams,
  type StatusRequestFacts,
} from "../../../src/providers/request/build.ts";
import type { UpstreamRequest } from "../../../src/providers/request/upstream-request.ts";
import type { ProviderDefinitionSource } from "../../../src/providers/definition/definition.ts";
import { type PreparedTarget, prepareTarget } from "../../../src/providers/request/target.ts";
import type { Provider } from "../../../src/providers/compile/provider.ts";
import type { JobReference } from "../../../src/providers/language/template.ts";
import { exampleProvider } from "../example-provider.ts";

const NO_PARAMS = {};

function targetOf(
  changes: Partial<ProviderDefinitionSource> = {},
  connection: { baseUrl?: string; credential?: string } = {},
): PreparedTarget {
  const provider = exampleProvider(changes);
  const preparation = prepareTarget(provider, {
    baseUrl: provider.baseUrl,
    credential: "secret",
    ...connection,
  });
  if (preparation.kind === "refused") throw new Error(preparation.problem);
  return preparation.target;
}

const FACTS: StatusRequestFacts = { nowMs: 0, nextUrl: null, etag: null, mayLongPoll: false };

function statusRequest(
  target: PreparedTarget,
  job: JobReference,
  facts: Partial<StatusRequestFacts> = {},
): UpstreamRequest {
  const building = buildStatusRequest(target, job, { ...FACTS, ...facts });
  if (building.kind === "refused") throw new Error(building.problem);
  return building;
}

function pathOf(jobId: string): string {
  return statusRequest(targetOf(), { jobId, params: NO_PARAMS }).path;
}

describe("a job id is always one path segment", () => {
  test.each([
    ["abc123-def456", "/jobs/abc123-def456"],
    ["../admin", "/jobs/..%2Fadmin"],
    ["a/b", "/jobs/a%2Fb"],
    ["a\\..\\b", "/jobs/a%5C..%5Cb"],
    ["?x=1", "/jobs/%3Fx%3D1"],
    ["#x", "/jobs/%23x"],
    ["%2e%2e", "/jobs/%252e%252e"],
    ["%2F", "/jobs/%252F"],
    ["a b", "/jobs/a%20b"],
    ["ünï😀", "/jobs/%C3%BCn%C3%AF%F0%9F%98%80"],
    ["\ud800", "/jobs/%EF%BF%BD"],
    ["a\r\nHost: b", "/jobs/a%0D%0AHost%3A%20b"],
    ["\0", "/jobs/%00"],
    ["...", "/jobs/..."],
    [".", "/jobs/%252E"],
    ["..", "/jobs/%252E%252E"],
    ["@evil.example", "/jobs/%40evil.example"],
    ["//evil.example", "/jobs/%2F%2Fevil.example"],
  ])("the job id %j is sent as one path segment, %s", (jobId, path) => {
    expect(pathOf(jobId)).toBe(path);
  });

  test("any job id stays one path segment, however the URL is normalized", () => {
    const jobId = fc.oneof(
      fc.string({ unit: "binary", minLength: 1 }),
      fc.stringMatching(/^[./\\%2eEfF?#;@]+$/),
      fc
        .array(fc.constantFrom(".", "/", "%2e", "%2F", "\ud800", "a"), { minLength: 1 })
        .map((parts) => parts.join("")),
    );
    const target = targetOf({ status: { path: "/v1/{params.account}/jobs/{job_id}/status" } });
    fc.assert(
      fc.property(jobId, jobId, (id, account) => {
        const { origin, path } = statusRequest(target, { jobId: id, params: { account } });
        const url = new URL(origin + path);
        expect(url.pathname).toBe(path);
        expect(url.origin).toBe("https://api.example.com");
        expect(path).toMatch(/^\/v1\/[^/?#]+\/jobs\/[^/?#]+\/status$/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the parts of a request", () => {
  test("a path prefix of the base URL stays in front", () => {
    for (const baseUrl of ["https://example.com/proxy/pulse", "https://example.com/proxy/pulse/"]) {
      const target = targetOf({}, { baseUrl });
      expect(statusRequest(target, { jobId: "j", params: NO_PARAMS })).toStrictEqual({
        kind: "request",
        method: "GET",
        origin: "https://example.com",
        path: "/proxy/pulse/jobs/j",
        headers: {
          accept: "application/json",
          authorization: "Bearer secret",
          "user-agent": "Ringback",
        },
        body: null,
      });
    }
  });

  test("params fill the path and the query, each encoded for its place", () => {
    const target = targetOf({
      status: {
        path: "/accounts/{params.account}/runs/{job_id}:get",
        query: { run_id: "{job_id}", view: "full & raw", "a b": "x{params.account}y" },
      },
    });
    const { path } = statusRequest(target, { jobId: "1/2", params: { account: "ü&=" } });
    expect(path).toBe(
      "/accounts/%C3%BC%26%3D/runs/1%2F2:get?run_id=1%2F2&view=full%20%26%20raw&a%20b=x%C3%BC%26%3Dy",
    );
  });

  test("the params that a provider needs are known before a job is accepted", () => {
    const provider = exampleProvider({
      status: { path: "/{params.a}/{job_id}", query: { b: "{params.b}" } },
      result: { kind: "request", request: { path: "/{params.a}/{params.c}/{job_id}" } },
    });
    expect(provider.paramNames).toStrictEqual(["a", "b", "c"]);
    expect(missingParams(provider, { a: "1", b: "", other: "x" })).toStrictEqual(["b", "c"]);
    expect(missingParams(exampleProvider(), {})).toStrictEqual([]);
  });

  test("a param that only canceling needs may be missing, and then canceling is unavailable", () => {
    const cancel = { method: "PUT", url_param: "cancel_url" } as const;
    expect(missingParams(exampleProvider({ cancel }), {})).toStrictEqual([]);
    const target = targetOf({ cancel });
    expect(buildCancelRequest(target, { jobId: "j", params: {} }, 0)).toStrictEqual({
      kind: "refused",
      problem: "The job was accepted without cancel_url, which canceling needs.",
    });
    const params = { cancel_url: "https://api.example.com/j/cancel" };
    expect(buildCancelRequest(target, { jobId: "j", params }, 0)).toMatchObject({
      path: "/j/cancel",
    });
  });

  test("a param named like an inherited method is not found", () => {
    const target = targetOf({ status: { path: "/{params.constructor}/x{job_id}" } });
    expect(statusRequest(target, { jobId: "j", params: {} }).path).toBe("//xj");
  });

  test("a cancel request exists only where the provider has one", () => {
    const job = { jobId: "../x", params: NO_PARAMS };
    expect(buildCancelRequest(targetOf(), job, 0)).toBeNull();
    const target = targetOf({ cancel: { method: "DELETE", path: "/jobs/{job_id}" } });
    expect(buildCancelRequest(target, job, 0)).toMatchObject({
      method: "DELETE",
      path: "/jobs/..%2Fx",
    });
  });
});

describe("the credential goes where the provider wants it", () => {
  test.each<[ProviderDefinitionSource["auth"], Record<string, string>]>([
    [{ kind: "header", name: "x-api-key" }, { "x-api-key": "secret" }],
    [{ kind: "header", name: "authorization", prefix: "Key " }, { authorization: "Key secret" }],
    [{ kind: "bearer" }, { authorization: "Bearer secret" }],
    [{ kind: "basic" }, { authorization: "Basic c2VjcmV0" }],
    [{ kind: "none" }, {}],
    [{ kind: "query", name: "key" }, {}],
  ])("the credential goes where the provider wants it: %j", (auth, headers) => {
    const request = statusRequest(targetOf({ auth }), { jobId: "j", params: NO_PARAMS });
    expect(request.headers).toStrictEqual({
      accept: "application/json",
      "user-agent": "Ringback",
      ...headers,
    });
    expect(request.path).toBe(auth.kind === "query" ? "/jobs/j?key=secret" : "/jobs/j");
  });

  test("a credential in the query is encoded and follows the definition's own query", () => {
    const status = { path: "/jobs/{job_id}", query: { view: "full" } };
    const target = targetOf(
      { auth: { kind: "query", name: "key" }, status },
      { credential: "a&b=ü" },
    );
    const { path } = statusRequest(target, { jobId: "j", params: NO_PARAMS });
    expect(path).toBe("/jobs/j?view=full&key=a%26b%3D%C3%BC");
  });

  test("fixed headers go with the credential, and one object serves all requests", () => {
    const target = targetOf({ headers: { "x-version": "2026-01-01" } });
    const first = statusRequest(target, { jobId: "1", params: NO_PARAMS });
    const second = statusRequest(target, { jobId: "2", params: NO_PARAMS });
    expect(first.headers).toMatchObject({
      "x-version": "2026-01-01",
      authorization: "Bearer secret",
    });
    expect(second.headers).toBe(first.headers);
  });
});

function refusal(
  provider: Provider,
  connection: { baseUrl?: string; credential?: string },
): unknown {
  return prepareTarget(provider, {
    baseUrl: provider.baseUrl,
    credential: "secret",
    ...connection,
  });
}

describe("a credential that can't be sent is refused, without being quoted", () => {
  test.each([
    ["bearer", "", "empty"],
    ["bearer", "sk-1\n", "line break"],
    ["bearer", "sk\r\nx-evil: 1", "line break"],
    ["bearer", "sk\u00a0", "printable ASCII"],
    ["bearer", " sk", "white space"],
    ["bearer", "sk ", "white space"],
    ["bearer", "schlüssel", "printable ASCII"],
    ["basic", "user:pass\n", "line break"],
    ["query", "a\0b", "control character"],
  ] as const)("%s with %j", (kind, credential, problem) => {
    const auth = kind === "query" ? ({ kind, name: "key" } as const) : ({ kind } as const);
    expect(refusal(exampleProvider({ auth }), { credential })).toStrictEqual({
      kind: "refused",
      field: "credential",
      problem: expect.stringContaining(problem),
    });
  });

  test("a provider without authentication needs no credential", () => {
    expect(refusal(exampleProvider({ auth: { kind: "none" } }), { credential: "" })).toMatchObject({
      kind: "ready",
    });
  });
});

describe("a base URL that can't be used is refused", () => {
  test.each([
    "",
    "api.example.com",
    "ftp://example.com",
    "https://u:p@example.com",
    "https://u@example.com",
    "https://example.com/?a=1",
    "https://example.com/#a",
  ])("a base URL that can't be used is refused: %j", (baseUrl) => {
    expect(refusal(exampleProvider(), { baseUrl })).toMatchObject({
      kind: "refused",
      field: "base_url",
    });
  });

  test.each([
    ["https://api.example.com", "ready"],
    ["https://eu.example.net", "ready"],
    ["https://a.b.example.org", "ready"],
    ["https://example.org", "refused"],
    ["https://evilexample.org", "refused"],
    ["https://eu.example.net.evil.com", "refused"],
  ])("when the provider lists its hosts, the base URL %s is %s", (baseUrl, kind) => {
    const provider = exampleProvider({ allowed_hosts: ["EU.example.net", "*.example.org"] });
    expect(refusal(provider, { baseUrl })).toMatchObject({ kind });
  });
});
