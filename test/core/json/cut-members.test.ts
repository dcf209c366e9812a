import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutJsonMembers } from "../../../src/core/json/cut-members.ts";

const latin1 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const utf8 = (text: string): string => Buffer.from(text, "latin1").toString("utf8");

function cut(text: string, paths: readonly (readonly string[])[], isWhole = true) {
  const found = cutJsonMembers(latin1(text), isWhole, paths);
  return found === null ? null : { text: utf8(found.text), values: [...found.values.entries()] };
}

describe("members that are cut out of JSON", () => {
  test.each([
    ['{"cb":"u","a":1}', '{"a":1}'],
    ['{"a":1,"cb":"u"}', '{"a":1}'],
    ['{ "a" : 1 , "cb" : "u" , "b" : 1.0 }', '{ "a" : 1 , "b" : 1.0 }'],
    ['{"cb":"u"}', "{}"],
    ['{"a":1,"cb":"t","cb":"u"}', '{"a":1}'],
    ['{"cb":"t","a":[{"cb":"kept"}],"\\u0063b":"u"}', '{"a":[{"cb":"kept"}]}'],
    ['{"a":"}\\",\\\\","cb":"u"}', '{"a":"}\\",\\\\"}'],
  ])("members cut out of JSON leave the rest of %s as it is", (text, left) => {
    expect(cut(text, [["cb"]])).toEqual({ text: left, values: [[0, '"u"']] });
  });

  test("members are found in nested objects, and by names beyond ASCII", () => {
    const text = '{"é":{"ü":{"url":"x"},"b":2},"url":3}';
    expect(cut(text, [["é", "ü", "url"], ["none"]])).toEqual({
      text: '{"é":{"ü":{},"b":2},"url":3}',
      values: [[0, '"x"']],
    });
  });

  test.each(["[1]", '"cb"', '{"cb"}', '{"cb":1,,"a":2}', '{"cb":1]', "{'cb':1}", "", "{"])(
    "no members are found in %s",
    (text) => expect(cut(text, [["cb"]])).toBeNull(),
  );

  test("cutting members leaves a value that JSON.parse reads as before", () => {
    const keys = fc.constantFrom("cb", "a", "\u00e9", 'q"', "\\", "");
    const json = fc.dictionary(keys, fc.jsonValue());
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const found = cut(text, [["cb"]]);
        expect(found !== null).toBe(Object.hasOwn(value, "cb"));
        if (found === null) return;
        const { cb, ...rest } = JSON.parse(text);
        expect(JSON.parse(found.text)).toEqual(rest);
        expect(JSON.parse(found.values[0]?.[1] ?? "")).toEqual(cb);
      }),
    );
  });

  test("members are cut from the beginning of a text only if nothing later can change them", () => {
    const whole = '{"a":[1,"x"],"cb":"u","b":{"c":2}}';
    for (let length = 0; length < whole.length; length += 1) {
      const found = cut(whole.slice(0, length), [["cb"]], false);
      const together = (found?.text ?? whole.slice(0, length)) + whole.slice(length);
      const isSeen = length > whole.indexOf('"u",') + 3;
      expect(together).toBe(isSeen ? '{"a":[1,"x"],"b":{"c":2}}' : whole);
    }
  });
});
