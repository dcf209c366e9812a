import { describe, expect, test } from "vitest";
import { z } from "zod";
import { pulse } from "../../../src/providers/catalogue/documents/pulse.ts";
import { sandbox } from "../../../src/providers/catalogue/sandbox.ts";
import { providerDefinitionSchema } from "../../../src/providers/definition/definition.ts";
import { exampleProvider, exampleSource } from "../example-provider.ts";

describe("a definition is plain data", () => {
  test.each([pulse, sandbox, exampleSource])(
    "$name survives JSON and a second reading",
    (source) => {
      const definition = providerDefinitionSchema.parse(source);
      const text = JSON.stringify(definition);
      expect(providerDefinitionSchema.parse(JSON.parse(text))).toStrictEqual(definition);
    },
  );

  test("the schema of a definition can be published as JSON Schema", () => {
    expect(z.toJSONSchema(providerDefinitionSchema, { io: "input" })).toMatchObject({
      type: "object",
      additionalProperties: false,
    });
  });
});

describe("a definition that could not work is refused, with the place", () => {
  test.each<[string, object, string]>([
    ["an unknown field", { colour: "red" }, ""],
    ["a name that can't stand in a path", { name: "Pulse API" }, "name"],
    ["a base URL that is not http", { base_url: "ftp://example.com" }, "base_url"],
    ["a relative path", { status: { path: "jobs/{job_id}" } }, "status.path"],
    ["a query in the path", { status: { path: "/jobs?id={job_id}" } }, "status.path"],
    ["a path that climbs", { status: { path: "/a/../{job_id}" } }, "status.path"],
    ["an encoded path that climbs", { status: { path: "/a/%2e%2e/{job_id}" } }, "status.path"],
    ["dots around a placeholder", { status: { path: "/a/.{job_id}" } }, "status.path"],
    ["two placeholders in one segment", { status: { path: "/{params.a}{job_id}" } }, "status.path"],
    ["an unknown placeholder", { status: { path: "/{id}" } }, "status.path"],
    ["an open brace", { status: { path: "/jobs/{job_id" } }, "status.path"],
    [
      "an unknown placeholder in a query",
      { status: { path: "/", query: { a: "{b}" } } },
      "status.query.a",
    ],
    ["a cancel request without a method", { cancel: { path: "/jobs/{job_id}" } }, "cancel.method"],
    [
      "a cancel request that only reads",
      { cancel: { method: "GET", path: "/x" } },
      "cancel.method",
    ],
    ["a header over two lines", { headers: { "x-a": "1\r\nx-b: 2" } }, "headers.x-a"],
    ["a header of the connection", { headers: { host: "example.com" } }, "headers.host"],
    [
      "a credential in a header of the connection",
      { auth: { kind: "header", name: "host" } },
      "auth.name",
    ],
    [
      "a broken pointer",
      { extract: { ...exampleSource.extract, error: ["error"] } },
      "extract.error.0",
    ],
    [
      "a condition that tests nothing",
      { rules: [{ all: [{ pointer: "/a" }], observe: "retry" }] },
      "rules.0.all.0",
    ],
    [
      "a phase of an ended job",
      { rules: [{ observe: "failed", phase: "pending" }] },
      "rules.0.phase",
    ],
    ["an unknown observation", { rules: [{ observe: "paused" }] }, "rules.0.observe"],
    ["no rules", { rules: [] }, "rules"],
    ["a deadline above the longest one", { deadline_s: 9000 }, "deadline_s"],
    [
      "no wait between polls",
      { schedule: { kind: "fixed", interval_s: 0 } },
      "schedule.interval_s",
    ],
    ["a lane that lets nothing through", { limits: { concurrency: 0 } }, "limits.concurrency"],
  ])("a definition that could not work is refused with the place: %s", (_name, changes, place) => {
    const parsed = providerDefinitionSchema.safeParse({ ...exampleSource, ...changes });
    expect(parsed.success).toBe(false);
    expect(parsed.error?.issues.map((issue) => issue.path.join("."))).toContain(place);
  });
});

describe("a compiled provider", () => {
  test("a compiled provider counts in milliseconds", () => {
    const provider = exampleProvider({
      schedule: { kind: "exponential", initial_s: 0.5, factor: 1.5, cap_s: 5 },
      not_found_grace_s: 30,
      request_timeout_s: 2.5,
    });
    expect(provider).toMatchObject({
      schedule: { kind: "exponential", initialMs: 500, factor: 1.5, capMs: 5000 },
      notFoundGraceMs: 30_000,
      deadlineMs: 3_600_000,
      deadlineMsMax: 7_200_000,
      requestTimeoutMs: 2500,
    });
  });

  test.each([
    [
      { kind: "fixed", interval_s: 3 },
      { kind: "fixed", intervalMs: 3000 },
    ],
    [
      { kind: "square_root", initial_s: 1, cap_s: 60 },
      { kind: "square_root", initialMs: 1000, capMs: 60_000 },
    ],
  ] as const)("has the schedule %j as %j", (schedule, expected) => {
    expect(exampleProvider({ schedule }).schedule).toStrictEqual(expected);
  });

  test("a compiled provider has no rate limit unless the definition sets one", () => {
    expect(exampleProvider().limits).toStrictEqual({
      concurrency: 4,
      requestsPerSecond: null,
      burst: 1,
    });
    expect(
      exampleProvider({ limits: { concurrency: 2, requests_per_second: 1.5, burst: 3 } }).limits,
    ).toStrictEqual({ concurrency: 2, requestsPerSecond: 1.5, burst: 3 });
  });

  test("a compiled provider can't be changed, nor through the definition it came from", () => {
    const definition = providerDefinitionSchema.parse(exampleSource);
    const provider = exampleProvider();
    definition.title = "Changed";
    expect(provider.title).toBe("Example");
    expect(Object.isFrozen(provider)).toBe(true);
    expect(Object.isFrozen(provider.definition.rules[0]?.all)).toBe(true);
  });

  test("a compiled provider supports canceling only if the definition has a request for it", () => {
    expect(exampleProvider().supportsCancel).toBe(false);
    const cancel = { method: "POST", path: "/jobs/{job_id}/cancel" } as const;
    expect(exampleProvider({ cancel }).supportsCancel).toBe(true);
  });
});
