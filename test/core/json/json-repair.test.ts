import fc from "fast-check";
import { expect, test, describe } from "vitest";
import { nullNonFinite, closeJson } from "../../../src/core/json/json-repair.ts";

test("numbers that JSON lacks become null, and nothing within a string changes", () => {
  expect(nullNonFinite('{"a":NaN,"b":[-Infinity,Infinity,-1],"NaN":"Infinity \\"NaN\\""}')).toBe(
    '{"a":null,"b":[null,null,-1],"NaN":"Infinity \\"NaN\\""}',
  );
});

test("without a syntax error there is nothing to repair", () => {
  expect(nullNonFinite('{"a":1}')).toBeNull();
  expect(nullNonFinite('{"a":"NaN"}')).toBeNull();
});

test("valid JSON is never changed", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const named = `[${text},"NaN -Infinity"]`;
      expect(nullNonFinite(named)).toBeNull();
    }),
  );
});

describe("the beginning of a JSON text, closed", () => {
  test.each([
    ['{"id":"a","list":[1,2,{"x', '{"id":"a","list":[1,2,{}]}'],
    ['{"id":"a","te', '{"id":"a"}'],
    ['{"id":"a', "{}"],
    ['[{"a":"\\",]"},{"b":[', '[{"a":"\\",]"},{"b":[]}]'],
    ['{"a":{"b":1}', '{"a":{"b":1}}'],
  ])("the beginning %s of a JSON text is closed to valid JSON", (text, closed) =>
    expect(closeJson(text)).toBe(closed),
  );

  test("the closed beginning of a JSON text is valid JSON wherever it was cut", () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), fc.nat(), (value, at) => {
        const text = JSON.stringify(value);
        const closed = closeJson(text.slice(0, 1 + (at % text.length)));
        expect(() => JSON.parse(closed ?? "") as unknown).not.toThrow();
      }),
    );
  });
});
