import { describe, expect, test } from "vitest";
import type { HeaderValues } from "../../../src/core/job/retry-after.ts";
import {
  REQUEST_FAILURE_CODES,
  type RequestFailureCode,
} from "../../../src/core/request-failure.ts";
import type { ProviderDefinitionSource } from "../../../src/providers/definition/definition.ts";
import { ERROR_CHARACTERS_MAX } from "../../../src/providers/answer/error-text.ts";
import { interpretFailure } from "../../../src/providers/answer/interpret.ts";
import { exampleSource, observe } from "../example-provider.ts";

type Rules = ProviderDefinitionSource["rules"];

describe("a body that can't be read says nothing about the job", () => {
  test.each<[string, string | Buffer, string]>([
    ["nothing", "", "it is empty"],
    ["text", "<html>Welcome</html>", "it is not JSON"],
    ["half a document", '{"status":"done","output":[1,2', "it is not JSON"],
    [
      "invalid UTF-8",
      Buffer.from('{"status":"done","output":"\xff"}', "latin1"),
      "it is not UTF-8",
    ],
    ["UTF-16", Buffer.from('{"status":"done"}', "utf16le"), "it is not JSON"],
    ["JSON without a status", "{}", "no status"],
    ["a status that is an object", '{"status":{}}', "no status"],
    ["a bare string", '"done"', "no status"],
    ["null", "null", "no status"],
  ])("an unreadable body of %s says nothing about the job", (_name, body, why) => {
    expect(observe(200, body)).toStrictEqual({
      kind: "retry",
      cause: "unusable_answer",
      reason: expect.stringContaining(why),
      retryAfterMs: null,
    });
  });

  test("an unreadable body does not matter where the status alone is enough for a rule", () => {
    const rules: Rules = [{ http_status: 202, observe: "running", phase: "pending" }];
    expect(observe(202, "", { changes: { rules } })).toMatchObject({
      kind: "running",
      phase: "pending",
    });
  });

  test("a job that ends without a readable body has the result null", () => {
    const rules: Rules = [{ http_status: [200, 204], observe: "completed" }];
    expect(observe(204, "", { changes: { rules } })).toMatchObject({
      kind: "completed",
      result: "null",
    });
    expect(observe(200, "<html>", { changes: { rules } })).toMatchObject({
      cause: "unusable_answer",
    });
  });

  test("a completed job never ends on an unreadable body, which would lose its result", () => {
    const rules: Rules = [{ http_status: 200, observe: "completed" }];
    expect(observe(200, "{", { changes: { rules } })).toMatchObject({ cause: "unusable_answer" });
    expect(observe(200, "7", { changes: { rules } })).toMatchObject({ kind: "completed" });
  });

  test("an unreadable body is described by its type and compression", () => {
    const headers = { "content-type": "text/html", "content-encoding": "gzip" };
    expect(observe(200, Buffer.from([0x1f, 0x8b]), { headers })).toMatchObject({
      reason:
        "HTTP 200 (text/html, gzip): the body can't be read: it is not UTF-8 and declares no other charset.",
    });
  });
});

test("a byte order mark in front of the JSON is not part of it", () => {
  expect(observe(200, '\ufeff{"status":"done","output":1.0}')).toMatchObject({ result: "1.0" });
});

describe("where no rule matches, HTTP's own meaning holds", () => {
  test.each([
    [401, "credential_rejected", undefined],
    [403, "credential_rejected", undefined],
    [404, "absent", undefined],
    [410, "absent", undefined],
    [429, "retry", "rate_limited"],
    [408, "retry", "upstream_fault"],
    [500, "retry", "upstream_fault"],
    [503, "retry", "upstream_fault"],
    [301, "retry", "unreadable_answer"],
    [304, "retry", "unusable_answer"],
    [307, "retry", "unreadable_answer"],
    [400, "retry", "unusable_answer"],
    [409, "retry", "unusable_answer"],
    [418, "retry", "unusable_answer"],
    [100, "retry", "unusable_answer"],
    [999, "retry", "unusable_answer"],
    [Number.NaN, "retry", "unusable_answer"],
  ])("without a matching rule, HTTP %d is %s %s", (status, kind, cause) => {
    const observation = observe(status, {});
    expect(observation.kind).toBe(kind);
    expect(observation.kind === "retry" ? observation.cause : undefined).toBe(cause);
  });

  test("without a matching rule, a redirect is named without the secrets of its query", () => {
    const headers = { location: "https://other.example/jobs?signature=secret" };
    expect(observe(302, "", { headers })).toMatchObject({
      cause: "unreadable_answer",
      reason:
        "HTTP 302 (redirect to https://other.example/jobs): not followed. " +
        "Only the redirect of a GET is followed, to the same host or to an allowed one.",
    });
  });

  test("without a matching rule, a job is not visible yet only before it was seen and within the grace period", () => {
    const young = { seenBefore: false, ageMs: 0 };
    expect(observe(404, "", { facts: young })).toMatchObject({ cause: "not_visible_yet" });
    for (const facts of [
      { ...young, ageMs: 30_000 },
      { ...young, seenBefore: true },
    ]) {
      expect(observe(404, "", { facts })).toMatchObject({
        kind: "absent",
        of: "job",
        ending: { status: "expired" },
        confirmedBy: { answers: 3, overMs: 30_000 },
      });
    }
  });
});

