import fc from "fast-check";
import { expect, test } from "vitest";
import { nullNonFinite } from "../../../src/core/json/json-repair.ts";

test("numbers that JSON lacks become null, and nothing within a string changes", () => {
  expect(nullNonFinite('{"a":NaN,"b":[-Infinity,Infinity,-1],"NaN":"Infinity \\"NaN\\""}')).toBe(
    '{"a":null,"b":[null,null,-1],"NaN":"Infinity \\"NaN\\""}',
  );
});

test("without one there is nothing to repair", () => {
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
