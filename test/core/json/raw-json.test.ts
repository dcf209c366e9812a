import * as fc from "fast-check";
import { describe, expect, test, it } from "vitest";
import {
  type JsonPath,
  sliceRawJson,
  compactJson,
  rawJsonDepth,
  splitRawArray,
} from "../../../src/core/json/raw-json.ts";

const NESTING = 100_000;

describe("the slice is the source text itself", () => {
  test.each<[string, JsonPath, string | null]>([
    ['{"n":12345678901234567890,"x":1.0}', ["n"], "12345678901234567890"],
    ['{"n":12345678901234567890,"x":1.0}', ["x"], "1.0"],
    [
      '{"result": {"n":12345678901234567890, "x":1.0} }',
      ["result"],
      '{"n":12345678901234567890, "x":1.0}',
    ],
    ['{"a":1e400,"b":-0.0,"c":1E+2}', ["a"], "1e400"],
    ['{"a":1e400,"b":-0.0,"c":1E+2}', ["b"], "-0.0"],
    ['{"s":"\\u0061\\/\\ud800"}', ["s"], '"\\u0061\\/\\ud800"'],
    [' \t\r\n{ "a" : [ 1 , { "b" : null } ] } \n', ["a", 1, "b"], "null"],
    [' \t\r\n{ "a" : [ 1 , { "b" : null } ] } \n', [], '{ "a" : [ 1 , { "b" : null } ] }'],
    [" 7 ", [], "7"],
    ["[[],[[]],{}]", [1, 0], "[]"],
    ['{"a":{}}', ["a"], "{}"],
  ])("the raw slice of %s at %j is the source text itself", (text, path, expected) => {
    expect(sliceRawJson(text, path)).toBe(expected);
  });
});

describe("a path that leads nowhere gives null", () => {
  test.each<[string, JsonPath]>([
    ['{"a":1}', ["b"]],
    ['{"a":1}', ["a", "b"]],
    ['{"a":"b"}', ["b"]],
    ['{"x":{"a":1}}', ["a"]],
    ["[1,2]", [2]],
    ["[1,2]", [-1]],
    ["[1,2]", [0.5]],
    ["[1,2]", ["01"]],
    ["[1,2]", ["length"]],
    ['{"0":1}', [0]],
    ["{}", ["constructor"]],
    ["{}", ["__proto__"]],
    ["[]", [0]],
    ['"text"', [0]],
    ["null", ["a"]],
  ])("a path that does not exist gives null: %s at %j", (text, path) => {
    expect(sliceRawJson(text, path)).toBeNull();
  });
});

describe("keys compare as JSON.parse decodes them", () => {
  test.each<[string, JsonPath, string | null]>([
    ['{"\\u0061":1}', ["a"], "1"],
    ['{"a\\/b":1}', ["a/b"], "1"],
    ['{"\\"":1}', ['"'], "1"],
    ['{"\\\\":1,"\\\\\\"":2}', ["\\"], "1"],
    ['{"\\\\":1,"\\\\\\"":2}', ['\\"'], "2"],
    // The same characters as the key's source, but another key.
    ['{"\\n":1}', ["\\n"], null],
    ['{"\\ud83d\\ude00":1}', ["😀"], "1"],
    ['{"":1}', [""], "1"],
    ['{"__proto__":1}', ["__proto__"], "1"],
    ['{"7":1}', ["7"], "1"],
    ['["a","b"]', ["1"], '"b"'],
  ])("keys of %s at %j compare as JSON.parse decodes them", (text, path, expected) => {
    expect(sliceRawJson(text, path)).toBe(expected);
  });
});

describe("the last of several equal keys wins, as with JSON.parse", () => {
  test.each<[string, JsonPath, string | null]>([
    ['{"a":1,"a":2}', ["a"], "2"],
    ['{"a":1,"\\u0061":2,"b":3}', ["a"], "2"],
    ['{"a":{"b":1},"a":{"b":2}}', ["a", "b"], "2"],
    ['{"a":{"b":1},"a":{"c":2}}', ["a", "b"], null],
    ['{"a":{"b":1},"a":3}', ["a", "b"], null],
    ['{"a":[{"b":1}],"a":[]}', ["a", 0, "b"], null],
    ['{"a":3,"a":{"b":1},"c":{"b":9}}', ["a", "b"], "1"],
  ])(
    "the last of several equal keys wins, as with JSON.parse: %s at %j",
    (text, path, expected) => {
      expect(sliceRawJson(text, path)).toBe(expected);
    },
  );
});

/** A JSON value with the source text it was written as; `parts` in source order. */
interface Written {
  readonly source: string;
  readonly parts: readonly { readonly step: string | number; readonly value: Written }[];
}

const key = fc.oneof(
  fc.constantFrom("a", "b", "", "0", "\\", '"', "__proto__"),
  fc.string({ unit: "binary" }),
);
const path = fc.array(fc.oneof(key, fc.nat(3)), { maxLength: 4 });
const space = fc.constantFrom("", " ", "\n\t", "\r\n  ");
const leaf = fc.oneof(
  fc.constantFrom("1.0", "-0", "12345678901234567890", "1e400", "true", "null", '"[{,:\\""'),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
);

