import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rawJsonDepth, splitRawArray } from "../../../src/core/json/raw-json-items.ts";

describe("splitRawArray", () => {
  it("keeps the digits and the spaces inside of every item", () => {
    expect(splitRawArray(' [ {"n": 12345678901234567890} , 1.0,"a,]", [1 ,2] ] ')).toEqual([
      '{"n": 12345678901234567890}',
      "1.0",
      '"a,]"',
      "[1 ,2]",
    ]);
  });

  it("gives nothing for an empty array", () => {
    expect(splitRawArray(" [ \n ] ")).toEqual([]);
  });

  it("gives each item of any array", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.boolean(), (items, isIndented) => {
        const text = JSON.stringify(items, null, isIndented ? 2 : 0);
        expect(splitRawArray(text).map((item) => JSON.parse(item))).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe("rawJsonDepth", () => {
  it.each([
    ["1", 0],
    ['"[[["', 0],
    ["{}", 1],
    ['[{"a":[]},[]]', 3],
    [String.raw`["\"[[", {}]`, 2],
  ])("rawJsonDepth of %s is %i", (text, depth) => {
    expect(rawJsonDepth(text)).toBe(depth);
  });
});
