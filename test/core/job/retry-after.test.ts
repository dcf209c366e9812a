import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type HeaderValues,
  parseRetryAfter,
  parseWait,
  parseWaitHeader,
  readRetryAfter,
  RETRY_AFTER_MS_MAX,
} from "../../../src/core/job/retry-after.ts";

const NOW_MS = Date.parse("2026-03-01T12:00:00.000Z");
const RESET = ["x-ratelimit-reset"];
const HOUR_MS = 3_600_000;

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
    [
      "a date in UTC by its other names",
      { "retry-after": "Sun, 01 Mar 2026 12:00:30 UTC" },
      30_000,
    ],
    ["a date of mail libraries", { "retry-after": "Sun, 1 Mar 2026 12:00:30 +0000" }, 30_000],
    ["a date in another zone", { "retry-after": "Sun, 01 Mar 2026 14:00:30 +0200" }, 30_000],
    ["a date in a named zone", { "retry-after": "Sun, 01 Mar 2026 07:00:30 EST" }, 30_000],
    ["a date without a zone, which means GMT", { "retry-after": "01 Mar 2026 12:00:30" }, 30_000],
    ["an RFC 3339 date", { "retry-after": "2026-03-01T13:00:30+01:00" }, 30_000],
    ["an RFC 3339 date without a zone, in GMT", { "retry-after": "2026-03-01T12:00:30" }, 30_000],
    ["a date as Python writes it", { "retry-after": "2026-03-01 13:00:30.25+01:00" }, 30_250],
    ["a date as Ruby writes it", { "retry-after": "2026-03-01 12:00:30 UTC" }, 30_000],
    ["an RFC 3339 date with a short zone", { "retry-after": "2026-03-01T13:00:30+0100" }, 30_000],
    ["a number in quotes", { "retry-after": '"4"' }, 4000],
    ["a header that is sent twice and joined", { "retry-after": "4, 4" }, 4000],
    [
      "two dates that are joined",
      { "retry-after": "Sun, 01 Mar 2026 12:00:30 GMT, Sun, 01 Mar 2026 12:00:30 GMT" },
      30_000,
    ],
    ["milliseconds in quotes", { "retry-after-ms": '"125"' }, 125],
    ["a date in the past is now", { "retry-after": "Sun, 01 Mar 2020 12:00:30 GMT" }, 0],
    ["milliseconds", { "retry-after-ms": "125" }, 125],
    ["Azure's milliseconds", { "x-ms-retry-after-ms": "125", "retry-after": "1" }, 125],
    ["milliseconds before seconds", { "retry-after": "1", "retry-after-ms": "1250" }, 1250],
    ["the first value understood of several", { "retry-after": ["soon", "4", "9"] }, 4000],
    [
      "seconds when the milliseconds are garbage",
      { "retry-after": "1", "retry-after-ms": "x" },
      1000,
    ],
    ["a duration", { "retry-after": "1m30s" }, 90_000],
    ["seconds since 1970", { "retry-after": String(NOW_MS / 1000 + 4) }, 4000],
    ["milliseconds since 1970", { "retry-after": String(NOW_MS + 4000) }, 4000],
    ["microseconds since 1970", { "retry-after": `${NOW_MS + 4000}000` }, 4000],
    ["milliseconds since 1970 as a wait", { "retry-after-ms": String(NOW_MS + 4000) }, 4000],
    ["never more than an hour", { "retry-after": "86363" }, HOUR_MS],
    [
      "never more than an hour, by date",
      { "retry-after": "Thu, 05 Mar 2026 12:00:00 GMT" },
      HOUR_MS,
    ],
    [
      "the second of two values where the first can't be meant",
      { "retry-after": ["1e9", "999999999999", "3"] },
      3000,
    ],
    [
      "a date by the sender's clock",
      {
        date: "Sun, 01 Mar 2026 09:00:00 GMT",
        "retry-after": "Sun, 01 Mar 2026 09:00:04 GMT",
      },
      4000,
    ],
    [
      "seconds since 1970 by the sender's clock",
      {
        date: "Sun, 01 Mar 2026 09:00:00 GMT",
        "retry-after": String(Date.parse("2026-03-01T09:00:04Z") / 1000),
      },
      4000,
    ],
  ])("the wait that an answer asks for is read from %s", (_name, headers, expected) => {
    expect(parseRetryAfter(headers, NOW_MS)).toBe(expected);
  });
});

