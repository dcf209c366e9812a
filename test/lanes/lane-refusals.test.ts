import { describe, expect, test } from "vitest";
import { HEALTHY, type LaneVerdict } from "../../src/core/job/job.ts";
import { Lane } from "../../src/lanes/lane.ts";
import type { Random } from "../../src/runtime/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { seededRandom } from "../torture/seeded-random.ts";
import { FAULTY, newGate, refused, setLane, UNLIMITED } from "./lane-harness.ts";

/** A lane with so many items in progress, and as many as one may want waiting. */
function inProgress(concurrency: number) {
  const scene = setLane({ concurrency });
  for (let item = 0; item < 40; item += 1) scene.push(`${item}`, item - 40);
  expect(scene.started).toHaveLength(concurrency);
  return scene;
}

/** The pauses after answers that come one after the other. */
function pausesAfter(answers: readonly LaneVerdict[]): (number | null)[] {
  const { clock, settle } = inProgress(1);
  return answers.map((answer, item) => {
    settle(`${item}`, answer);
    const pauseMs = clock.nextTimerMs;
    clock.advance(pauseMs ?? 0);
    return pauseMs;
  });
}

describe("a refusal", () => {
  test("a refusal pauses the lane for as long as the upstream says", () => {
    expect(pausesAfter([refused(7000)])).toEqual([7000]);
  });

  test("a refusal without Retry-After pauses the lane longer each time, up to a minute", () => {
    const seconds = pausesAfter(Array.from({ length: 9 }, () => refused())).map(
      (ms) => (ms ?? 0) / 1000,
    );
    expect(seconds).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  test("a refusal that asks for no wait is believed once", () => {
    expect(pausesAfter([refused(0), refused(0), refused(30_000)])).toEqual([null, 2000, 30_000]);
  });

  test("a refusal after a success begins with a short pause again", () => {
    const pauses = pausesAfter([refused(), refused(), HEALTHY, refused()]);
    expect([pauses[0], pauses[1], pauses[3]]).toEqual([1000, 2000, 1000]);
  });

  test("after the pause one item goes first; the others follow when it passes", () => {
    const { clock, lane, started, settle } = inProgress(8);
    settle("0", refused());
    clock.advance(30_000);
    expect(started).toHaveLength(9);
    for (let item = 1; item < 8; item += 1) settle(`${item}`, HEALTHY);
    clock.advance(30_000);
    expect([started.length, lane.inFlight]).toEqual([9, 1]);
    settle("8", HEALTHY);
    clock.advance(30_000);
    expect(lane.inFlight).toBe(8);
  });

  test("a refusal of an item sent before the last one counts only if it asks for a longer wait", () => {
    const { clock, started, settle } = inProgress(8);
    settle("0", refused());
    settle("1", refused(5000));
    settle("2", refused());
    settle("3", refused(100));
    clock.advance(4999);
    expect(started).toHaveLength(8);
    clock.advance(1);
    expect(started).toHaveLength(9);
    settle("8", refused());
    clock.advance(2000);
    expect(started).toHaveLength(10);
  });

  test("a refusal is over when the first item met a fault and another passed", () => {
    const { clock, started, settle } = inProgress(2);
    settle("0", refused());
    settle("1", HEALTHY);
    clock.advance(1000);
    settle("2", FAULTY);
    settle("3", HEALTHY);
    clock.advance(10_000);
    expect(started).toHaveLength(6);
  });

  test("a refusal is forgotten when somebody fixes its cause", () => {
    const { clock, lane, started, settle } = inProgress(1);
    settle("0", refused(3_600_000));
    lane.resume();
    clock.advance(0);
    expect(started).toHaveLength(2);
  });
});

describe("a lane that could not send", () => {
  const UNSENT: LaneVerdict = { kind: "unsent" };

  /** When many lanes start items, of which none can be sent. */
  function startsWhileUnsent(lanes: number, random: Random, forMs: number): number[] {
    const clock = new FakeClock();
    const beganAtMs = clock.monotonic();
    const starts: number[] = [];
    for (let number = 0; number < lanes; number += 1) {
      const lane = new Lane<string>(
        { clock, random },
        {
          limits: UNLIMITED,
          gate: newGate(clock),
          isCurrent: () => true,
          start() {
            starts.push(clock.monotonic() - beganAtMs);
            clock.setTimer(1, () => {
              lane.settle(UNSENT);
              lane.push("again", clock.monotonic());
            });
          },
        },
      );
      lane.push("first", beganAtMs);
    }
    clock.advance(forMs);
    return starts;
  }

  test("a lane that could not send pauses longer each time, up to a minute and half as much more", () => {
    const pausesS = (random: number): number[] => {
      const starts = startsWhileUnsent(1, () => random, 600_000);
      return starts
        .slice(1, 9)
        .map((atMs, index) => Math.round((atMs - (starts[index] ?? 0)) / 1000));
    };
    expect(pausesS(0)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(pausesS(1)).toEqual([1.5, 3, 6, 12, 24, 48, 90, 90].map(Math.round));
  });

  test("lanes that all could not send for one cause don't begin again at one moment", () => {
    const lanes = 400;
    const starts = startsWhileUnsent(lanes, seededRandom(1), 8_000).filter((atMs) => atMs > 0);
    expect(starts.length).toBeGreaterThan(2 * lanes);
    const inMoment = new Map<number, number>();
    for (const atMs of starts) {
      const moment = Math.floor(atMs / 50);
      inMoment.set(moment, (inMoment.get(moment) ?? 0) + 1);
    }
    // All of them began within one such moment without a spread.
    expect(Math.max(...inMoment.values())).toBeLessThan(lanes / 5);
  });
});
