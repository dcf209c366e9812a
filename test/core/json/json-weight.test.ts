import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JSON_DEPTH_MAX, weighJson } from "../../../src/core/json/json-weight.ts";

const MIB = 2 ** 20;

const weigh = (text: string, bytesMax = 4 * MIB) => weighJson(Buffer.from(text), bytesMax);

describe("a JSON text", () => {
  test("a JSON text that is all strings weighs about as much as its bytes", () => {
    expect(weigh(`{"status":"done","file":"${"QUJD".repeat(700_000)}"}`)).toBe("fits");
    expect(weigh(`"${"QUJD".repeat(1_100_000)}"`)).toBe("too_heavy");
  });

  test("a JSON text of usual records weighs less than eight times its bytes", () => {
    const records = Array.from({ length: 5000 }, (_, id) => ({
      id,
      box: [0.123, 0.456, 0.789, 0.1],
      text: `word ${id}`,
    }));
    const text = JSON.stringify(records);
    expect(weigh(text, 8 * text.length)).toBe("fits");
  });

  test.each([
    ["empty arrays", "[],"],
    ["empty objects", "{},"],
    ["objects that are sparse", '{"99999":1},'],
    ["arrays of one", "[1],"],
  ])("a JSON text of nothing but %s weighs many times its bytes", (_, part) => {
    const text = `[${part.repeat(200_000)}1]`;
    expect(weigh(text, 20 * text.length)).toBe("too_heavy");
  });

  test("a JSON text of distinct keys weighs many times its bytes", () => {
    const keys = Array.from({ length: 50_000 }, (_, index) => `"k${index}":1`);
    const text = `{${keys.join(",")}}`;
    expect(weigh(text, 12 * text.length)).toBe("too_heavy");
  });

  test("a JSON text may be nested as deeply as common parsers allow, and no deeper", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(weigh(nested(JSON_DEPTH_MAX))).toBe("fits");
    expect(weigh(nested(JSON_DEPTH_MAX + 1))).toBe("too_deep");
    expect(weigh("[".repeat(JSON_DEPTH_MAX + 1))).toBe("too_deep");
  });

  test("brackets within a string do not count as nesting, however they are escaped", () => {
    const brackets = fc.string({ unit: fc.constantFrom("[", "\\", '"', "{", "a", "\\\\") });
    fc.assert(
      fc.property(fc.array(brackets, { maxLength: 20 }), (texts) => {
        const json = JSON.stringify(texts);
        const containers = 1;
        const bytesMax = json.length + containers * 120 + texts.length * 16;
        expect(weigh(json, bytesMax)).toBe("fits");
      }),
    );
  });
});
