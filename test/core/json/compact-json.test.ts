import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compactJson } from "../../../src/core/json/compact-json.ts";

describe("compacted JSON", () => {
  it("has no blanks but those of its strings, and all its digits", () => {
    const text = ' {\t"a b" : [ 1.0 , 12345678901234567890 ],\r\n "\\" : " : "c \\\\" , "d":-0 } ';
    expect(compactJson(text)).toBe('{"a b":[1.0,12345678901234567890],"\\" : ":"c \\\\","d":-0}');
  });

  it("is the same however it was spread out", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 4, "\t"), (value, indent) => {
        expect(compactJson(JSON.stringify(value, null, indent))).toBe(JSON.stringify(value));
      }),
    );
  });
});
