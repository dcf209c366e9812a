import { expect, test } from "vitest";
import { type CallInProgress, SilentCalls } from "../../../src/store/db/silent-calls.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function callWith(bytes: { bytesReceived: number; bytesSent: number }): CallInProgress {
  return { connection: Object.assign(bytes, { backend: null, destroy: () => {} }), sentBefore: 0 };
}

test("a call is silent once nothing was received for 2 s, counted from the first look", () => {
  const clock = new FakeClock();
  const silentCalls = new SilentCalls(clock);
  const bytes = { bytesReceived: 10, bytesSent: 100 };
  const call = callWith(bytes);
  const lookAfter = (ms: number): number => {
    clock.advance(ms);
    return silentCalls.look([call]).length;
  };
  expect(lookAfter(0)).toBe(0);
  expect(lookAfter(1_999)).toBe(0);
  bytes.bytesReceived = 11;
  expect(lookAfter(1)).toBe(0);
  expect(lookAfter(1_999)).toBe(0);
  expect(lookAfter(1)).toBe(1);
  const silent = { call, since: 2_000 };
  expect(silentCalls.look([call])).toEqual([silent]);
  expect(silentCalls.isStillSilent(silent)).toBe(true);
  bytes.bytesReceived = 12;
  expect(silentCalls.isStillSilent(silent)).toBe(false);
});

test("a call that has sent much may still be on its way, so it is left to its limits", () => {
  const clock = new FakeClock();
  const silentCalls = new SilentCalls(clock);
  const much = callWith({ bytesReceived: 10, bytesSent: 4_000_000 });
  const little = callWith({ bytesReceived: 10, bytesSent: 4_000 });
  silentCalls.look([much, little]);
  clock.advance(2_000);
  expect(silentCalls.look([much, little])).toEqual([{ call: little, since: 0 }]);
});

test("calls that have ended are forgotten", () => {
  const clock = new FakeClock();
  const silentCalls = new SilentCalls(clock);
  const call = callWith({ bytesReceived: 10, bytesSent: 100 });
  silentCalls.look([call]);
  silentCalls.look([]);
  clock.advance(2_000);
  expect(silentCalls.look([call])).toEqual([]);
  const unknown = callWith({ bytesReceived: 10, bytesSent: 100 });
  expect(silentCalls.isStillSilent({ call: unknown, since: 0 })).toBe(false);
});
