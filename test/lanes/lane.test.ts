import { describe, expect, test } from "vitest";
import { HEALTHY } from "../../src/core/job/job.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { newGate, refused, setLane, UNLIMITED } from "./lane-harness.ts";

describe("when things are due", () => {
  test("an item that is due starts at once, another when its time comes", () => {
    const { clock, started, push } = setLane();
    push("later", 5000);
    push("now", 0);
    clock.advance(10_000);
    expect(started).toEqual([
      { name: "now", atMs: 0 },
      { name: "later", atMs: 5000 },
    ]);
  });

  test("one timer serves any number of items", () => {
    const { clock, push } = setLane();
    for (let item = 0; item < 100; item += 1) push(`${item}`, 1000 + item);
    expect(clock.timers).toBe(1);
  });

  test("an item that becomes due earlier than the timer moves it forward", () => {
    const { clock, started, push } = setLane();
    push("far", 60_000);
    push("near", 1000);
    clock.advance(1000);
    expect(started).toEqual([{ name: "near", atMs: 1000 }]);
  });

  test("an entry that was rescheduled since is skipped", () => {
    const { clock, lane, names, push } = setLane();
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
  test("no more items than the concurrency are in progress, and the longest due goes first", () => {
    const { clock, lane, names, push } = setLane({ concurrency: 2 });
    push("c", 30);
    push("a", 10);
    push("b", 20);
    clock.advance(100);
    expect(names()).toEqual(["a", "b"]);
    lane.settle(HEALTHY);
    expect(names()).toEqual(["a", "b", "c"]);
    expect(lane.inFlight).toBe(2);
  });

  test("the rate limit holds over time, after the burst", () => {
    const { clock, lane, started, push } = setLane({ requestsPerSecond: 10, burst: 3 });
    for (let item = 0; item < 13; item += 1) push(`${item}`, 0);
    expect(started).toHaveLength(3);
    clock.advance(500);
    expect(started).toHaveLength(8);
    clock.advance(500);
    expect(started).toHaveLength(13);
    expect(lane.queued).toBe(0);
  });

  test("a raised concurrency is used at once", () => {
    const { lane, names, push } = setLane({ concurrency: 1 });
    push("a", 0);
    push("b", 0);
    lane.configure({ ...UNLIMITED, concurrency: 2 });
    expect(names()).toHaveLength(2);
  });
});

describe("pauses", () => {
  test("a pause with an end holds all items back until then", () => {
    const { clock, lane, started, push } = setLane();
    lane.pause(clock.monotonic() + 3000);
    push("a", 0);
    clock.advance(10_000);
    expect(started).toEqual([{ name: "a", atMs: 3000 }]);
  });

  test("a pause without an end ends by resuming, and then at once", () => {
    const { clock, lane, names, push } = setLane();
    lane.pause(Infinity);
    push("a", 0);
    clock.advance(3_600_000);
    expect(names()).toEqual([]);
    lane.resume();
    expect(names()).toEqual(["a"]);
  });
});

describe("the reason why due items wait", () => {
  test("the lane reports what delays items that became due during a pause", () => {
    const { clock, lane, push } = setLane();
    lane.pause(clock.monotonic() + 5000);
    push("a", 1000);
    expect(lane.load()).toMatchObject({ waiting: 0, hold: null });
    clock.advance(2000);
    expect(lane.load()).toMatchObject({ waiting: 1, behindMs: 1000, hold: "pause" });
  });

  test("the lane reports what delays items that became due while the upstream wants none", () => {
    const { clock, lane, push, settle } = setLane();
    push("a");
    push("b", 1000);
    settle("a", refused(5000));
    clock.advance(2000);
    expect(lane.load()).toMatchObject({ waiting: 1, behindMs: 1000, hold: "refusal" });
  });

  test("the lane reports what delays items that became due while the concurrency is used up", () => {
    const { clock, lane, push } = setLane({ concurrency: 1 });
    push("a");
    push("b", 1000);
    clock.advance(2000);
    expect(lane.load()).toMatchObject({ waiting: 1, behindMs: 1000, hold: "concurrency" });
  });

  test("the lane reports the rate or the origin as the cause of a delay", () => {
    const rated = setLane({ requestsPerSecond: 1 });
    for (const name of ["a", "b"]) rated.push(name);
    expect(rated.lane.load()).toMatchObject({ waiting: 1, hold: "rate" });
    const clock = new FakeClock();
    const gated = setLane({}, { clock, gate: newGate(clock, { concurrency: 1 }) });
    for (const name of ["a", "b"]) gated.push(name);
    expect(gated.lane.load()).toMatchObject({ waiting: 1, hold: "origin" });
  });

  test("asking the lane for a cause does not change when items start", () => {
    const { clock, lane, push, names } = setLane({ requestsPerSecond: 1 });
    for (const name of ["a", "b", "c"]) push(name);
    const lookFor = (ms: number): void => {
      for (let step = 0; step < ms / 100; step += 1) {
        lane.load();
        clock.advance(100);
      }
    };
    lookFor(900);
    expect(names()).toEqual(["a"]);
    lookFor(1000);
    expect(names()).toEqual(["a", "b"]);
    lookFor(1000);
    expect(names()).toEqual(["a", "b", "c"]);
  });
});

test("a closed lane starts nothing more", () => {
  const { clock, lane, names, push } = setLane();
  push("a", 1000);
  lane.close();
  push("b", 0);
  clock.advance(10_000);
  expect(names()).toEqual([]);
});

test("work that may begin now takes a place at once, before what waits, and none beyond the limits", () => {
  const { lane, push, settle, started } = setLane({ concurrency: 2 });
  push("a");
  const generation = lane.beginNow();
  expect(generation).not.toBeNull();
  expect(lane.inFlight).toBe(2);
  push("b");
  expect(lane.beginNow()).toBeNull();
  settle("a", HEALTHY);
  expect(started.map(({ name }) => name)).toEqual(["a", "b"]);
  lane.settle(HEALTHY, generation ?? undefined);
  expect(lane.inFlight).toBe(1);
  lane.pause(Infinity);
  expect(lane.beginNow()).toBeNull();
});
