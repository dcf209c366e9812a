import { describe, expect, test } from "vitest";
import { Lane, type LaneLimits } from "../../src/lanes/lane.ts";
import type { BreakerLimits } from "../../src/core/breaker.ts";
import { FakeClock } from "../support/fake-clock.ts";

interface Item {
  readonly name: string;
  dueAtMs: number;
}

const UNLIMITED: LaneLimits = { concurrency: 1000, requestsPerSecond: null, burst: 1 };

function setUp(limits: Partial<LaneLimits> = {}, breaker: BreakerLimits | null = null) {
  const clock = new FakeClock();
  const started: { name: string; atMs: number }[] = [];
  const startedAt = clock.now();
  const lane = new Lane<Item>({
    limits: { ...UNLIMITED, ...limits },
    breaker,
    clock,
    start: (item) => started.push({ name: item.name, atMs: clock.now() - startedAt }),
    isCurrent: (item, dueAtMs) => item.dueAtMs === dueAtMs,
  });
  const push = (name: string, inMs: number): Item => {
    const item = { name, dueAtMs: clock.now() + inMs };
    lane.push(item, item.dueAtMs);
    return item;
  };
  return { clock, lane, started, push, names: () => started.map((one) => one.name) };
}

const HEALTHY = { kind: "healthy" } as const;
const FAULTY = { kind: "faulty" } as const;

describe("when things are due", () => {
  test("an item that is due starts at once, another when its time comes", () => {
    const { clock, started, push } = setUp();
    push("later", 5000);
    push("now", 0);
    clock.advance(10_000);
    expect(started).toEqual([
      { name: "now", atMs: 0 },
      { name: "later", atMs: 5000 },
    ]);
  });

  test("one timer serves any number of items", () => {
    const { clock, push } = setUp();
    for (let item = 0; item < 100; item += 1) push(`${item}`, 1000 + item);
    expect(clock.timers).toBe(1);
  });

  test("an item that becomes due earlier than the timer moves it forward", () => {
    const { clock, started, push } = setUp();
    push("far", 60_000);
    push("near", 1000);
    clock.advance(1000);
    expect(started).toEqual([{ name: "near", atMs: 1000 }]);
  });

  test("an entry that was rescheduled since is passed over", () => {
    const { clock, lane, names, push } = setUp();
    const item = push("moved", 1000);
    item.dueAtMs += 4000;
    lane.push(item, item.dueAtMs);
    clock.advance(4999);
    expect(names()).toEqual([]);
    clock.advance(1);
    expect(names()).toEqual(["moved"]);
  });
});

describe("limits", () => {
  test("no more than the concurrency is under way, and the longest due goes first", () => {
    const { clock, lane, names, push } = setUp({ concurrency: 2 });
    push("c", 30);
    push("a", 10);
    push("b", 20);
    clock.advance(100);
    expect(names()).toEqual(["a", "b"]);
    lane.settle(HEALTHY);
    expect(names()).toEqual(["a", "b", "c"]);
    expect(lane.inFlight).toBe(2);
  });

  test("the rate holds over time, after the burst", () => {
    const { clock, lane, started, push } = setUp({ requestsPerSecond: 10, burst: 3 });
    for (let item = 0; item < 13; item += 1) push(`${item}`, 0);
    expect(started).toHaveLength(3);
    clock.advance(500);
    expect(started).toHaveLength(8);
    clock.advance(500);
    expect(started).toHaveLength(13);
    expect(lane.queued).toBe(0);
  });

  test("a raised concurrency is used at once", () => {
    const { lane, names, push } = setUp({ concurrency: 1 });
    push("a", 0);
    push("b", 0);
    lane.configure({ ...UNLIMITED, concurrency: 2 });
    expect(names()).toHaveLength(2);
  });
});

describe("pauses", () => {
  test("a pause until a time holds everything back until then", () => {
    const { clock, lane, started, push } = setUp();
    lane.pause(clock.now() + 3000);
    push("a", 0);
    clock.advance(10_000);
    expect(started).toEqual([{ name: "a", atMs: 3000 }]);
  });

  test("a pause without end ends by resuming, and then at once", () => {
    const { clock, lane, names, push } = setUp();
    lane.pause(Infinity);
    push("a", 0);
    clock.advance(3_600_000);
    expect(names()).toEqual([]);
    lane.resume();
    expect(names()).toEqual(["a"]);
  });

  test("a rate-limited answer pauses the lane for as long as the upstream says", () => {
    const { clock, lane, started, push } = setUp({ concurrency: 1 });
    push("a", 0);
    push("b", 0);
    lane.settle({ kind: "rate_limited", retryAfterMs: 7000 });
    clock.advance(60_000);
    expect(started).toEqual([
      { name: "a", atMs: 0 },
      { name: "b", atMs: 7000 },
    ]);
  });

  test("without Retry-After the pauses grow until an answer is healthy again", () => {
    const { clock, lane, started, push } = setUp({ concurrency: 1 });
    for (const name of ["a", "b", "c", "d", "e"]) push(name, 0);
    const limited = { kind: "rate_limited", retryAfterMs: null } as const;
    lane.settle(limited);
    clock.advance(1000);
    lane.settle(limited);
    clock.advance(2000);
    lane.settle(HEALTHY);
    lane.settle(limited);
    clock.advance(1000);
    expect(started.map((one) => one.atMs)).toEqual([0, 1000, 3000, 3000, 4000]);
  });
});

describe("the breaker", () => {
  const BREAKER = { failuresInRowMax: 3, openMsInitial: 1000, openMsMax: 8000 };

  test("stops the lane after failures in a row, then lets one probe at a time through", () => {
    const { clock, lane, names, push } = setUp({}, BREAKER);
    for (const name of ["a", "b", "c"]) push(name, 0);
    for (let time = 0; time < 3; time += 1) lane.settle(FAULTY);
    push("d", 0);
    push("e", 0);
    expect(names()).toEqual(["a", "b", "c"]);
    clock.advance(1000);
    expect(names()).toEqual(["a", "b", "c", "d"]);
    lane.settle(HEALTHY);
    expect(names()).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("recovers by itself however long the upstream was away", () => {
    const { clock, lane, names, push } = setUp({ concurrency: 1 }, BREAKER);
    push("first", 0);
    for (let probe = 0; probe < 20; probe += 1) {
      if (lane.inFlight > 0) lane.settle(FAULTY);
      push(`probe ${probe}`, 0);
      clock.advance(8000);
    }
    lane.settle(HEALTHY);
    push("last", 0);
    while (lane.inFlight > 0) lane.settle(HEALTHY);
    expect(names()).toContain("last");
    expect(lane.breakerState).toBe("closed");
  });
});

test("a closed lane starts nothing more", () => {
  const { clock, lane, names, push } = setUp();
  push("a", 1000);
  lane.close();
  push("b", 0);
  clock.advance(10_000);
  expect(names()).toEqual([]);
});
