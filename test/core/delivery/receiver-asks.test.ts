import { expect, test } from "vitest";
import { readReceiverAsks } from "../../../src/core/delivery/receiver-asks.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const NOTHING = { stop: false, waitMs: null, retryAfterMs: null };
const DAY_MS = 24 * 3600 * 1000;

test.each([
  ["nothing", {}, {}],
  ["to stop", { "ringback-retry": "no" }, { stop: true }],
  ["to stop, in capitals", { "ringback-retry": " NO " }, { stop: true }],
  ["to wait", { "ringback-retry-after": "90" }, { waitMs: 90_000 }],
  ["to wait for part of a second", { "ringback-retry-after": "0.5" }, { waitMs: 500 }],
  ["to wait for longer than a day", { "ringback-retry-after": "999999" }, { waitMs: DAY_MS }],
  ["to wait, by Retry-After", { "retry-after": "7" }, { retryAfterMs: 7000 }],
  ["not to be asked for a day", { "retry-after": "86363" }, { retryAfterMs: 3_600_000 }],
  [
    "to wait until seconds since 1970",
    { "retry-after": String(NOW_MS / 1000 + 4) },
    { retryAfterMs: 4000 },
  ],
  [
    "to wait until a time by its own clock",
    {
      date: "Thu, 01 Jan 2026 03:00:00 GMT",
      "retry-after": "Thu, 01 Jan 2026 03:00:04 GMT",
    },
    { retryAfterMs: 4000 },
  ],
  [
    "to wait until a time",
    { "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" },
    { retryAfterMs: 60_000 },
  ],
])("an answer can ask %s", (_, headers, expected) => {
  expect(readReceiverAsks(headers, NOW_MS)).toEqual({ ...NOTHING, ...expected });
});

test.each([
  [{ "ringback-retry": "yes" }],
  [{ "ringback-retry": "" }],
  [{ "ringback-retry": ["no", "no"] }],
  [{ "ringback-retry-after": "-1" }],
  [{ "ringback-retry-after": "soon" }],
  [{ "ringback-retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" }],
  [{ "retry-after": "5 apples" }],
])("headers that can't be understood ask for nothing: %j", (headers) => {
  expect(readReceiverAsks(headers, NOW_MS)).toEqual(NOTHING);
});
