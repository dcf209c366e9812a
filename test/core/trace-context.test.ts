import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTraceContext, traceHeaders, traceIdOf } from "../../src/core/trace-context.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const GIVEN = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
const OF = {
  subscriptionId: "019b76da-9800-7034-a5b6-c7d8e9f00112",
  deliveryId: "019b76da-9800-7034-8abc-0123456789ab",
};
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

describe("a trace that a client gave", () => {
  test("a client's trace continues in every attempt, under separate parent ids", () => {
    const trace = readTraceContext(GIVEN, "vendor=a:b, other@sys=1");
    const [first, second] = [traceHeaders(trace, OF, 1), traceHeaders(trace, OF, 2)];
    expect(first["traceparent"]).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    expect(first["tracestate"]).toBe("vendor=a:b,other@sys=1");
    expect(first["traceparent"]).not.toBe(second["traceparent"]);
    expect(first["traceparent"]).not.toContain("00f067aa0ba902b7");
    expect(traceHeaders(trace, OF, 1)).toEqual(first);
    expect(traceIdOf(trace, OF.subscriptionId)).toBe(TRACE_ID);
  });

  test("a client's trace keeps its sampling decision, and no unknown flags", () => {
    const flags = (given: string) =>
      traceHeaders(readTraceContext(GIVEN.replace(/01$/, given), null), OF, 1)[
        "traceparent"
      ]?.slice(-2);
    expect([flags("00"), flags("01"), flags("03"), flags("fd")]).toEqual(["00", "01", "03", "01"]);
  });

  test("a client's trace of a later version is read as far as it is compatible", () => {
    expect(readTraceContext(`cc-${TRACE_ID}-00f067aa0ba902b7-01-what-comes`, null)).toBe(
      `${TRACE_ID}-01`,
    );
  });

  test.each([
    "",
    "00",
    GIVEN.toUpperCase(),
    GIVEN.replace(/^00/, "ff"),
    `${GIVEN}-more`,
    GIVEN.replace(TRACE_ID, "0".repeat(32)),
    GIVEN.replace("00f067aa0ba902b7", "0".repeat(16)),
    GIVEN.replace("-01", "-1"),
    GIVEN.replaceAll("-", "_"),
    `${GIVEN}\n`.repeat(2),
  ])("an invalid trace is ignored: %j", (traceparent) => {
    expect(readTraceContext(traceparent, "a=1")).toBeNull();
  });

  test.each([
    ["A=1", ""],
    ["a", ""],
    ["a=1,b", ""],
    ["a=ü", ""],
    [Array.from({ length: 33 }, (_, n) => `k${n}=1`).join(","), ""],
    ["a=1,,b=2 ", "a=1,b=2"],
    [
      `a=${"x".repeat(250)},b=${"x".repeat(250)},c=1,d=${"x".repeat(20)}`,
      `a=${"x".repeat(250)},b=${"x".repeat(250)},c=1`,
    ],
  ])("the valid part of a trace's state is passed on: %#", (given, passedOn) => {
    const headers = traceHeaders(readTraceContext(GIVEN, given), OF, 1);
    expect(headers["tracestate"] ?? "").toBe(passedOn);
    expect(headers["traceparent"]).toContain(TRACE_ID);
  });
});

test("without a trace context the subscription is a trace of its own", () => {
  expect(traceHeaders(null, OF, 1)).toEqual({
    traceparent: expect.stringMatching(/^00-019b76da98007034a5b6c7d8e9f00112-8abc0123456789aa-01$/),
  });
});

test("whatever is given, what is sent is well-formed", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 2 ** 31 - 1 }), (a, b, n) => {
      const headers = traceHeaders(readTraceContext(a, b), OF, n);
      expect(headers["traceparent"]).toMatch(TRACEPARENT);
      expect(headers["traceparent"]).not.toContain("0".repeat(16));
    }),
  );
});
