import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOfResult } from "../../src/core/json/raw-result.ts";
import { RETRY_AFTER_MS_MAX } from "../../src/core/job/retry-after.ts";
import { buildResultRequest } from "../../src/providers/request/build.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { explainAnswer, explainResultAnswer } from "../../src/providers/trial/explain.ts";
import { interpretAnswer } from "../../src/providers/answer/interpret.ts";
import { interpretResult } from "../../src/providers/answer/interpret-result.ts";
import { prepareTarget } from "../../src/providers/request/target.ts";
import { readDefinition } from "../../src/providers/compile/read-definition.ts";
import { exampleProvider, exampleSource } from "./example-provider.ts";

// Few names, so that places and answers meet; some of them names of what every object has.
const name = fc.constantFrom(
  "a",
  "b",
  "",
  "0",
  "1",
  "-",
  "~",
  "/",
  "length",
  "__proto__",
  "constructor",
);
const pointer = fc
  .array(name, { maxLength: 3 })
  .map((tokens) =>
    tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""),
  );
const withMember = (of: object, key: string, value: unknown): object =>
  Object.assign(of, { [key]: value });
const scalar = fc.oneof(
  fc.constantFrom("a", "A", "ß", "", 0, -0, 1, 1.5, true, false, null),
  fc.string({ maxLength: 5 }),
);
const tests = fc.record(
  {
    eq: scalar,
    in: fc.array(scalar, { minLength: 1, maxLength: 3 }),
    not_eq: scalar,
    not_in: fc.array(scalar, { minLength: 1, maxLength: 3 }),
    exists: fc.boolean(),
    ignore_case: fc.boolean(),
  },
  { requiredKeys: ["exists"] },
);
const elementCondition = fc.tuple(pointer, tests).map(([at, of]) => withMember(of, "pointer", at));
const condition = fc
  .tuple(elementCondition, fc.array(elementCondition, { maxLength: 2 }))
  .map(([of, some]) => (some.length === 0 ? of : withMember(of, "some", some)));
const httpStatus = fc.constantFrom(200, [200, 404], { gte: 200, lte: 599 }, undefined);
const rule = fc
  .record({
    http_status: httpStatus,
    all: fc.array(condition, { maxLength: 3 }),
    observe: fc.constantFrom(
      "running",
      "completed",
      "failed",
      "canceled",
      "expired",
      "not_found",
      "rate_limited",
      "credential_rejected",
      "retry",
    ),
  })
  .map((of) => JSON.parse(JSON.stringify(of)) as ProviderDefinitionSource["rules"][number]);
const rules = fc.array(rule, { minLength: 1, maxLength: 5 });
const places = fc.array(pointer, { maxLength: 3 });
const somePlaces = fc.array(pointer, { minLength: 1, maxLength: 3 });
const result = fc.oneof(
  fc.record({ kind: fc.constant("inline"), at: places }),
  fc.record({ kind: fc.constant("pointer"), at: somePlaces }),
  fc.record({
    kind: fc.constant("request"),
    request: fc.oneof(
      fc.record({ url_at: somePlaces, credential: fc.boolean() }),
      pointer
        .filter((at) => at !== "" && !/[{}]/.test(at))
        .map((at) => ({ path: `/r/{answer.${at}}` })),
    ),
    rules: fc.array(rule, { maxLength: 3 }),
    error: places,
    otherwise: places,
  }),
);
const definition = fc
  .record({
    rules,
    extract: fc.record({
      status: places,
      error: places,
      created_at: places,
      updated_at: places,
      progress: fc.oneof(
        places,
        fc.dictionary(fc.constantFrom("done", "constructor", "é"), pointer),
      ),
    }),
    result,
    poll_hints: fc.array(
      fc.oneof(
        fc.record({ pointer, unit: fc.constantFrom("ms", "s") }),
        fc.record({ header: fc.constant("x-hint"), unit: fc.constantFrom("ms", "s") }),
      ),
      { maxLength: 2 },
    ),
  })
  .map((of) => of as unknown as Partial<ProviderDefinitionSource>);

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(name, tie("value")), { maxLength: 3 }).map((entries) => {
      const members = entries.map(
        ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
      );
      return JSON.parse(`{${members.join(",")}}`) as unknown;
    }),
  ),
})).value;
const answer = fc.record({
  status: fc.constantFrom(200, 202, 304, 401, 404, 410, 429, 500),
  headers: fc.constantFrom({}, { "x-hint": "7" }, { "retry-after": "3", etag: '"x"' }),
  body: fc.oneof(
    json.map((value) => Buffer.from(JSON.stringify(value) ?? "")),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  ),
});
const FACTS = { seenBefore: false, ageMs: 0, nowMs: 0 };
const RESULT_FACTS = { nowMs: 0, times: { createdAt: null, updatedAt: null } };

