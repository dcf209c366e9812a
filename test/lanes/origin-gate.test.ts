import { describe, expect, test } from "vitest";
import type { Breaker } from "../../src/core/breaker.ts";
import { HEALTHY } from "../../src/core/job.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FAULTY, newGate, refused, setLane } from "./lane-harness.ts";

const BREAKER = { failuresInRowMax: 3, failingMsMin: 0, openMsInitial: 1000, openMsMax: 8000 };

/** Lanes to one origin, each of a group; what starts is named after its lane. */
function setOrigin(
  groups: Readonly<Record<string, string>>,
  options: { concurrency?: number } = {},
) {
  const clock = new FakeClock();
  const states: Breaker["state"][] = [];
  const onBreaker = (breaker: Breaker): void => void states.push(breaker.state);
  const gate = newGate(clock, { breaker: BREAKER, onBreaker, ...options });
  const started: { name: string; atMs: number }[] = [];
  const lanes = new Map(
    Object.entries(groups).map(([name, group]) => {
      const scene = setLane({}, { clock, gate, started });
      scene.lane.moveTo(gate, group);
      return [name, scene] as const;
    }),
  );
  const laneOf = (item: string) => {
    const scene = lanes.get(item.slice(0, 1));
    if (scene === undefined) throw new Error(`no lane for ${item}`);
    return scene;
  };
  return {
    clock,
    gate,
    started,
    states,
    names: () => started.map(({ name }) => name),
    push: (item: string, inMs = 0) => laneOf(item).push(item, inMs),
    settle: (item: string, verdict: Parameters<ReturnType<typeof setLane>["settle"]>[1]) =>
      laneOf(item).settle(item, verdict),
  };
}

