import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { locateJsonError } from "../../../src/core/json/json-syntax.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("locateJsonError", () => {
  it.each([
    ["", 0, "a value"],
    ["abc", 0, "a value"],
    ["{bad", 1, `a property name in double quotes or "}"`],
    ['{"a":1,}', 7, "a property name in double quotes"],
    ['{"a" 1}', 5, `":"`],
    ['{"a":1 "b":2}', 7, `"," or "}"`],
    ["[1 2]", 3, `"," or "]"`],
    ["[1,]", 3, "a value"],
    ["[1", 2, `"," or "]"`],
    ['{"a":1} x', 8, "nothing after the first value"],
    ['"a', 2, "the closing quote of a string"],
    ['"a\u0001"', 2, "no raw control character in a string; escape it"],
    [String.raw`"\x"`, 1, String.raw`an escape such as \n, \" or \u00e9`],
    ["01", 1, "nothing after the first value"],
    ["-", 0, "a value"],
  ])(
    "locateJsonError says where %j breaks and what is expected there",
    (text, position, expected) => {
      expect(locateJsonError(text)).toMatchObject({ position, expected });
    },
  );

  it("the place of a syntax error counts lines and columns from one", () => {
    expect(locateJsonError('{\n  "a": 1,\n  oops\n}')).toMatchObject({ line: 3, column: 3 });
  });

  it("the place of a syntax error is found at any depth without overflowing the stack", () => {
    expect(locateJsonError("[".repeat(200_000))).toMatchObject({ position: 200_000 });
  });

  it("agrees with JSON.parse on every text", () => {
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", '"', "{", "]", "\\", "0", "e", "\n"))
      .map(([text, at, piece]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + piece + text.slice(cut + 1);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.json(), fc.string()), (text) => {
        expect(locateJsonError(text) === null).toBe(isJson(text));
      }),
      { numRuns: 2000 },
    );
  });
});