describe("the error of an ended job", () => {
  const rules: Rules = [{ observe: "failed" }];
  const changes = { rules };

  test.each<[unknown, string]>([
    ["plain", "plain"],
    [{ message: "words" }, "words"],
    [{ message: "words", code: "E1" }, "words (E1)"],
    [{ message: "words", code: 7 }, "words (7)"],
    [{ error: { code: "E1", message: "inner" } }, "inner (E1)"],
    [{ error: "inner" }, "inner"],
    [{ reason: "other" }, '{"reason":"other"}'],
    [{ message: { a: 1 } }, '{"message":{"a":1}}'],
    [[1, 2], "[1,2]"],
    [12, "12"],
    [false, "false"],
    ["two\nlines", "two\nlines"],
    ["nul\0 and \ud800 half", "nul and \ufffd half"],
  ])("the error %j of an ended job is shown as %j", (error, expected) => {
    expect(observe(200, { error }, { changes })).toMatchObject({ kind: "failed", error: expected });
  });

  test.each([{}, { error: null }, { error: "" }, { error: "\0" }])(
    "the error %j of an ended job gives no reason",
    (body) => {
      expect(observe(200, body, { changes })).toMatchObject({
        error: "The upstream reports that the job failed and gives no reason.",
      });
    },
  );

  test("the error of an ended job is at the first place with content", () => {
    const extract = { error: ["/error", "/detail"] };
    const errorOf = (body: object): unknown => observe(200, body, { changes: { rules, extract } });
    for (const error of ["", {}, [], { code: 0, message: "" }]) {
      expect(errorOf({ error, detail: "out of memory" })).toMatchObject({ error: "out of memory" });
    }
  });

  test("the error of an ended job is cut at 2,000 characters, never within one", () => {
    const cut = observe(200, { error: `${"x".repeat(ERROR_CHARACTERS_MAX - 1)}😀` }, { changes });
    expect(cut).toMatchObject({ error: `${"x".repeat(ERROR_CHARACTERS_MAX - 1)}\ufffd` });
  });

  test("the error of an ended job may be nested 10,000 levels deep", () => {
    const deep = `{"error":${"[".repeat(9999)}${"]".repeat(9999)}}`;
    expect(observe(200, deep, { changes })).toMatchObject({
      error: "[".repeat(ERROR_CHARACTERS_MAX),
    });
  });
});

describe("an unknown status", () => {
  test("an unknown status may be a number or a boolean", () => {
    expect(observe(200, { status: 42 })).toMatchObject({ kind: "running", unknownStatus: "42" });
    expect(observe(200, { status: false })).toMatchObject({ unknownStatus: "false" });
  });

  test("a long unknown status with control characters is cut and cleaned", () => {
    const status = `a\0b\n\ud800${"x".repeat(1000)}`;
    const observation = observe(200, { status });
    expect(observation.kind === "running" ? observation.unknownStatus : null).toMatch(
      /^a b \ufffdx{90,}$/,
    );
  });
});

describe("a running job", () => {
  const extract = {
    ...exampleSource.extract,
    progress: ["/missing", "/progress"],
    created_at: ["/created"],
  };
  const changes = { extract, poll_hints: [{ header: "poll-after-ms", unit: "ms" as const }] };

  test("a running job has the progress of the first pointer with a value, as it was written", () => {
    expect(observe(200, '{"status":"running","progress": [1.0, 2]}', { changes })).toMatchObject({
      progress: "[1.0,2]",
    });
    expect(observe(200, '{"status":"running","progress":null}', { changes })).toMatchObject({
      progress: null,
    });
  });

  test("a running job has no progress when it is too large for memory", () => {
    const progress = "x".repeat(5000);
    expect(observe(200, { status: "running", progress }, { changes })).toMatchObject({
      progress: null,
    });
  });

  test("a running job may ask for a wait; the longest counts", () => {
    const hintOf = (headers: HeaderValues): unknown =>
      observe(200, { status: "running" }, { changes, headers });
    expect(hintOf({})).toMatchObject({ hintMs: null });
    expect(hintOf({ "retry-after": "2" })).toMatchObject({ hintMs: 2000 });
    expect(hintOf({ "poll-after-ms": "2500" })).toMatchObject({ hintMs: 2500 });
    expect(hintOf({ "retry-after": "2", "poll-after-ms": "2500" })).toMatchObject({ hintMs: 2500 });
    expect(hintOf({ "retry-after": "3", "poll-after-ms": "2500" })).toMatchObject({ hintMs: 3000 });
  });

  test("a running job keeps the upstream's times as spelled", () => {
    const times = (created: unknown): unknown =>
      observe(200, { status: "running", created }, { changes });
    expect(times("yesterday")).toMatchObject({
      times: { createdAt: "yesterday", updatedAt: null },
    });
    expect(times(1767225600)).toMatchObject({ times: { createdAt: "1767225600" } });
    expect(times({})).toMatchObject({ times: { createdAt: null } });
  });
});

const CAUSES: Readonly<Partial<Record<RequestFailureCode, string>>> = {
  headers_too_large: "unreadable_answer",
  body_too_large: "unreadable_answer",
  dns_failed: "not_sent",
  connection_limit: "not_sent",
};

describe("a poll without a whole answer", () => {
  test.each(REQUEST_FAILURE_CODES)(
    "a poll that ended with %s is a retry that says what happened",
    (code) => {
      expect(interpretFailure({ code, message: "It went\nwrong" })).toStrictEqual({
        kind: "retry",
        cause: CAUSES[code] ?? "upstream_fault",
        reason: `It went wrong (${code})`,
        retryAfterMs: null,
      });
    },
  );
});