test("a wait that is not taken at its word says how it is written", () => {
  const noteOf = (value: string) => readRetryAfter({ "retry-after": value }, NOW_MS)?.note;
  expect(noteOf("7")).toBeNull();
  expect(noteOf("86363")).toBe("retry-after: 86363, taken as 3600 s");
  const seconds = String(NOW_MS / 1000 + 4);
  expect(noteOf(seconds)).toBe(`retry-after: ${seconds}, taken as 4 s`);
});

describe("garbage counts as absent", () => {
  test.each([
    "",
    " ",
    "soon",
    "-5",
    "+5",
    "5x",
    "s",
    "5s5",
    "1e3",
    "0x10",
    "NaN",
    "Infinity",
    "5 apples",
    "1,2",
    '"',
    '""',
    '"4',
    "soon, later",
    "PT4S",
    "00:00:04",
    "٣",
    "Sun, 99 Mar 2026 99:00:30 GMT",
    "Sun, 01 Mar 2026 12:00:30 CLOCK",
    "2026-03-01",
    "\0",
    "1\n2",
  ])("an invalid Retry-After counts as absent: %j", (value) => {
    expect(parseRetryAfter({ "retry-after": value }, NOW_MS)).toBeNull();
    expect(parseRetryAfter({ "retry-after-ms": value }, NOW_MS)).toBeNull();
    expect(
      parseRetryAfter({ "x-ratelimit-reset": value }, NOW_MS, { resetHeaders: RESET }),
    ).toBeNull();
  });

  test("an answer without Retry-After asks for no wait", () => {
    expect(parseRetryAfter({}, NOW_MS, { resetHeaders: RESET })).toBeNull();
    expect(parseRetryAfter({ "retry-after": [] }, NOW_MS)).toBeNull();
  });
});

test.each<[string, HeaderValues]>([
  ["a count of seconds", { "retry-after": "999999999" }],
  ["a time in no century", { "retry-after": "999999999999" }],
  ["milliseconds", { "retry-after-ms": "999999999" }],
  ["a date", { "retry-after": "Mon, 01 Mar 2027 12:00:00 GMT" }],
  ["a duration", { "retry-after": "400 days" }],
  ["a reset header", { "x-ratelimit-reset": "999999999" }],
])("a wait of more than a week is not obeyed but shown: %s", (_name, headers) => {
  const asked = readRetryAfter(headers, NOW_MS, { resetHeaders: RESET });
  const [value = ""] = Object.values(headers);
  expect(asked).toEqual({ ms: null, note: expect.stringContaining(String(value)) });
});

test("a Retry-After that can't be meant leaves the word to the reset header", () => {
  const headers = { "retry-after": "999999999", "x-ratelimit-reset": "42" };
  expect(parseRetryAfter(headers, NOW_MS, { resetHeaders: RESET })).toBe(42_000);
});

