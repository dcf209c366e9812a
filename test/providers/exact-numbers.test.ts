import { describe, expect, test } from "vitest";
import { builtInProviders } from "../support/providers.ts";
import { readSubmission } from "../../src/providers/submission/submission.ts";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { buildResultRequest } from "../../src/providers/request/build.ts";
import { parseDefinition } from "../../src/providers/definition/text.ts";
import { interpretAnswer } from "../../src/providers/answer/interpret.ts";
import { prepareTarget } from "../../src/providers/request/target.ts";
import type { Provider } from "../../src/providers/compile/provider.ts";
import { readDefinition } from "../../src/providers/compile/read-definition.ts";
import { exampleProvider, exampleSource, interpret, observe } from "./example-provider.ts";

const BIG = "7615917337495251231";
/** Another number with the same double. */
const NEAR = "7615917337495251000";

describe("a number of an answer goes on as it is written", () => {
  test("a number of an answer keeps its digits in the request for the result", () => {
    const changes: Partial<ProviderDefinitionSource> = {
      result: { kind: "request", request: { path: "/files/{answer./file_id}" } },
    };
    const wanted = interpret(200, `{"status":"done","file_id":174322306148984899}`, { changes });
    if (wanted.kind !== "result_wanted") throw new Error(wanted.kind);
    const connection = { baseUrl: null, credential: "secret" };
    const preparation = prepareTarget(exampleProvider(changes), connection);
    if (preparation.kind !== "ready") throw new Error(preparation.problem);
    const job = { jobId: "j", params: {} };
    expect(buildResultRequest(preparation.target, job, wanted.place, 0)).toMatchObject({
      path: "/files/174322306148984899",
    });
  });

  test("a number of an answer keeps its digits in the id of a job that a submission made", () => {
    const auto = builtInProviders().get("auto");
    if (auto === undefined) throw new Error("no auto");
    const url = "https://api.example.com/v1/jobs";
    const request = { method: "POST", path: "/v1/jobs", url, headers: {} };
    const body = Buffer.from(`{"data":{"run_id": ${BIG}, "status": "queued"}}`);
    expect(readSubmission(auto, request, { status: 200, headers: {}, body })).toMatchObject({
      jobId: BIG,
      params: { status_url: `${url}/${BIG}` },
    });
  });

  test("a number of an answer keeps its digits in the URL of the next status request", () => {
    const changes: Partial<ProviderDefinitionSource> = {
      status: { path: "/jobs/{job_id}", next_url: { pointer: "/next" } },
    };
    expect(observe(200, `{"status":"running","next":${BIG}}`, { changes })).toMatchObject({
      nextUrl: BIG,
    });
  });

  test.each(["https://api.example.com/\u0000", "\n/next"])(
    "a link with a control character is no URL of the next status request: %j",
    (next) => {
      const changes: Partial<ProviderDefinitionSource> = {
        status: { path: "/jobs/{job_id}", next_url: { pointer: "/next" } },
      };
      const body = JSON.stringify({ status: "running", next });
      expect(observe(200, body, { changes })).not.toHaveProperty("nextUrl");
    },
  );

  test("a number of an answer keeps its digits in the job's times, an error text and an unknown status", () => {
    const changes: Partial<ProviderDefinitionSource> = {
      rules: [{ all: [{ pointer: "/status", eq: "failed" }], observe: "failed" }],
      extract: {
        status: ["/code"],
        error: ["/error"],
        created_at: ["/created_at"],
        updated_at: ["/updated_at"],
      },
    };
    const times = `"created_at":1764400000123456789,"updated_at":1.50`;
    const failed = `{"status":"failed",${times},"error":{"message":"boom","code":${BIG}}}`;
    expect(observe(200, failed, { changes })).toMatchObject({
      error: `boom (${BIG})`,
      times: { createdAt: "1764400000123456789", updatedAt: "1.50" },
    });
    const inner = `{"status":"failed","error":{"error":{"message":"boom","code":1.0}}}`;
    expect(observe(200, inner, { changes })).toMatchObject({ error: "boom (1.0)" });
    expect(observe(200, `{"code":${BIG}}`, { changes })).toMatchObject({ unknownStatus: BIG });
  });

  test("a number of an answer is never cut off into another number", () => {
    const changes = { extract: { ...exampleSource.extract, created_at: ["/at"] } };
    expect(observe(200, `{"status":"running","at":${"1".repeat(500)}}`, { changes })).toMatchObject(
      { times: { createdAt: null } },
    );
  });
});

