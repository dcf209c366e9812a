import { describe, expect, test } from "vitest";
import { HEALTHY, type LaneVerdict } from "../../src/core/job/job.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FAULTY, newGate, newOrigin, refused, setLane } from "./lane-harness.ts";

const BREAKER = { failuresInRowMax: 3, failingMsMin: 0, openMsInitial: 1000, openMsMax: 8000 };

const UNREACHABLE: LaneVerdict = { kind: "faulty", reach: "unreachable" };

/** Lanes to one origin, each of a project; what starts is named after its lane. */
function setOrigin(
  projects: Readonly<Record<string, string>>,
  options: { concurrency?: number; failingMsMin?: number } = {},
) {
  const clock = new FakeClock();
  const states: string[] = [];
  const { failingMsMin = 0 } = options;
  const origin = newOrigin(clock, {
    ...options,
    breaker: { ...BREAKER, failingMsMin },
    onBreaker: (projectId, { state }) => void states.push(`${projectId} ${state}`),
  });
  const started: { name: string; atMs: number }[] = [];
  const lanes = new Map(
    Object.entries(projects).map(([name, project]) => {
      const gate = origin.gateOf(project);
      return [name, setLane({}, { clock, gate, started })] as const;
    }),
  );
  const laneOf = (item: string) => {
    const scene = lanes.get(item.slice(0, 1));
    if (scene === undefined) throw new Error(`no lane for ${item}`);
    return scene;
  };
  return {
    clock,
    origin,
    started,
    states,
    names: () => started.map(({ name }) => name),
    push: (item: string, inMs = 0) => laneOf(item).push(item, inMs),
    settle: (item: string, verdict: LaneVerdict) => laneOf(item).settle(item, verdict),
    gate: (item: string) => laneOf(item).gate,
  };
}