describe("the breaker of an origin", () => {
  test("stops all its lanes after faults in a row, whichever lanes they came from", () => {
    const { names, push, settle, states } = setOrigin({ a: "x", b: "y" });
    for (const item of ["a1", "b1", "a2"]) push(item);
    for (const item of ["a1", "b1", "a2"]) settle(item, FAULTY);
    push("a3");
    push("b2");
    expect(names()).toEqual(["a1", "b1", "a2"]);
    expect(states).toEqual(["open"]);
  });

  test("lets one probe at a time through, of all lanes, in turn", () => {
    const { clock, names, push, settle } = setOrigin({ a: "x", b: "y" });
    for (const item of ["a1", "a2", "a3"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    for (const item of ["a4", "a5", "b1", "b2"]) push(item);
    clock.advance(1000);
    expect(names().slice(3)).toEqual(["a4"]);
    settle("a4", FAULTY);
    clock.advance(2000);
    expect(names().slice(3)).toEqual(["a4", "b1"]);
    settle("b1", HEALTHY);
    expect(names().slice(5).toSorted()).toEqual(["a5", "b2"]);
  });

  test("learns nothing from an item that never got to the origin, and lets another try", () => {
    const { clock, names, push, settle, states } = setOrigin({ a: "x" });
    for (const item of ["a1", "a2", "a3"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    for (const [inMs, item] of ["a4", "a5", "a6"].entries()) push(item, inMs);
    clock.advance(1000);
    settle("a4", { kind: "inconclusive" });
    expect(names().slice(3)).toEqual(["a4", "a5"]);
    expect(states).toEqual(["open", "half_open"]);
  });

  test("probes without waiting for what was under way when it opened", () => {
    const { clock, names, push, settle } = setOrigin({ a: "x" });
    for (const item of ["a1", "a2", "a3", "a4", "a5"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    push("a6");
    clock.advance(1000);
    expect(names()).toContain("a6");
  });

  test("recovers by itself however long the origin was away", () => {
    const { clock, push, settle, started, states } = setOrigin({ a: "x" });
    for (let item = 0; item < 20; item += 1) push(`a${item}`, item);
    let settled = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      clock.advance(60_000);
      for (; settled < started.length; settled += 1) settle(started[settled]?.name ?? "", FAULTY);
    }
    expect(states.at(-1)).toBe("open");
    clock.advance(8000);
    settle(started.at(-1)?.name ?? "", HEALTHY);
    expect(states.at(-1)).toBe("closed");
    expect(started).toHaveLength(20);
  });

  test("takes a refusal because of the rate for a sign of life", () => {
    const { push, settle, states } = setOrigin({ a: "x" });
    for (const item of ["a1", "a2", "a3", "a4"]) push(item);
    settle("a1", FAULTY);
    settle("a2", FAULTY);
    settle("a3", refused());
    settle("a4", FAULTY);
    expect(states).toEqual([]);
  });

  test("is nothing to the lanes of another origin", () => {
    const { push, settle } = setOrigin({ a: "x" });
    const other = setLane();
    for (const item of ["a1", "a2", "a3"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    other.push("elsewhere");
    expect(other.names()).toEqual(["elsewhere"]);
  });
});

describe("an origin that takes no more requests at once", () => {
  /** Lets one after the other end, in the order in which they began. */
  function run(origin: ReturnType<typeof setOrigin>, count: number): string {
    for (let item = 0; item < count; item += 1) {
      origin.settle(origin.names()[item] ?? "", HEALTHY);
    }
    return origin
      .names()
      .slice(0, count)
      .map((name) => name.slice(0, 1))
      .join("");
  }

  test("is shared evenly, however many items one of the lanes has", () => {
    const origin = setOrigin({ a: "x", b: "y", c: "z" }, { concurrency: 1 });
    for (let item = 0; item < 100; item += 1) origin.push(`a${item}`, -1000);
    for (let item = 0; item < 3; item += 1) {
      origin.push(`b${item}`);
      origin.push(`c${item}`);
    }
    expect(run(origin, 13)).toBe("aabcabcabcaaa");
  });

  test("is shared by groups: one with many lanes gets as much as one with a single lane", () => {
    const origin = setOrigin({ a: "x", b: "x", c: "y" }, { concurrency: 1 });
    for (const lane of ["a", "b", "c"]) {
      for (let item = 0; item < 50; item += 1) origin.push(`${lane}${item}`);
    }
    expect(run(origin, 41).slice(1)).toBe("acbc".repeat(10));
  });

  test("passes a turn on that its lane has no use for", () => {
    const origin = setOrigin({ a: "x", b: "y" }, { concurrency: 1 });
    origin.push("a1");
    const moved = origin.push("b1");
    origin.push("a2");
    moved.dueAtMs += 60_000;
    origin.settle("a1", HEALTHY);
    expect(origin.names()).toEqual(["a1", "a2"]);
  });
});

describe("a lane that moves to another origin", () => {
  test("is free of the breaker it leaves behind", () => {
    const { clock, lane, names, push, settle } = setLane({}, brokenGate());
    push("1");
    settle("1", FAULTY);
    push("2");
    expect(names()).toEqual(["1"]);
    lane.moveTo(newGate(clock), "x");
    expect(names()).toEqual(["1", "2"]);
  });

  test("settles with the one that let its items in", () => {
    const { clock, gate, lane, push, settle } = setLane();
    push("1");
    push("2");
    const second = newGate(clock);
    lane.moveTo(second, "x");
    push("3");
    const third = newGate(clock);
    lane.moveTo(third, "x");
    push("4");
    expect([gate.inFlight, second.inFlight, third.inFlight]).toEqual([2, 1, 1]);
    for (const item of ["4", "1", "3", "2"]) settle(item, HEALTHY);
    expect([gate.inFlight, second.inFlight, third.inFlight]).toEqual([0, 0, 0]);
  });
});

function brokenGate() {
  const clock = new FakeClock();
  return { clock, gate: newGate(clock, { breaker: { ...BREAKER, failuresInRowMax: 1 } }) };
}