describe("rules compare numbers by their value in full", () => {
  const withRule = (condition: string): Provider => {
    const rules = `[{"all":[${condition}],"observe":"canceled"}]`;
    const text = `${JSON.stringify({ ...exampleSource, rules: undefined }).slice(0, -1)},"rules":${rules}}`;
    const reading = readDefinition(parseDefinition(text));
    if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
    return reading.provider;
  };
  const matches = (condition: string, body: string): boolean => {
    const answer = { status: 200, headers: {}, body: Buffer.from(body) };
    const facts = { seenBefore: true, ageMs: 0, nowMs: 0 };
    return interpretAnswer(withRule(condition), answer, facts).kind === "canceled";
  };

  test.each([
    [`"eq":${BIG}`, BIG, true],
    [`"eq":${BIG}`, NEAR, false],
    [`"eq":${BIG}`, `${BIG}.0`, true],
    [`"eq":${NEAR}`, BIG, false],
    [`"in":["x",${BIG}]`, BIG, true],
    [`"in":["x",${BIG}]`, NEAR, false],
    [`"not_eq":${BIG}`, NEAR, true],
    [`"not_eq":${BIG}`, BIG, false],
    [`"not_in":[${BIG},2]`, BIG, false],
    [`"not_in":[${BIG},2]`, NEAR, true],
    [`"eq":${BIG}`, `"${BIG}"`, false],
    [`"eq":1`, "1.0", true],
    [`"eq":1.0`, "1", true],
    [`"eq":100`, "1e2", true],
    [`"eq":1`, "1.00000000000000000001", false],
    [`"eq":0.1`, "0.10", true],
    [`"eq":0.1`, "0.1000000000000000055511151231257827", false],
    [`"eq":0`, "1e-400", false],
    [`"eq":0`, "-0", true],
    [`"eq":9007199254740993`, "9007199254740992", false],
    [`"eq":9007199254740993`, "9007199254740993", true],
  ])("rules compare numbers by their full value: %s and %s: %s", (tests, value, expected) => {
    expect(matches(`{"pointer":"/status",${tests}}`, `{"id":"${BIG}","status": ${value} }`)).toBe(
      expected,
    );
    const some = `{"pointer":"/list","some":[{"pointer":"/n",${tests}}]}`;
    expect(matches(some, `{"list":[{"n":null},{"n" : ${value}}],"id":${BIG}}`)).toBe(expected);
  });

  test("a stored definition keeps the exact numbers of its rules", () => {
    const { definition } = withRule(`{"pointer":"/status","eq":${BIG}}`);
    expect(JSON.stringify(definition)).toContain(`"eq":${BIG}`);
    expect(Object.isFrozen(definition.rules[0]?.all[0]?.eq)).toBe(true);
  });

  test("exact comparisons are bounded, so that no answer is searched endlessly", () => {
    const rules = Array.from({ length: 51 }, (_, n) => ({
      all: [{ pointer: `/${n}`, eq: 1 }],
      observe: "running",
    }));
    const reading = readDefinition({ ...exampleSource, rules });
    expect(reading).toMatchObject({
      ok: false,
      problems: [{ pointer: "/rules", detail: expect.stringContaining("no more than 50 places") }],
    });
    expect(readDefinition({ ...exampleSource, rules: rules.slice(1) }).ok).toBe(true);
  });
});

test("a definition's own numbers go to the upstream as they are written", () => {
  const body = `{"kind":"json","value":{"run":${BIG},"id":"{job_id}"}}`;
  const status = `{"method":"POST","path":"/s","body":${body}}`;
  const text = `${JSON.stringify({ ...exampleSource, status: undefined }).slice(0, -1)},"status":${status}}`;
  const reading = readDefinition(parseDefinition(text));
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  expect(reading.provider.requests.status.body?.template.literals.join("…")).toBe(
    `{"run":${BIG},"id":"…"}`,
  );
});

test("a quantity with more digits than a double holds is rounded, not refused", () => {
  const text = JSON.stringify(exampleSource).replace(
    `"interval_s":2`,
    `"interval_s":2.00000000000000000001`,
  );
  expect(readDefinition(parseDefinition(text))).toMatchObject({ ok: true });
});