describe("the breaker of a project for an origin", () => {
  test("a breaker stops all lanes of a project to an origin after faults in a row, whichever lanes they came from", () => {
    const { names, push, settle, states } = setOrigin({ a: "x", b: "x" });
    for (const item of ["a1", "b1", "a2"]) push(item);
    for (const item of ["a1", "b1", "a2"]) settle(item, FAULTY);
    push("a3");
    push("b2");
    expect(names()).toEqual(["a1", "b1", "a2"]);
    expect(states).toEqual(["x open"]);
  });

  test("a breaker lets one probe at a time through, of all its lanes in turn", () => {
    const { clock, names, push, settle } = setOrigin({ a: "x", b: "x" });
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

  test("a breaker learns nothing from an item that never reached the origin, and lets another try", () => {
    const { clock, names, push, settle, states } = setOrigin({ a: "x" });
    for (const item of ["a1", "a2", "a3"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    for (const [inMs, item] of ["a4", "a5", "a6"].entries()) push(item, inMs);
    clock.advance(1000);
    settle("a4", { kind: "inconclusive" });
    expect(names().slice(3)).toEqual(["a4", "a5"]);
    expect(states).toEqual(["x open", "x half_open"]);
  });

  test("a breaker probes without waiting for items in progress when it opened", () => {
    const { clock, names, push, settle } = setOrigin({ a: "x" });
    for (const item of ["a1", "a2", "a3", "a4", "a5"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    push("a6");
    clock.advance(1000);
    expect(names()).toContain("a6");
  });

  test("a breaker recovers by itself however long the origin was away", () => {
    const { clock, push, settle, started, states } = setOrigin({ a: "x" });
    for (let item = 0; item < 20; item += 1) push(`a${item}`, item);
    let settled = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      clock.advance(60_000);
      for (; settled < started.length; settled += 1) settle(started[settled]?.name ?? "", FAULTY);
    }
    expect(states.at(-1)).toBe("x open");
    clock.advance(8000);
    settle(started.at(-1)?.name ?? "", HEALTHY);
    expect(states.at(-1)).toBe("x closed");
    expect(started).toHaveLength(20);
  });

  test("a breaker takes a rate limit refusal as a sign of life", () => {
    const { push, settle, states } = setOrigin({ a: "x" });
    for (const item of ["a1", "a2", "a3", "a4"]) push(item);
    settle("a1", FAULTY);
    settle("a2", FAULTY);
    settle("a3", refused());
    settle("a4", FAULTY);
    expect(states).toEqual([]);
  });

  test("a breaker does not affect the lanes of another origin", () => {
    const { push, settle } = setOrigin({ a: "x" });
    const other = setLane();
    for (const item of ["a1", "a2", "a3"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, FAULTY);
    other.push("elsewhere");
    expect(other.names()).toEqual(["elsewhere"]);
  });
});

describe("projects that share an origin", () => {
  test("projects that share an origin are not delayed by what one of them is answered there, nor by how it is read", () => {
    const { clock, names, push, settle, states, gate } = setOrigin({ a: "x", b: "y" });
    for (let item = 0; item < 50; item += 1) push(`a${item}`);
    for (let item = 0; item < 50; item += 1) settle(`a${item}`, FAULTY);
    const before = names().length;
    for (let item = 0; item < 50; item += 1) push(`b${item}`);
    expect(names()).toHaveLength(before + 50);
    for (let item = 0; item < 50; item += 1) settle(`b${item}`, HEALTHY);
    clock.advance(100);
    expect(states).toEqual(["x open"]);
    expect([gate("a").breaker.state, gate("b").breaker.state]).toEqual(["open", "closed"]);
  });

  test("projects that share an origin are not delayed by a connection failure that only one of them had", () => {
    const { names, push, settle, states } = setOrigin({ a: "x", b: "y" });
    for (let item = 0; item < 20; item += 1) push(`a${item}`);
    for (let item = 0; item < 20; item += 1) settle(`a${item}`, UNREACHABLE);
    push("b1");
    push("b2");
    expect(names().slice(20)).toEqual(["b1", "b2"]);
    settle("b1", HEALTHY);
    // Answered, it is there; whatever x met before counts no more.
    expect(states).toEqual(["x open", "x closed"]);
  });

  test("projects that share an origin probe it together once several could not reach it, and learn together that it is back", () => {
    const { clock, names, push, settle, states } = setOrigin({ a: "x", b: "y", c: "z" });
    for (const item of ["a1", "a2", "a3"]) push(item);
    for (const item of ["a1", "a2", "a3"]) settle(item, UNREACHABLE);
    push("b1");
    settle("b1", UNREACHABLE);
    expect(states).toEqual(["x open", "y open", "z open"]);
    for (const item of ["a4", "b2", "c1", "c2"]) push(item);
    clock.advance(1000);
    expect(names().slice(4)).toHaveLength(1);
    const [probe = ""] = names().slice(4);
    settle(probe, { kind: "faulty", reach: "answered" });
    expect(names().slice(5).toSorted()).toEqual(
      ["a4", "b2", "c1", "c2"].filter((it) => it !== probe),
    );
    expect(states.slice(-3).toSorted()).toEqual(["x closed", "y closed", "z closed"]);
  });

  test("a thousand projects probe an origin that is down no more often than one does", () => {
    const projects = Object.fromEntries(
      Array.from({ length: 1000 }, (_, at) => [String.fromCodePoint(0x4e00 + at), `p${at}`]),
    );
    const origin = setOrigin(projects, { failingMsMin: 10_000, concurrency: Infinity });
    for (const lane of Object.keys(projects)) {
      for (let item = 0; item < 15; item += 1) origin.push(`${lane}${item}`, 1000 * item);
    }
    let settled = 0;
    const fail = (): void => {
      for (; settled < origin.started.length; settled += 1) {
        origin.settle(origin.started[settled]?.name ?? "", UNREACHABLE);
      }
    };
    const runFor = (seconds: number): number => {
      const before = origin.started.length;
      for (let second = 0; second < seconds; second += 1) {
        origin.clock.advance(1000);
        fail();
      }
      return origin.started.length - before;
    };
    runFor(60);
    // At most one each 8 s, the longest time for which this breaker is open.
    expect(runFor(600)).toBeLessThanOrEqual(600 / 8);
    expect(origin.started.length).toBeLessThan(14_000);
    origin.settle(nextProbe(origin), HEALTHY);
    // Projects whose own faults were failures to reach it go on at once as well.
    expect(origin.started).toHaveLength(15_000);
  });

  test("projects that share an origin leave room in it for others, however many requests they have in progress", () => {
    const origin = setOrigin({ a: "x", b: "x", c: "y", d: "z" }, { concurrency: 16 });
    const countOf = (lanes: string): number =>
      origin.names().filter(([lane = ""]) => lanes.includes(lane)).length;
    for (let item = 0; item < 50; item += 1)
      for (const lane of ["a", "b"]) origin.push(`${lane}${item}`);
    expect(countOf("ab")).toBe(8);
    for (let item = 0; item < 50; item += 1) origin.push(`c${item}`);
    expect(countOf("c")).toBe(4);
    for (let item = 0; item < 20; item += 1) {
      const before = countOf("d");
      origin.push(`d${item}`);
      expect(countOf("d")).toBe(before + 1);
      origin.settle(`d${item}`, HEALTHY);
    }
    origin.settle("a0", HEALTHY);
    expect(countOf("ab")).toBe(8);
  });
});

/** Lets time pass until the next request is let through. */
function nextProbe({ clock, started }: ReturnType<typeof setOrigin>): string {
  const before = started.length;
  for (let second = 0; started.length === before && second < 60; second += 1) clock.advance(1000);
  return started.at(-1)?.name ?? "";
}

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

  test("an origin at its limit is shared evenly, however many items one of the lanes has", () => {
    const origin = setOrigin({ a: "x", b: "y", c: "z" }, { concurrency: 1 });
    for (let item = 0; item < 100; item += 1) origin.push(`a${item}`, -1000);
    for (let item = 0; item < 3; item += 1) {
      origin.push(`b${item}`);
      origin.push(`c${item}`);
    }
    expect(run(origin, 13)).toBe("aabcabcabcaaa");
  });

  test("an origin at its limit is shared by projects: one with many lanes gets as much as one with a single lane", () => {
    const origin = setOrigin({ a: "x", b: "x", c: "y" }, { concurrency: 1 });
    for (const lane of ["a", "b", "c"]) {
      for (let item = 0; item < 50; item += 1) origin.push(`${lane}${item}`);
    }
    expect(run(origin, 41).slice(1)).toBe("acbc".repeat(10));
  });

  test("an origin at its limit passes a turn on when the lane has no use for it", () => {
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
  test("a lane that moves to another origin leaves the old one's breaker behind", () => {
    const { clock, lane, names, push, settle } = setLane({}, brokenGate());
    push("1");
    settle("1", FAULTY);
    push("2");
    expect(names()).toEqual(["1"]);
    lane.moveTo(newGate(clock));
    expect(names()).toEqual(["1", "2"]);
  });

  test("a lane that moves settles its items with the origin that admitted them", () => {
    const { clock, gate, lane, push, settle } = setLane();
    push("1");
    push("2");
    const second = newGate(clock);
    lane.moveTo(second);
    push("3");
    const third = newGate(clock);
    lane.moveTo(third);
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
