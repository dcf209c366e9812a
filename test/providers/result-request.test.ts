import { describe, expect, test } from "vitest";
import { buildResultRequest } from "../../src/providers/request/build.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import type { ResultWanted } from "../../src/providers/answer/interpret.ts";
import {
  interpretResult,
  interpretResultFailure,
} from "../../src/providers/answer/interpret-result.ts";
import { prepareTarget } from "../../src/providers/request/target.ts";
import { exampleProvider, interpret } from "./example-provider.ts";

type Result = Extract<NonNullable<ProviderDefinitionSource["result"]>, { kind: "request" }>;

const BY_FILE: Result = {
  kind: "request",
  request: { path: "/files/{answer./output_file_id}/content" },
};
const TIMES = { createdAt: null, updatedAt: null };

function wantedBy(result: Result, body: object | string): unknown {
  return interpret(200, body, { changes: { result } });
}

function requestFor(result: Result, place: ResultWanted["place"], changes = {}): unknown {
  const provider = exampleProvider({ result, ...changes });
  const prepared = prepareTarget(provider, { baseUrl: null, credential: "secret" });
  if (prepared.kind === "refused") throw new Error(prepared.problem);
  return buildResultRequest(prepared.target, { jobId: "j/1", params: {} }, place, 0);
}

describe("a completed job whose result takes another request", () => {
  test("a completed job names what to request with values of its answer", () => {
    expect(wantedBy(BY_FILE, { status: "done", output_file_id: "file-1" })).toStrictEqual({
      kind: "result_wanted",
      place: { url: null, answer: { "/output_file_id": "file-1" } },
      fallback: '{"status":"done","output_file_id":"file-1"}',
      times: TIMES,
    });
    expect(wantedBy(BY_FILE, { status: "done", output_file_id: 17 })).toMatchObject({
      place: { answer: { "/output_file_id": "17" } },
    });
  });

  test("a completed job names what to request with a URL of its answer", () => {
    const result: Result = { kind: "request", request: { url_at: ["/a", "/links/result"] } };
    const body = { status: "done", links: { result: "https://api.example.com/r/1" } };
    expect(wantedBy(result, body)).toMatchObject({
      place: { url: "https://api.example.com/r/1", answer: {} },
    });
  });

  test.for<[string, object]>([
    ["absent", {}],
    ["null", { output_file_id: null }],
    ["an object", { output_file_id: {} }],
    ["empty", { output_file_id: "" }],
  ])("a completed job has its own answer as the result when the value is %s", ([, fields]) => {
    const body = { status: "done", error_file_id: "e", ...fields };
    expect(wantedBy(BY_FILE, body)).toMatchObject({
      kind: "completed",
      result: JSON.stringify(body),
    });
    expect(wantedBy({ ...BY_FILE, otherwise: ["/error_file_id"] }, body)).toMatchObject({
      kind: "completed",
      result: '"e"',
    });
  });

  test.for<[string, unknown]>([
    ["endless", "x".repeat(9000)],
    ["an object", { id: "f" }],
    ["true", true],
  ])(
    "a completed job does not end without its result when the value is %s",
    ([, output_file_id]) => {
      expect(wantedBy(BY_FILE, { status: "done", output_file_id })).toMatchObject({
        kind: "retry",
        cause: "unusable_answer",
        reason: expect.stringContaining("/output_file_id is no text or number, or too long"),
      });
    },
  );

  test("a completed job uses the first URL with content", () => {
    const result: Result = { ...BY_FILE, request: { url_at: ["/none", "/blank", "/url"] } };
    const body = { status: "done", none: null, blank: "", url: "https://api.example.com/r" };
    expect(wantedBy(result, body)).toMatchObject({ place: { url: "https://api.example.com/r" } });
  });

  test("a completed job has its own answer as the result where the definition says so", () => {
    const onlyIf = [{ pointer: "/kind", eq: "query" }];
    const result: Result = { ...BY_FILE, only_if: onlyIf, otherwise: ["/stats"] };
    const body = { status: "done", output_file_id: "f", stats: { rows: 1 } };
    expect(wantedBy(result, { ...body, kind: "query" })).toMatchObject({ kind: "result_wanted" });
    expect(wantedBy(result, { ...body, kind: "load" })).toMatchObject({
      kind: "completed",
      result: '{"rows":1}',
    });
  });

  test("a completed job needs no JSON when nothing is taken from it", () => {
    const result: Result = { kind: "request", request: { path: "/jobs/{job_id}/result" } };
    const rules = [{ http_status: 200, observe: "completed" as const }];
    const changes = { result, rules };
    expect(interpret(200, "", { changes })).toMatchObject({ kind: "result_wanted" });
    expect(interpret(200, "<html>", { changes: { result: BY_FILE, rules } })).toMatchObject({
      cause: "unusable_answer",
    });
    expect(interpret(200, "", { changes: { result: BY_FILE, rules } })).toMatchObject({
      kind: "completed",
      result: "null",
    });
  });
});

