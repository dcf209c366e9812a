import { describe, expect, test } from "vitest";
import type { Breaker } from "../../src/core/pace/breaker.ts";
import { AlarmQueue } from "../../src/lanes/alarm-queue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FAULTY, newGate, refused, setLane } from "./lane-harness.ts";

const HOUR_MS = 3_600_000;

describe.each([
  ["back", -HOUR_MS],
  ["forward", HOUR_MS],
])("a clock set %s by an hour", (_, byMs) => {
  const move = (clock: FakeClock): void => clock.setNow(clock.now() + byMs);

  test("a clock that is set back or forward neither delays nor hurries items in a lane", () => {
    const { clock, names, push } = setLane();
    push("before", 1000);
    move(clock);
    push("after", 2000);
    clock.advance(999);
    expect(names()).toEqual([]);
    clock.advance(1);
    expect(names()).toEqual(["before"]);
    clock.advance(1000);
    expect(names()).toEqual(["before", "after"]);
  });

  test("a clock that is set back or forward changes neither the rate nor the pause after a refusal", () => {
    const { clock, names, push, settle } = setLane({ requestsPerSecond: 1, burst: 1 });
    for (const item of ["a", "b", "c"]) push(item);
    move(clock);
    // A bucket may catch up on 50 ms.
    clock.advance(949);
    expect(names()).toEqual(["a"]);
    clock.advance(1);
    expect(names()).toEqual(["a", "b"]);
    settle("b", refused(5000));
    move(clock);
    clock.advance(4999);
    expect(names()).toEqual(["a", "b"]);
    clock.advance(1);
    expect(names()).toEqual(["a", "b", "c"]);
  });

  test("a clock that is set back or forward leaves an origin's breaker open for the intended time", () => {
    const clock = new FakeClock();
    const states: Breaker["state"][] = [];
    const breaker = { failuresInRowMax: 1, failingMsMin: 0, openMsInitial: 1000, openMsMax: 8000 };
    const onBreaker = (_: string, { state }: Breaker): void => void states.push(state);
    const { lane, names, push, settle } = setLane(
      {},
      { clock, gate: newGate(clock, { breaker, onBreaker }) },
    );
    push("a");
    settle("a", FAULTY);
    push("b");
    move(clock);
    clock.advance(999);
    expect([lane.load().breaker, names()]).toEqual(["open", ["a"]]);
    clock.advance(1);
    expect(names()).toEqual(["a", "b"]);
  });

  test("the end of a pause is shown in the new time after the clock was set", () => {
    const { clock, lane, push } = setLane();
    lane.pause(clock.monotonic() + 5000);
    push("a");
    move(clock);
    expect(lane.load()).toMatchObject({ hold: "pause", pausedUntilMs: clock.now() + 5000 });
  });

  test("a clock that is set back or forward leaves an alarm at the same distance", () => {
    const clock = new FakeClock();
    const rung: string[] = [];
    const alarms = new AlarmQueue<string>(clock, (item) => void rung.push(item));
    alarms.set("late", clock.now() + 2000);
    alarms.set("early", clock.now() + 1000);
    move(clock);
    clock.advance(999);
    expect(rung).toEqual([]);
    clock.advance(1);
    expect(rung).toEqual(["early"]);
    clock.advance(1000);
    expect(rung).toEqual(["early", "late"]);
  });
});