describe("a reset header", () => {
  test.each<[string, string, number]>([
    ["seconds from now", "42", 42_000],
    ["seconds since 1970", String(NOW_MS / 1000 + 42), 42_000],
    ["fractional seconds since 1970", `${NOW_MS / 1000 + 42}.5`, 42_500],
    ["milliseconds since 1970", String(NOW_MS + 42_000), 42_000],
    ["microseconds since 1970", `${NOW_MS + 42_000}000`, 42_000],
    ["nanoseconds since 1970", `${NOW_MS + 42_000}000000`, 42_000],
    ["minutes and seconds", "6m0s", 360_000],
    ["seconds with their unit", "4s", 4000],
    ["milliseconds with their unit", "250ms", 250],
    ["words", "2 minutes 5 seconds", 125_000],
    ["a structured field", "limit=100, remaining=0, reset=4", 4000],
    ["policies, of which one is used up", '"burst";r=5;t=1, "day";r=0;t=60', 60_000],
    ["a time that has passed", String(NOW_MS / 1000 - 42), 0],
    ["a date", "2026-03-01T12:00:42Z", 42_000],
    ["a date without a zone", "2026-03-01 12:00:42", 42_000],
    ["a number in quotes", '"42"', 42_000],
    ["two equal values", "42, 42", 42_000],
  ])("a reset header may hold %s", (_name, value, expected) => {
    expect(parseRetryAfter({ "x-ratelimit-reset": value }, NOW_MS, { resetHeaders: RESET })).toBe(
      expected,
    );
  });

  test("a reset header counts only while no requests are left", () => {
    const headers = { "x-ratelimit-reset": "42", "x-ratelimit-remaining": "14" };
    expect(parseRetryAfter(headers, NOW_MS, { resetHeaders: RESET })).toBeNull();
    const none = { ...headers, "x-ratelimit-remaining": "0" };
    expect(parseRetryAfter(none, NOW_MS, { resetHeaders: RESET })).toBe(42_000);
    const after = { "x-ratelimit-reset-after": "42", "x-ratelimit-remaining": "14" };
    const options = { resetHeaders: ["x-ratelimit-reset-after"] };
    expect(parseRetryAfter(after, NOW_MS, options)).toBeNull();
  });

  test("the reset header of the IETF's drafts counts without being named", () => {
    const waitOf = (headers: HeaderValues) =>
      parseRetryAfter(headers, NOW_MS, { resetHeaders: [] });
    expect(waitOf({ ratelimit: '"default";r=0;t=4' })).toBe(4000);
    expect(waitOf({ ratelimit: '"default";r=3;t=4' })).toBeNull();
    expect(waitOf({ ratelimit: "limit=9, remaining=3, reset=4" })).toBeNull();
    expect(waitOf({ "ratelimit-reset": "5", "ratelimit-remaining": "0" })).toBe(5000);
  });

  test("another reset header counts only when named, and after Retry-After", () => {
    const headers = { "retry-after": "1", "x-ratelimit-reset": "42" };
    expect(parseRetryAfter(headers, NOW_MS, { resetHeaders: RESET })).toBe(1000);
    expect(parseRetryAfter({ "x-ratelimit-reset": "42" }, NOW_MS)).toBeNull();
  });

  test("the first named reset header that can be understood counts", () => {
    const headers = { "x-ratelimit-reset": "?", "ratelimit-reset": "3", other: "9" };
    expect(
      parseRetryAfter(headers, NOW_MS, { resetHeaders: [...RESET, "ratelimit-reset", "other"] }),
    ).toBe(3000);
  });
});

const BY = { nowMs: NOW_MS, maxMs: HOUR_MS };

test("a hint header counts in its own unit, unless it names one", () => {
  expect(parseWaitHeader({ "poll-after": "4s" }, "poll-after", "ms", BY)).toBe(4000);
  expect(parseWait("4s", "s", BY)).toBe(4000);
  expect(parseWait("90000", "s", BY)).toBe(HOUR_MS);
  const headers = { "poll-after-ms": "1500", "poll-after": "2" };
  expect(parseWaitHeader(headers, "poll-after-ms", "ms", BY)).toBe(1500);
  expect(parseWaitHeader(headers, "poll-after", "s", BY)).toBe(2000);
  expect(parseWaitHeader(headers, "none", "s", BY)).toBeNull();
  expect(
    parseWaitHeader({ "poll-after": "Sun, 01 Mar 2026 12:00:30 GMT" }, "poll-after", "s", BY),
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
      const waitMs = parseRetryAfter(given, nowMs, {
        resetHeaders: RESET,
        maxMs: RETRY_AFTER_MS_MAX,
      });
      expect(waitMs === null || (waitMs >= 0 && waitMs <= RETRY_AFTER_MS_MAX)).toBe(true);
    }),
  );
});
