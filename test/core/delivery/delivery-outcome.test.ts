import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AttemptExchange,
  decideAfterAttempt,
  errorCodeOfExchange,
  isStillUnsent,
  laneVerdictOfExchange,
  type ReceiverAsks,
  readReceiverAsks,
} from "../../../src/core/delivery/delivery-outcome.ts";
import {
  isUnsent,
  REQUEST_FAILURE_CODES,
  type RequestFailureCode,
} from "../../../src/core/request-failure.ts";

const SCHEDULE = [1000, 2000];

function answered(status: number, asks: Partial<ReceiverAsks> = {}): AttemptExchange {
  const nothing = { stop: false, waitMs: null, retryAfterMs: null };
  return { kind: "answered", status, asks: { ...nothing, ...asks } };
}

function decide(exchange: AttemptExchange, attemptInSchedule = 1) {
  return decideAfterAttempt({
    exchange,
    attemptInSchedule,
    retryScheduleMs: SCHEDULE,
    nowMs: 10_000,
    random: 0.5,
  });
}

const anyExchange: fc.Arbitrary<AttemptExchange> = fc.oneof(
  fc.record({
    kind: fc.constant("answered" as const),
    status: fc.integer({ min: 100, max: 999 }),
    asks: fc.record({
      stop: fc.boolean(),
      waitMs: fc.option(fc.nat()),
      retryAfterMs: fc.option(fc.nat()),
    }),
  }),
  fc.record({
    kind: fc.constant("failed" as const),
    failure: fc.record({ code: fc.constantFrom(...REQUEST_FAILURE_CODES), message: fc.string() }),
  }),
);

test.each([
  [200, null],
  [204, null],
  [299, null],
  [301, "redirect_not_followed"],
  [304, "redirect_not_followed"],
  [400, "client_error_answer"],
  [404, "client_error_answer"],
  [410, "gone"],
  [413, "client_error_answer"],
  [429, "rate_limited"],
  [500, "server_error_answer"],
  [503, "server_error_answer"],
  [199, "unexpected_answer"],
])("an answer of %i is classified as %s", (status, code) => {
  expect(errorCodeOfExchange(answered(status))).toBe(code);
});

describe("callbacks that this side could not send", () => {
  const failed = (code: RequestFailureCode): AttemptExchange => ({
    kind: "failed",
    failure: { code, message: "" },
  });
  const isStill = (code: RequestFailureCode, failedAttempts: number, unsentMs: number) =>
    isStillUnsent(failed(code), { retryScheduleMs: [100_000, 200_000], failedAttempts, unsentMs });

  test.each(["dns_failed", "connection_limit"] as const)(
    "a callback that could not be sent is no attempt for as long as its schedule has left: %s",
    (code) => {
      expect(isStill(code, 0, 360_000)).toBe(true);
      expect(isStill(code, 0, 360_001)).toBe(false);
      expect(isStill(code, 1, 240_001)).toBe(false);
      expect(isStill(code, 2, 60_000)).toBe(true);
      expect(decide(failed(code))).toEqual({ status: "exhausted", errorCode: code });
      expect(laneVerdictOfExchange(failed(code))).toEqual({ kind: "inconclusive" });
    },
  );

  test.each(["dns_not_found", "connect_refused", "connect_timeout", "response_timeout"] as const)(
    "a callback that could not be sent is not the receiver's failure: %s",
    (code) => {
      expect(isStill(code, 0, 0)).toBe(false);
      expect(laneVerdictOfExchange(failed(code)).kind).toBe("faulty");
    },
  );
});

test("only 2xx delivers", () => {
  fc.assert(
    fc.property(anyExchange, fc.integer({ min: 1, max: 5 }), (exchange, attempt) => {
      const isSuccess =
        exchange.kind === "answered" && exchange.status >= 200 && exchange.status < 300;
      expect(decide(exchange, attempt).status === "delivered").toBe(isSuccess);
    }),
  );
});

test("a failure waits for its retry in the future until the schedule is used up, and no longer", () => {
  fc.assert(
    fc.property(anyExchange, fc.integer({ min: 1, max: 5 }), (exchange, attempt) => {
      const step = decide(exchange, attempt);
      if (step.status === "pending") {
        expect(attempt).toBeLessThanOrEqual(SCHEDULE.length);
        expect(step.nextAttemptAtMs).toBeGreaterThan(10_000);
      }
      const isUnsendable = exchange.kind === "failed" && isUnsent(exchange.failure.code);
      if (
        step.status === "exhausted" &&
        step.errorCode !== "stopped_by_receiver" &&
        !isUnsendable
      ) {
        expect(attempt).toBeGreaterThan(SCHEDULE.length);
      }
    }),
  );
});

test.each([301, 400, 429, 500, 503])(
  "a %i with ringback-retry: no is the last attempt",
  (status) => {
    const stopped = { status: "exhausted", errorCode: "stopped_by_receiver" };
    expect(decide(answered(status, { stop: true, waitMs: 5000 }))).toEqual(stopped);
  },
);

test("ringback-retry: no takes nothing back: 2xx delivers, and 410 ends the subscription", () => {
  expect(decide(answered(204, { stop: true })).status).toBe("delivered");
  expect(decide(answered(410, { stop: true })).status).toBe("gone");
});

test.each([301, 400, 429, 500])(
  "ringback-retry-after of a %i is the wait, shorter or longer than the schedule's",
  (status) => {
    for (const waitMs of [10, 3_600_000]) {
      const step = decide(answered(status, { waitMs, retryAfterMs: 60_000 }));
      expect(step).toMatchObject({ status: "pending", nextAttemptAtMs: 10_000 + waitMs });
    }
    expect(decide(answered(status, { waitMs: 0 }))).toMatchObject({ nextAttemptAtMs: 10_001 });
  },
);

test("no receiver gets more attempts than the schedule has by asking for them", () => {
  expect(decide(answered(500, { waitMs: 10 }), SCHEDULE.length + 1).status).toBe("exhausted");
});

test("410 ends the subscription at the first attempt and at the last", () => {
  expect(decide(answered(410), 1)).toEqual({ status: "gone", errorCode: "gone" });
  expect(decide(answered(410), 9)).toEqual({ status: "gone", errorCode: "gone" });
});

test.each([429, 502, 503, 504])("Retry-After of a %i is a floor for the next attempt", (status) => {
  expect(decide(answered(status, { retryAfterMs: 60_000 }))).toMatchObject({
    nextAttemptAtMs: 70_000,
  });
});

test.each([400, 404, 500])("Retry-After of a %i is not honoured", (status) => {
  expect(decide(answered(status, { retryAfterMs: 60_000 }))).toMatchObject({
    nextAttemptAtMs: 11_000,
  });
});

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