describe("the request for a result", () => {
  const byUrl: Result = { kind: "request", request: { url_at: ["/url"] } };

  test("the request for a result is built from the job and the answer, each value one segment", () => {
    const place = { url: null, answer: { "/output_file_id": "../x" } };
    expect(requestFor(BY_FILE, place)).toStrictEqual({
      kind: "request",
      method: "GET",
      origin: "https://api.example.com",
      path: "/files/..%2Fx/content",
      headers: {
        accept: "application/json",
        authorization: "Bearer secret",
        "user-agent": "Ringback",
      },
      body: null,
    });
  });

  test("the request for a result goes to a URL on the connection's own host, query included", () => {
    const url = "https://api.example.com/r/1?part=2#end";
    expect(requestFor(byUrl, { url, answer: {} })).toMatchObject({ path: "/r/1?part=2" });
  });

  test.for([
    "https://evil.example/r",
    "http://api.example.com/r",
    "https://api.example.com:8443/r",
    "https://user@api.example.com/r",
    "https://api.example.com.evil.example/r",
    "//evil.example/r",
    "/\\evil.example/r",
    "r",
    "javascript:alert(1)",
    "https://api.example.com\\@evil.example/",
    "",
  ])("the request for a result never goes to %j", (url) => {
    expect(requestFor(byUrl, { url, answer: {} })).toMatchObject({
      kind: "refused",
      problem: expect.any(String),
    });
  });

  test("the request for a result goes to allowed hosts with the credential, and to its own hosts only without", () => {
    const url = "https://bucket.storage.example/r?signature=1";
    const allowed = { allowed_hosts: ["*.storage.example"] };
    expect(requestFor(byUrl, { url, answer: {} }, allowed)).toMatchObject({
      origin: "https://bucket.storage.example",
      headers: { authorization: "Bearer secret" },
    });
    const request = { url_at: ["/url"], credential: false, hosts: ["*.storage.example"] };
    const plain = requestFor({ kind: "request", request }, { url, answer: {} });
    expect(plain).toMatchObject({ path: "/r?signature=1" });
    expect(JSON.stringify(plain)).not.toContain("secret");
  });

  test("the request for a result accepts any type when the result is a text", () => {
    const place = { url: null, answer: { "/output_file_id": "f" } };
    expect(requestFor({ ...BY_FILE, format: "text" }, place)).toMatchObject({
      headers: { accept: "*/*" },
    });
  });
});

