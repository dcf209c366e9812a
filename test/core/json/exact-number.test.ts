import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isSameNumber,
  mayLoseDigits,
  parseExactJson,
  readNumber,
} from "../../../src/core/json/exact-number.ts";

describe("two JSON numbers are the same when their values are", () => {
  test.each([
    ["1", "1.0", true],
    ["1", "1e0", true],
    ["1", "10e-1", true],
    ["0.1", "1E-1", true],
    ["100", "1e+2", true],
    ["0", "-0.00e7", true],
    ["7615917337495251231", "7615917337495251231.0", true],
    ["7615917337495251231", "7615917337495251000", false],
    ["0.1", "0.1000000000000000055511151231257827", false],
    ["1", "1.00000000000000000001", false],
    ["1", "-1", false],
    ["0", "1e-400", false],
    ["1e400", "1e401", false],
    ["1e400", "10e399", true],
    [`1e${"9".repeat(100_000)}`, `1e${"9".repeat(100_000)}`, true],
    [`1e${"9".repeat(100_000)}`, "1e400", false],
  ])("two JSON numbers are the same if their values are: %.40s and %.40s: %s", (a, b, same) => {
    expect(isSameNumber(a, b)).toBe(same);
    expect(isSameNumber(b, a)).toBe(same);
  });

  test("comparing a number of a million digits takes no longer than reading it", () => {
    const zeros = "0".repeat(1_000_000);
    expect(isSameNumber(`1.${zeros}`, "1")).toBe(true);
    expect(isSameNumber(`1.${zeros}1`, "1")).toBe(false);
  });

  test("a text with equal doubles but different numbers is always suspected", () => {
    const numbers = fc.tuple(
      fc.maxSafeNat(),
      fc.nat({ max: 10 ** 9 }),
      fc.integer({ min: -330, max: 330 }),
    );
    const source = numbers.map(([whole, fraction, power]) => `${whole}.${fraction}e${power}`);
    fc.assert(
      fc.property(source, (written) => {
        fc.pre(!mayLoseDigits(`[${written}]`));
        expect(isSameNumber(written, String(Number(written)))).toBe(true);
      }),
    );
  });
});

test("only a number that a double can't hold is kept by its digits", () => {
  expect([readNumber("1.50"), readNumber("9007199254740992"), readNumber("1e2")]).toEqual([
    1.5, 9007199254740992, 100,
  ]);
  const json = parseExactJson('{"a":[1.0,9007199254740993],"b":"9007199254740993","c":0.1e1}');
  expect(JSON.stringify(json)).toBe('{"a":[1,9007199254740993],"b":"9007199254740993","c":1}');
});

test("a text of any depth is parsed", () => {
  const deep = `${"[".repeat(50_000)}1${"]".repeat(50_000)}`;
  expect(() => parseExactJson(deep)).not.toThrow();
  expect(() => parseExactJson("[1,")).toThrow(SyntaxError);
});