/** With white space, escapes and repeated keys, none of which JSON.stringify writes. */
const { written } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    leaf.map((source) => ({ source, parts: [] })),
    fc.tuple(space, fc.array(tie("written"))).map(([gap, values]) => writeArray(gap, values)),
    fc
      .tuple(space, fc.array(fc.record({ name: key, escape: fc.boolean(), value: tie("written") })))
      .map(([gap, members]) => writeObject(gap, members)),
  ),
}));

function writeArray(gap: string, values: readonly Written[]): Written {
  const source = `[${gap}${values.map((value) => value.source).join(`${gap},${gap}`)}${gap}]`;
  return { source, parts: values.map((value, step) => ({ step, value })) };
}

function writeObject(
  gap: string,
  members: readonly { name: string; escape: boolean; value: Written }[],
): Written {
  const sources = members.map(({ name, escape, value }) => {
    const label = escape ? escapeAll(name) : JSON.stringify(name);
    return `${gap}${label}${gap}:${gap}${value.source}`;
  });
  return {
    source: `{${sources.join(`${gap},`)}${gap}}`,
    parts: members.map(({ name, value }) => ({ step: name, value })),
  };
}

function escapeAll(name: string): string {
  const escapes = Array.from({ length: name.length }, (_, at) =>
    name.charCodeAt(at).toString(16).padStart(4, "0"),
  );
  return `"${escapes.map((digits) => `\\u${digits}`).join("")}"`;
}

function sourceAt(root: Written, steps: JsonPath): string | null {
  let value: Written | undefined = root;
  for (const step of steps) {
    value = value.parts.findLast((part) => part.step === step || isSpelled(part.step, step))?.value;
    if (value === undefined) return null;
  }
  return value.source;
}

function isSpelled(index: string | number, step: string | number): boolean {
  return typeof index === "number" && step === String(index);
}

describe("for any JSON", () => {
  test("for any JSON and any path, the slice is the source text at that path", () => {
    fc.assert(
      fc.property(written, path, (root, steps) => {
        expect(sliceRawJson(` ${root.source}\n`, steps)).toBe(sourceAt(root, steps));
      }),
      { numRuns: 2000 },
    );
  });

  test("for any JSON, the slice at a value's path parses to that value", () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: "binary" }), (text) => {
        for (const [steps, value] of valuesIn(JSON.parse(text))) {
          expect(JSON.parse(sliceRawJson(text, steps) ?? "")).toStrictEqual(value);
        }
      }),
    );
  });
});

function valuesIn(json: unknown, steps: JsonPath = []): [JsonPath, unknown][] {
  if (typeof json !== "object" || json === null) return [[steps, json]];
  const inner = Array.isArray(json) ? [...json.entries()] : Object.entries(json);
  return [[steps, json], ...inner.flatMap(([step, value]) => valuesIn(value, [...steps, step]))];
}

describe("whatever the text is", () => {
  test("nesting of 100,000 levels neither overflows the stack nor takes long", () => {
    const inner = "[".repeat(NESTING) + "]".repeat(NESTING);
    expect(sliceRawJson(`{"a":${inner},"b":1.0}`, ["b"])).toBe("1.0");
    expect(sliceRawJson(`{"a":${inner}}`, ["a"])).toBe(inner);
    expect(
      sliceRawJson(
        inner,
        Array.from({ length: NESTING - 1 }, () => 0),
      ),
    ).toBe("[]");
  });

  test("a text that is not JSON never throws or hangs", () => {
    const junk = fc
      .array(fc.constantFrom("{", "}", "[", "]", '"', ",", ":", "\\", "1", "a", " ", "\0"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(junk, fc.string()), path, (text, steps) => {
        expect([null, "string"]).toContain(sliceRawJson(text, steps) === null ? null : "string");
      }),
      { numRuns: 2000 },
    );
  });

  test("long strings of quotes and backslashes end where they end", () => {
    for (const filling of ['\\"', "\\\\", '\\\\\\"', 'x\\"', `${"x".repeat(40)}\\\\`]) {
      const value = `"${filling.repeat(1000)}"`;
      expect(sliceRawJson(`{"a":${value},"b":2}`, ["a"])).toBe(value);
      expect(sliceRawJson(`{"a":${value},"b":2}`, ["b"])).toBe("2");
    }
  });
});

describe("compacted JSON", () => {
  it("compacted JSON has no blanks but those of its strings, and all its digits", () => {
    const text = ' {\t"a b" : [ 1.0 , 12345678901234567890 ],\r\n "\\" : " : "c \\\\" , "d":-0 } ';
    expect(compactJson(text)).toBe('{"a b":[1.0,12345678901234567890],"\\" : ":"c \\\\","d":-0}');
  });

  it("compacted JSON is the same however it was spread out", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 4, "\t"), (value, indent) => {
        expect(compactJson(JSON.stringify(value, null, indent))).toBe(JSON.stringify(value));
      }),
    );
  });
});

describe("splitRawArray", () => {
  it("splitting an array keeps the digits and the spaces inside of every item", () => {
    expect(splitRawArray(' [ {"n": 12345678901234567890} , 1.0,"a,]", [1 ,2] ] ')).toEqual([
      '{"n": 12345678901234567890}',
      "1.0",
      '"a,]"',
      "[1 ,2]",
    ]);
  });

  it("splitting an empty array gives nothing", () => {
    expect(splitRawArray(" [ \n ] ")).toEqual([]);
  });

  it("splitting any array gives each item", () => {
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