describe("the answer to it", () => {
  const meaning = (
    status: number,
    body: string | Buffer | object,
    result: Partial<Result> = {},
  ) => {
    const isRaw = typeof body === "string" || Buffer.isBuffer(body);
    const bytes = Buffer.from(isRaw ? body : JSON.stringify(body));
    return interpretResult(
      exampleProvider({ result: { ...BY_FILE, ...result } }),
      { status, headers: {}, body: bytes },
      {
        nowMs: 0,
        times: { createdAt: "then", updatedAt: null },
        fallback: '{"id":1.0}',
      },
    );
  };

  test("the answer with the result is the result, digit by digit, with the times of the status answer", () => {
    expect(meaning(200, '{"a": 1.0}')).toStrictEqual({
      kind: "completed",
      result: '{"a":1.0}',
      times: { createdAt: "then", updatedAt: null },
    });
    expect(meaning(200, '{"a": 1.0}', { at: ["/b", "/a"] })).toMatchObject({ result: "1.0" });
  });

  test("the answer with the result is one JSON string when the result is a text, such as JSON Lines", () => {
    const lines = '{"a":1}\n{"a":2}\n';
    expect(meaning(200, lines)).toMatchObject({ kind: "retry", cause: "unusable_answer" });
    expect(meaning(200, lines, { format: "text" })).toMatchObject({
      kind: "completed",
      result: JSON.stringify(lines),
    });
    expect(meaning(200, Buffer.from([0xff]), { format: "text" })).toMatchObject({
      cause: "unusable_answer",
      reason: expect.stringContaining("not UTF-8"),
    });
  });

  test.for<[number, string, string | undefined]>([
    [202, "running", undefined],
    [400, "retry", "unusable_answer"],
    [401, "credential_rejected", undefined],
    [403, "credential_rejected", undefined],
    [404, "absent", undefined],
    [408, "retry", "upstream_fault"],
    [410, "absent", undefined],
    [429, "retry", "rate_limited"],
    [500, "retry", "upstream_fault"],
    [302, "retry", "unreadable_answer"],
  ])("the answer to the request for a result with HTTP %d means %s %s", ([status, kind, cause]) => {
    const observation = meaning(status, {});
    expect(observation.kind).toBe(kind);
    expect(observation.kind === "retry" ? observation.cause : undefined).toBe(cause);
  });

  test("the answer with the result says nothing about the connection's credential if that was not sent", () => {
    const request = { url_at: ["/url"], credential: false };
    expect(meaning(403, {}, { request })).toMatchObject({ cause: "unusable_answer" });
  });

  test("the answer to the request for a result may say that only the status answer holds one", () => {
    const result = { otherwise_on: [404, 400] };
    expect(meaning(400, { message: "no such artifact" }, result)).toStrictEqual({
      kind: "completed",
      result: '{"id":1.0}',
      times: { createdAt: "then", updatedAt: null },
    });
    // Or it is not there yet.
    expect(meaning(404, { message: "no such artifact" }, result)).toMatchObject({
      kind: "absent",
      ending: { status: "completed", result: '{"id":1.0}' },
      reason: expect.stringContaining("could not be fetched: HTTP 404"),
    });
    const rules = [{ http_status: 400, observe: "failed" as const }];
    expect(meaning(400, {}, { ...result, rules })).toMatchObject({ kind: "failed" });
  });

  test("a missing result names when it counts as gone: after ten minutes unless the definition says otherwise", () => {
    const error = "The job completed, but its result is gone. HTTP 404";
    const confirmedBy = { answers: 3, overMs: 600_000 };
    expect(meaning(404, {})).toMatchObject({ of: "result", ending: { error }, confirmedBy });
    expect(meaning(404, {}, { gone_after: { answers: 5, over_s: 1.5 } })).toMatchObject({
      confirmedBy: { answers: 5, overMs: 1500 },
    });
  });

  test("an unavailable result does not hide that the job is done", () => {
    const reason = expect.stringMatching(
      /^The job has completed, but its result could not be fetched: /,
    );
    expect(meaning(500, {})).toMatchObject({ reason });
    const failure = { code: "connect_refused", message: "Refused" } as const;
    const wanted = { fallback: "{}", times: TIMES };
    expect(interpretResultFailure(failure, wanted)).toMatchObject({
      cause: "upstream_fault",
      reason,
    });
  });

  test("a result that is too large leaves what the status answer says about it", () => {
    const failure = { code: "body_too_large", message: "More than 1024 bytes" } as const;
    const wanted = { fallback: '{"output_file_id":"f"}', times: TIMES };
    expect(interpretResultFailure(failure, wanted)).toStrictEqual({
      kind: "completed",
      result: '{"output_file_id":"f"}',
      times: TIMES,
    });
  });

  test("the answer to the request for a result may say that the job failed, by its own rules", () => {
    const rules = [{ http_status: 422, observe: "failed" as const }];
    const body = { detail: "no such voice" };
    expect(meaning(422, body, { rules, error: ["/detail"] })).toMatchObject({
      kind: "failed",
      error: "no such voice",
      times: { createdAt: "then" },
    });
  });
});
