import { describe, expect, test } from "vitest";
import type { ProviderDefinitionSource } from "../../../src/providers/definition/definition.ts";
import { explainAnswer, explainResultAnswer } from "../../../src/providers/trial/explain.ts";
import { exampleProvider } from "../example-provider.ts";

const FACTS = { seenBefore: false, ageMs: 0, nowMs: 0 };

const changes = {
  rules: [
    { http_status: 429, observe: "rate_limited" },
    {
      all: [{ pointer: "/status", in: ["waiting", "Running"], ignore_case: true }],
      observe: "running",
    },
    {
      note: "Each step must be done.",
      all: [
        { pointer: "/done", eq: true },
        {
          pointer: "/steps",
          some: [
            { pointer: "/name", eq: "last" },
            { pointer: "/ok", eq: true },
          ],
        },
      ],
      observe: "completed",
    },
    { observe: "failed" },
  ],
  extract: { progress: { done: "/a~1b", of: "/total" }, error: ["/error", "/message"] },
  result: { kind: "inline", at: ["/output"] },
} as const satisfies Partial<ProviderDefinitionSource>;

function explain(body: object | string, status = 200) {
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return explainAnswer(exampleProvider(changes), { status, headers: {}, body: bytes }, FACTS);
}

describe("how an answer is read", () => {
  test("a character that cannot be seen is shown where a text is not the wanted one", () => {
    const { rules } = explain('{"done": "true", "status": "running\u200b\u3000"}');
    expect(rules[1]?.why).toBe(
      '/status must be one of ["waiting","Running"] in any case, and is "running\\u200b\\u3000"',
    );
  });

  test("an explanation says of each rule why it did not match, until one does", () => {
    const { rules, decided_by, observation } = explain({
      done: true,
      steps: [{ name: "last", ok: false }],
      output: 1.5,
    });
    expect(rules).toStrictEqual([
      {
        rule: "/rules/0",
        observe: "rate_limited",
        outcome: "did_not_match",
        why: "http_status must be 429, and is 200",
      },
      {
        rule: "/rules/1",
        observe: "running",
        outcome: "did_not_match",
        why: '/status must be one of ["waiting","Running"] in any case, and is not there',
      },
      {
        rule: "/rules/2",
        note: "Each step must be done.",
        observe: "completed",
        outcome: "did_not_match",
        why: '/steps must be an array with an element of which /name is "last" and /ok is true, and is [{"name":"last","ok":false}]',
      },
      { rule: "/rules/3", observe: "failed", outcome: "matched", why: null },
    ]);
    expect(decided_by).toBe("/rules/3");
    expect(observation.kind).toBe("failed");
    expect(explain({ status: "running" }).rules[3]?.outcome).toBe("not_tried");
  });

  test("an explanation shows the values that were found, as written", () => {
    const { extracted } = explain('{"a/b": 1.0, "message": "no", "output": null}');
    expect(extracted).toContainEqual({
      field: "/extract/progress/done",
      found_at: "/a~1b",
      value: "1.0",
    });
    expect(extracted).toContainEqual({
      field: "/extract/progress/of",
      found_at: null,
      value: null,
    });
    expect(extracted).toContainEqual({
      field: "/extract/error",
      found_at: "/message",
      value: '"no"',
    });
    expect(extracted).toContainEqual({ field: "/result/at", found_at: null, value: null });
  });

  test("an explanation says why a body can't be read", () => {
    const { body, rules } = explain("<html>");
    expect(body).toStrictEqual({ bytes: 6, is_json: false, why: "it is not JSON" });
    expect(rules[1]?.why).toContain("the body can't be read: it is not JSON");
  });

  test("an explanation covers headers too", () => {
    const headers = [{ name: "x-remaining", in: ["0"] }];
    const provider = exampleProvider({ rules: [{ headers, observe: "rate_limited" }] });
    const whyOf = (given: Record<string, string>) => {
      const answer = { status: 403, headers: given, body: Buffer.from("{}") };
      return explainAnswer(provider, answer, FACTS).rules[0]?.why;
    };
    expect(whyOf({})).toBe('the header x-remaining must be one of ["0"], and is not there');
    expect(whyOf({ "x-remaining": "7" })).toBe(
      'the header x-remaining must be one of ["0"], and is "7"',
    );
    expect(whyOf({ "x-remaining": "0" })).toBeNull();
  });

  test("an explanation says when HTTP decides instead of a rule", () => {
    const provider = exampleProvider();
    const answer = { status: 401, headers: {}, body: Buffer.from("{}") };
    const explained = explainAnswer(provider, answer, FACTS);
    expect(explained.decided_by).toBeNull();
    expect(explained.observation.kind).toBe("credential_rejected");
  });

  test("an explanation covers the answer with the result too", () => {
    const provider = exampleProvider({
      result: {
        kind: "request",
        request: { path: "/jobs/{job_id}/result" },
        at: ["/data"],
        rules: [{ http_status: 422, observe: "failed" }],
      },
    });
    const answer = { status: 200, headers: {}, body: Buffer.from('{"data":[1]}') };
    const times = { createdAt: null, updatedAt: null };
    const facts = { nowMs: 0, times };
    expect(explainResultAnswer(provider, answer, facts)).toMatchObject({
      rules: [{ rule: "/result/rules/0", outcome: "did_not_match" }],
      extracted: [{ field: "/result/error" }, { field: "/result/at", value: "[1]" }],
      observation: { kind: "completed", result: "[1]" },
    });
  });

  test("an explanation of an answer about several jobs is about the named one, or else the first", () => {
    const status = { path: "/jobs", job_at: { pointer: "/jobs", id: "/id" } };
    const provider = exampleProvider({ status });
    const jobs = [
      { id: "a", status: "running" },
      { id: "b", status: "done", output: 7 },
    ];
    const answer = { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ jobs })) };
    expect(explainAnswer(provider, answer, FACTS).observation.kind).toBe("running");
    expect(explainAnswer(provider, answer, { ...FACTS, jobId: "b" })).toMatchObject({
      extracted: expect.arrayContaining([{ field: "/result/at", found_at: "/output", value: "7" }]),
      observation: { kind: "completed", result: "7" },
    });
  });
});
