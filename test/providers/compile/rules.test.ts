import { describe, expect, test } from "vitest";
import type { ProviderDefinitionSource } from "../../../src/providers/definition/definition.ts";
import { observe } from "../example-provider.ts";

type Rules = ProviderDefinitionSource["rules"];

describe("rules", () => {
  const running = { observe: "running" } as const;
  const canceled = { observe: "canceled" } as const;

  test("rules are tried in order; the first match decides", () => {
    const rules: Rules = [
      { ...canceled, all: [{ pointer: "/error/code", eq: 1 }] },
      { observe: "failed", all: [{ pointer: "/error", exists: true }] },
      { observe: "completed", all: [{ pointer: "/done", eq: true }] },
      { ...running, all: [{ pointer: "/done", eq: false }] },
    ];
    const kinds = [
      { done: true, error: { code: 1 } },
      { done: true, error: { code: 2 } },
      { done: true, error: null },
      { done: false },
    ].map((body) => observe(200, body, { changes: { rules } }).kind);
    expect(kinds).toStrictEqual(["canceled", "failed", "completed", "running"]);
  });

  test("rules check a bounded number of array elements, so no answer can block the event loop", () => {
    const some = [{ pointer: "", eq: "x" }];
    const rules: Rules = [{ observe: "completed", all: [{ pointer: "", some }] }];
    const after = (others: number) =>
      observe(200, [...Array.from({ length: others }, () => 0), "x"], { changes: { rules } }).kind;
    expect(after(999)).toBe("completed");
    expect(after(1000)).not.toBe("completed");
  });

  test.each<[string, object, object, boolean]>([
    [
      "a text too long to be any case of it",
      { eq: "x", ignore_case: true },
      { a: "X".repeat(9999) },
      false,
    ],
    [
      "a long text in any case",
      { eq: "x".repeat(500), ignore_case: true },
      { a: "X".repeat(500) },
      true,
    ],
    ["equal numbers", { eq: 10 }, { a: 10 }, true],
    ["a number is not its text", { eq: 10 }, { a: "10" }, false],
    ["case counts", { eq: "Done" }, { a: "done" }, false],
    ["unless it doesn't", { eq: "Done", ignore_case: true }, { a: "dONE" }, true],
    ["one of several", { in: [1, "x", null] }, { a: null }, true],
    ["one of several in any case", { in: ["X", "y"], ignore_case: true }, { a: "Y" }, true],
    ["none of several", { in: [1, "x"] }, { a: 2 }, false],
    ["null equals null", { eq: null }, { a: null }, true],
    ["but not absent", { eq: null }, {}, false],
    ["false exists", { exists: true }, { a: false }, true],
    ["null does not exist", { exists: true }, { a: null }, false],
    ["absent, as wanted", { exists: false }, {}, true],
    ["both tests of a condition", { exists: true, in: [1, 2] }, { a: 3 }, false],
    ["a text within a text", { contains: "rate limit" }, { a: "a rate limit is met" }, true],
    ["a text that is not in it", { contains: "rate limit" }, { a: "a Rate Limit" }, false],
    [
      "a text within a text in any case",
      { contains: "Rate Limit", ignore_case: true },
      { a: "RATE LIMIT" },
      true,
    ],
    ["a text within what is no text", { contains: "1" }, { a: [1, "1"] }, false],
    ["a text far behind the beginning", { contains: "z" }, { a: `${"x".repeat(1e5)}z` }, false],
  ])("a condition compares %s", (_name, tests, body, matches) => {
    const rules = [{ ...canceled, all: [{ pointer: "/a", ...tests }] }];
    expect(observe(200, body, { changes: { rules } }).kind === "canceled").toBe(matches);
  });

  test.each<[unknown, boolean]>([
    [undefined, true],
    [null, true],
    ["", true],
    [" \n", true],
    [false, true],
    [0, true],
    [{}, true],
    [[], true],
    [{ code: 0, message: "" }, true],
    [[{ code: 0 }, null], true],
    ["no", false],
    [1, false],
    [true, false],
    [{ code: 3, message: "" }, false],
    [[{ message: "no" }], false],
    [Array.from({ length: 5000 }, () => 0), false],
  ])("%j is empty: %s", (error, isEmpty) => {
    const rules = (empty: boolean): Rules => [{ ...canceled, all: [{ pointer: "/a", empty }] }];
    const matches = (empty: boolean): boolean =>
      observe(200, { a: error }, { changes: { rules: rules(empty) } }).kind === "canceled";
    expect([matches(true), matches(false)]).toStrictEqual([isEmpty, !isEmpty]);
  });

  test("members that a package added to all arrays are no content", () => {
    const rules: Rules = [{ ...canceled, all: [{ pointer: "/a", empty: true }] }];
    const added = { value: () => 1, enumerable: true, configurable: true };
    Reflect.defineProperty(Array.prototype, "added", added);
    try {
      expect(observe(200, { a: [{}, []] }, { changes: { rules } }).kind).toBe("canceled");
    } finally {
      Reflect.deleteProperty(Array.prototype, "added");
    }
  });

  test("a value of 5,000 levels counts as content", () => {
    const rules: Rules = [{ ...canceled, all: [{ pointer: "/a", empty: false }] }];
    const deep = `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`;
    expect(observe(200, deep, { changes: { rules } }).kind).toBe("canceled");
  });

  test.each([
    ["/a~1b/~0", { "a/b": { "~": "x" } }, true],
    ["/list/1", { list: ["w", "x"] }, true],
    ["/list/01", { list: ["w", "x"] }, false],
    ["/list/-", { list: ["x"] }, false],
    ["/list/length", { list: [] }, false],
    ["/constructor/name", {}, false],
    ["/__proto__/a", {}, false],
    ["/", { "": "x" }, true],
    ["", "x", true],
    ["/text/0", { text: "x" }, false],
  ])("a condition follows the pointer %s into %j", (pointer, body, matches) => {
    const rules = [{ ...canceled, all: [{ pointer, in: ["x", 0, "Object"] }] }];
    const text = JSON.stringify(body);
    expect(observe(200, text, { changes: { rules } }).kind === "canceled").toBe(matches);
  });

  test.each<[ProviderDefinitionSource["rules"][number]["http_status"], number, boolean]>([
    [200, 200, true],
    [200, 201, false],
    [[202, 204], 204, true],
    [[202, 204], 203, false],
    [{ gte: 300, lte: 399 }, 300, true],
    [{ gte: 300, lte: 399 }, 399, true],
    [{ gte: 300, lte: 399 }, 400, false],
    [undefined, 599, true],
  ])("a rule with http_status %j and HTTP %i", (httpStatus, status, matches) => {
    const http = httpStatus === undefined ? {} : { http_status: httpStatus };
    const rules = [{ ...canceled, ...http }];
    expect(observe(status, {}, { changes: { rules } }).kind === "canceled").toBe(matches);
  });

  test.each<[string, object, Record<string, string | string[]>, boolean]>([
    ["equal", { eq: "0" }, { "x-left": "0" }, true],
    ["another", { eq: "0" }, { "x-left": "10" }, false],
    ["absent", { eq: "0" }, {}, false],
    ["one of several", { in: ["0", "-1"] }, { "x-left": "-1" }, true],
    ["one value of a repeated one", { eq: "0" }, { "x-left": ["5", "0"] }, true],
    ["there, as wanted", { exists: true }, { "x-left": "" }, true],
    ["absent, as wanted", { exists: false }, {}, true],
    ["there, unwanted", { exists: false }, { "x-left": "5" }, false],
  ])("a rule can test a header that is %s", (_name, tests, headers, matches) => {
    const rules = [{ ...canceled, headers: [{ name: "x-left", ...tests }] }];
    const given = { changes: { rules }, headers };
    expect(observe(200, {}, given).kind === "canceled").toBe(matches);
  });

  test("a rule finds only the answer's own headers, whatever their names", () => {
    const rules = [{ ...canceled, headers: [{ name: "constructor", exists: true }] }];
    expect(observe(200, { status: "done" }, { changes: { rules } }).kind).not.toBe("canceled");
  });
});
