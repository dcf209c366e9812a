import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type HeaderValues,
  parseRetryAfter,
  parseWaitHeader,
  RETRY_AFTER_MS_MAX,
} from "../../src/core/retry-after.ts";

const NOW_MS = Date.parse("2026-03-01T12:00:00.000Z");
const RESET = ["x-ratelimit-reset"];

describe("a wait that an answer asks for", () => {
  test.each<[string, HeaderValues, number]>([
    ["whole seconds", { "retry-after": "7" }, 7000],
    ["zero", { "retry-after": "0" }, 0],
    ["fractional seconds", { "retry-after": "1.5" }, 1500],
    ["a bare fraction", { "retry-after": ".25" }, 250],
    ["white space around", { "retry-after": " 3 " }, 3000],
    ["an HTTP date", { "retry-after": "Sun, 01 Mar 2026 12:00:30 GMT" }, 30_000],
    ["an obsolete RFC 850 date", { "retry-after": "Sunday, 01-Mar-26 12:00:30 GMT" }, 30_000],
    [
      "an obsolete asctime date, which means GMT",
      { "retry-after": "Sun Mar  1 12:00:30 2026" },
      30_000,
    ],
    ["an RFC 3339 date", { "retry-after": "2026-03-01T13:00:30+01:00" }, 30_000],
    ["a date in the past is now", { "retry-after": "Sun, 01 Mar 2020 12:00:30 GMT" }, 0],
    ["milliseconds", { "retry-after-ms": "125" }, 125],
    ["milliseconds before seconds", { "retry-after": "1", "retry-after-ms": "1250" }, 1250],
    ["the first value understood of several", { "retry-after": ["soon", "4", "9"] }, 4000],
    [
      "seconds when the milliseconds are garbage",
      { "retry-after": "1", "retry-after-ms": "x" },
      1000,
    ],
    ["never more than a day", { "retry-after": "999999999999999999999999" }, RETRY_AFTER_MS_MAX],
    [
      "never more than a day, by date",
      { "retry-after": "Mon, 01 Mar 2027 12:00:00 GMT" },
      RETRY_AFTER_MS_MAX,
    ],
  ])("%s", (_name, headers, expected) => {
    expect(parseRetryAfter(headers, NOW_MS)).toBe(expected);
  });
});

describe("garbage counts as absent", () => {
  test.each([
    "",
    " ",
    "soon",
    "-5",
    "+5",
    "5s",
    "1e3",
    "0x10",
    "NaN",
    "Infinity",
    "5 apples",
    "1,2",
    "٣",
    "Sun, 99 Mar 2026 99:00:30 GMT",
    "2026-03-01",
    "\0",
    "1\n2",
  ])("%j", (value) => {
    expect(parseRetryAfter({ "retry-after": value }, NOW_MS)).toBeNull();
    expect(parseRetryAfter({ "retry-after-ms": value }, NOW_MS)).toBeNull();
    expect(parseRetryAfter({ "x-ratelimit-reset": value }, NOW_MS, RESET)).toBeNull();
  });

  test("no header at all", () => {
    expect(parseRetryAfter({}, NOW_MS, RESET)).toBeNull();
    expect(parseRetryAfter({ "retry-after": [] }, NOW_MS)).toBeNull();
  });
});

describe("a reset header", () => {
  test.each<[string, string, number]>([
    ["seconds from now", "42", 42_000],
    ["seconds since 1970", String(NOW_MS / 1000 + 42), 42_000],
    ["fractional seconds since 1970", `${NOW_MS / 1000 + 42}.5`, 42_500],
    ["milliseconds since 1970", String(NOW_MS + 42_000), 42_000],
    ["a time that has passed", String(NOW_MS / 1000 - 42), 0],
    ["a date", "2026-03-01T12:00:42Z", 42_000],
  ])("may hold %s", (_name, value, expected) => {
    expect(parseRetryAfter({ "x-ratelimit-reset": value }, NOW_MS, RESET)).toBe(expected);
  });

  test("counts only when named, and after Retry-After", () => {
    const headers = { "retry-after": "1", "x-ratelimit-reset": "42" };
    expect(parseRetryAfter(headers, NOW_MS, RESET)).toBe(1000);
    expect(parseRetryAfter({ "x-ratelimit-reset": "42" }, NOW_MS)).toBeNull();
  });

  test("is the first named one that can be understood", () => {
    const headers = { "x-ratelimit-reset": "?", "ratelimit-reset": "3", other: "9" };
    expect(parseRetryAfter(headers, NOW_MS, [...RESET, "ratelimit-reset", "other"])).toBe(3000);
  });
});

test("a hint header counts in its own unit", () => {
  const headers = { "poll-after-ms": "1500", "poll-after": "2" };
  expect(parseWaitHeader(headers, "poll-after-ms", "ms")).toBe(1500);
  expect(parseWaitHeader(headers, "poll-after", "s")).toBe(2000);
  expect(parseWaitHeader(headers, "none", "s")).toBeNull();
  expect(
    parseWaitHeader({ "poll-after": "Sun, 01 Mar 2026 12:00:30 GMT" }, "poll-after", "s"),
  ).toBeNull();
});

test("whatever the headers and the clock say, the wait is null or between 0 and a day", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.double().map(String),
    fc.bigInt({ min: 0n }).map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  );
  const values = fc.oneof(value, fc.array(value), fc.constant(undefined));
  const headers = fc.record({
    "retry-after": values,
    "retry-after-ms": values,
    "x-ratelimit-reset": values,
  });
  fc.assert(
    fc.property(headers, fc.integer({ min: 0, max: 8.64e15 }), (given, nowMs) => {
      const waitMs = parseRetryAfter(given, nowMs, RESET);
      expect(waitMs === null || (waitMs >= 0 && waitMs <= RETRY_AFTER_MS_MAX)).toBe(true);
    }),
  );
});
