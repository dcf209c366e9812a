import { describe, expect, test } from "vitest";
import type { ProviderDefinitionSource } from "../../src/providers/definition/definition.ts";
import { explainAnswer } from "../../src/providers/trial/explain.ts";
import { exampleProvider, observe } from "./example-provider.ts";

const FACTS = { seenBefore: true, ageMs: 0, nowMs: 0 };

const ANY: Partial<ProviderDefinitionSource> = {
  rules: [
    { all: [{ pointer: "/status", eq: "done" }], observe: "completed" },
    { all: [{ pointer: "/status", in: ["running", "queued"] }], observe: "running" },
    { all: [{ pointer: "/status", exists: true }], observe: "running" },
  ],
};

describe("a rule for any status", () => {
  test("a rule for any status shows a word that no rule names", () => {
    expect(observe(200, { status: "Reserved" }, { changes: ANY })).toMatchObject({
      kind: "running",
      unknownStatus: "Reserved",
    });
  });

  test.each(["running", "Queued "])(
    "a rule for any status shows no word that a rule names: %s",
    (status) => {
      expect(observe(200, { status }, { changes: ANY })).toMatchObject({
        kind: "running",
        unknownStatus: null,
      });
    },
  );

  test("no status word is shown where the HTTP status alone says that the job runs", () => {
    const rules = [...(ANY.rules ?? []).slice(0, 2), { http_status: 202, observe: "running" }];
    const changes = { rules } as Partial<ProviderDefinitionSource>;
    expect(observe(202, { status: "Reserved" }, { changes })).toMatchObject({
      unknownStatus: null,
    });
    const ordinary = [...(ANY.rules ?? []).slice(0, 2), { http_status: 200, observe: "running" }];
    expect(
      observe(200, { status: "Reserved" }, { changes: { rules: ordinary } as typeof changes }),
    ).toMatchObject({ unknownStatus: "Reserved" });
  });
});

describe("case and blanks around it don't hide a status", () => {
  test.each(["done", "DONE", " done\n", "Done "])(
    "case and blanks around a status don't hide it: %j",
    (status) => {
      expect(observe(200, { status, output: 1 })).toMatchObject({ kind: "completed", result: "1" });
    },
  );

  test.each([{ http_status: 200, observe: "running" }, { observe: "failed" }] as const)(
    "case and blanks around a status don't hide it from its rule behind one for any status: %o",
    (any) => {
      const rules: ProviderDefinitionSource["rules"] = [
        { all: [{ pointer: "/status", eq: "done" }], observe: "completed" },
        any,
      ];
      for (const extract of [{}, { status: ["/status"] }]) {
        const changes = { rules, extract };
        expect(observe(200, { status: "Done " }, { changes }).kind).toBe("completed");
        expect(observe(200, { status: "other" }, { changes }).kind).toBe(any.observe);
      }
    },
  );

  test("case and blanks don't hide a status from rules for all other words", () => {
    const rules: ProviderDefinitionSource["rules"] = [
      { all: [{ pointer: "/status", not_in: ["done", "failed"] }], observe: "running" },
      { all: [{ pointer: "/status", eq: "failed" }], observe: "failed" },
      { observe: "completed" },
    ];
    const changes = { rules, extract: {} };
    expect(observe(200, { status: "Failed" }, { changes }).kind).toBe("failed");
    const declared = { rules, extract: { status: ["/status"] } };
    expect(observe(200, { status: "Done\n" }, { changes: declared }).kind).toBe("completed");
  });

  test.each([{}, { status: ["/status"] }])(
    "a line break behind a status that is a plain text does not hide it: extract %j",
    (extract) => {
      const changes: Partial<ProviderDefinitionSource> = {
        status: { path: "/jobs/{job_id}", format: "text" },
        rules: [
          { all: [{ pointer: "", eq: "DONE" }], observe: "completed" },
          { http_status: 200, observe: "running" },
        ],
        extract,
        result: { kind: "inline" },
      };
      const answer = { status: 200, headers: {}, body: Buffer.from("Done\n") };
      expect(explainAnswer(exampleProvider(changes), answer, FACTS)).toMatchObject({
        decided_by: "/rules/0",
        rules: [
          { outcome: "matched", why: expect.stringMatching(/case/) },
          { outcome: "not_tried", why: null },
        ],
      });
    },
  );

  test("a rule for the exact word takes precedence over ignoring its case", () => {
    const rules: ProviderDefinitionSource["rules"] = [
      { all: [{ pointer: "/status", eq: "done" }], observe: "completed" },
      { all: [{ pointer: "/status", eq: "DONE" }], observe: "failed" },
    ];
    expect(observe(200, { status: "DONE" }, { changes: { rules } }).kind).toBe("failed");
  });

  test("a trial says that a status matched only without its case or blanks", () => {
    const answer = { status: 200, headers: {}, body: Buffer.from('{"status":"DONE "}') };
    expect(explainAnswer(exampleProvider(), answer, FACTS)).toMatchObject({
      decided_by: "/rules/1",
      rules: [
        { outcome: "did_not_match" },
        { outcome: "matched", why: expect.stringMatching(/case/) },
      ],
    });
  });

  test("the blanks of an unknown status are shown", () => {
    expect(observe(200, { status: "odd \t" })).toMatchObject({ unknownStatus: "odd \t" });
  });
});

test("the error of a job is that of the element that its rule found", () => {
  const some = [
    { pointer: "/type", eq: "Failed" },
    { pointer: "/status", eq: "True" },
  ];
  const changes: Partial<ProviderDefinitionSource> = {
    rules: [{ all: [{ pointer: "/conditions", some }], observe: "failed", error: "It failed." }],
    extract: { error: ["/error", "/conditions"] },
  };
  const target = { type: "FailureTarget", status: "True" };
  const failed = { type: "Failed", status: "True", message: "Too many restarts" };
  expect(observe(200, { conditions: [target, failed] }, { changes })).toMatchObject({
    error: "Too many restarts",
  });
  expect(observe(200, { error: "boom", conditions: [failed] }, { changes })).toMatchObject({
    error: "boom",
  });
  const silent: Partial<ProviderDefinitionSource> = { ...changes, extract: { error: ["/error"] } };
  expect(observe(200, { conditions: [failed] }, { changes: silent })).toMatchObject({
    error: "It failed.",
  });
});