describe("whatever a definition says and an upstream answers", () => {
  test("any definition gives any answer one meaning, and the explanation agrees", () => {
    fc.assert(
      fc.property(definition, answer, answer, (changes, first, second) => {
        const provider = exampleProvider(changes);
        const interpretation = interpretAnswer(provider, first, FACTS);
        const explained = explainAnswer(provider, first, FACTS);
        expect(explained.observation).toStrictEqual(interpretation);
        expect(JSON.stringify(explained)).toBeTypeOf("string");
        if (interpretation.kind === "running") {
          expect(interpretation.hintMs ?? 0).toBeLessThanOrEqual(RETRY_AFTER_MS_MAX);
          JSON.parse(interpretation.progress ?? "null");
        }
        if (interpretation.kind === "completed") JSON.parse(textOfResult(interpretation.result));
        if (interpretation.kind !== "result_wanted") return;
        const prepared = prepareTarget(provider, { baseUrl: null, credential: "secret" });
        if (prepared.kind === "refused") throw new Error(prepared.problem);
        const job = { jobId: "j", params: {} };
        const request = buildResultRequest(prepared.target, job, interpretation.place, 0);
        if (request.kind === "request") expect(request.origin).toBe("https://api.example.com");
        const meaning = interpretResult(provider, second, RESULT_FACTS);
        if (meaning.kind === "completed") JSON.parse(textOfResult(meaning.result));
        expect(explainResultAnswer(provider, second, RESULT_FACTS).observation).toStrictEqual(
          meaning,
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("the first matching rule of any definition decides, as the explanation says", () => {
    fc.assert(
      fc.property(rules, answer, (of, given) => {
        const provider = exampleProvider({ rules: of });
        const { rules: explained, decided_by } = explainAnswer(provider, given, FACTS);
        const matched = explained.findIndex((one) => one.outcome === "matched");
        expect(decided_by).toBe(matched === -1 ? null : `/rules/${matched}`);
        for (const [index, one] of explained.entries()) {
          const isBefore = matched === -1 || index < matched;
          expect(one.outcome).toBe(
            index === matched ? "matched" : isBefore ? "did_not_match" : "not_tried",
          );
          expect(one.why === null).toBe(one.outcome !== "did_not_match");
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("whatever is given for a definition", () => {
  test("anything given as a definition is read, or refused with the place of each problem", () => {
    const field = fc.constantFrom(...Object.keys(exampleSource), "result", "cancel", "params");
    fc.assert(
      fc.property(fc.dictionary(field, fc.oneof(json, fc.jsonValue())), (changes) => {
        const given = { ...exampleSource, ...changes };
        const reading = readDefinition(given);
        if (reading.ok) return;
        expect(reading.problems.length).toBeGreaterThan(0);
        for (const { pointer: at, detail } of reading.problems) {
          expect(at).toMatch(/^(?:\/(?:[^~/]|~[01])*)*$/);
          expect(detail).not.toBe("");
        }
      }),
      { numRuns: 1000 },
    );
  });
});
