import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { closeJson } from "../../../src/core/json/close-json.ts";

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
