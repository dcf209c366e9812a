import { expect, test } from "vitest";
import { fromMonotonic, SystemClock, toMonotonic } from "../../src/runtime/clock.ts";
import { FakeClock } from "../support/fake-clock.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);

function setUp() {
  const machine = { wallMs: START_MS, upMs: 500.25 };
  const clock = new SystemClock({ wall: () => machine.wallMs, monotonic: () => machine.upMs });
  const pass = (ms: number): void => {
    machine.wallMs += ms;
    machine.upMs += ms;
  };
  /** Reads a database whose clock says this in the middle of a round trip. */
  const read = (databaseMs: number, tripMs = 0): number => {
    const sentAtMs = machine.upMs;
    pass(tripMs);
    return clock.set({ databaseMs, sentAtMs, receivedAtMs: machine.upMs });
  };
  return { machine, clock, pass, read };
}

test("before the first reading the machine's time counts, in whole milliseconds", () => {
  const { clock, pass } = setUp();
  expect(clock.now()).toBe(START_MS);
  pass(1.5);
  expect(clock.now()).toBe(START_MS + 1);
});

test.each([HOUR_MS, -HOUR_MS])("a machine's clock that is set by %i ms moves nothing", (byMs) => {
  const { machine, clock, pass } = setUp();
  machine.wallMs += byMs;
  pass(10);
  expect(clock.now()).toBe(START_MS + 10);
  expect(clock.systemAheadMs()).toBe(byMs);
});

test("a reading makes it the database's time, whatever the machine's is", () => {
  const { clock, pass, read } = setUp();
  expect(read(START_MS - HOUR_MS)).toBe(-HOUR_MS);
  expect(clock.now()).toBe(START_MS - HOUR_MS);
  expect(clock.systemAheadMs()).toBe(HOUR_MS);
  pass(1000);
  expect(clock.now()).toBe(START_MS - HOUR_MS + 1000);
});

test("a slow answer is not believed more exactly than it can be", () => {
  const { clock, read } = setUp();
  read(START_MS);
  // Two seconds on the way: it was read at any moment of them.
  expect(read(START_MS + 200, 2000)).toBe(0);
  expect(clock.now()).toBe(START_MS + 2000);
  // But it was not read before it was asked for, nor after it was answered.
  expect(read(START_MS + 2000 + 300, 100)).toBe(200);
  expect(read(START_MS + 2000 + 200 + 100 - 50)).toBe(-50);
});

test("small corrections backwards are waited out, and a set database is followed at once", () => {
  const { clock, pass, read } = setUp();
  read(START_MS);
  read(START_MS - 400);
  expect(clock.now()).toBe(START_MS - 400);
  pass(500);
  expect(clock.now()).toBe(START_MS + 100);
  read(START_MS - 200);
  expect(clock.now()).toBe(START_MS + 100);
  pass(250);
  expect(clock.now()).toBe(START_MS + 100);
  pass(100);
  expect(clock.now()).toBe(START_MS + 150);
  read(START_MS - HOUR_MS);
  expect(clock.now()).toBe(START_MS - HOUR_MS);
});

test("times go to the monotonic clock and back, in their order", () => {
  const { clock, read } = setUp();
  read(START_MS + 0.5);
  expect(toMonotonic(clock, clock.now())).toBeLessThanOrEqual(clock.monotonic());
  expect(fromMonotonic(clock, toMonotonic(clock, START_MS + 777))).toBe(START_MS + 777);
  expect(toMonotonic(clock, Infinity)).toBe(Infinity);
});

test("a timer never fires early", async () => {
  const { clock } = setUp();
  const startedAt = performance.now();
  await new Promise<void>((resolve) => clock.setTimer(20.7, resolve));
  // Node counts whole milliseconds from a loop's time that is cut off to them.
  expect(performance.now() - startedAt).toBeGreaterThan(19.7);
});

test("the clock of the tests says whole milliseconds too, however its timers divide them", () => {
  const clock = new FakeClock(START_MS);
  clock.setTimer(0.25, () => clock.advance(0.5));
  clock.advance(1.5);
  expect(clock.now()).toBe(START_MS + 1);
  for (let step = 0; step < 85; step++) clock.advance(0.1);
  expect(clock.now()).toBe(START_MS + 10);
});
