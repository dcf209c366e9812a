import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HEALTHY, type LaneVerdict } from "../../../src/core/job/job.ts";
import { Origin } from "../../../src/lanes/origin.ts";
import { ReadingTime } from "../../../src/lanes/shares/reading-time.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FAULTY, refused, setLane } from "../lane-harness.ts";

const BREAKER = { failuresInRowMax: 20, failingMsMin: 0, openMsInitial: 1000, openMsMax: 30_000 };
const TICK_MS = 10;

/** Projects that poll one origin, each through a lane, with what reading the answers takes. */
function setNeighbors(projects: readonly string[], concurrency = 128) {
  const clock = new FakeClock();
  const readingTime = new ReadingTime(() => 500);
  const origin = new Origin(
    { clock },
    {
      resource: "upstream_requests",
      concurrency,
      breaker: BREAKER,
      shareOf: (projectId) => readingTime.of(projectId),
    },
  );
  const lanes = new Map(
    projects.map((project) => {
      const scene = setLane({}, { clock, gate: origin.gateOf(project) });
      return [project, { ...scene, settled: 0, pushed: 0 }];
    }),
  );
  const laneOf = (project: string) => {
    const lane = lanes.get(project);
    if (lane === undefined) throw new Error(`no lane of ${project}`);
    return lane;
  };
  return {
    clock,
    push(project: string, count: number): void {
      const lane = laneOf(project);
      for (let item = 0; item < count; item += 1) lane.push(`${(lane.pushed += 1)}`);
    },
    /** Ends so many of the project's polls in progress, each with what reading it takes. */
    settle(project: string, count: number, verdict: LaneVerdict, costMs: number): void {
      const lane = laneOf(project);
      for (let item = 0; item < count && lane.settled < lane.started.length; item += 1) {
        readingTime.of(project).charge(costMs, clock.monotonic());
        lane.settle(lane.started[lane.settled]?.name ?? "", verdict);
        lane.settled += 1;
      }
    },
    started: (project: string) => laneOf(project).started,
  };
}

const act = fc.record({
  project: fc.constantFrom("loud 1", "loud 2", "loud 3", "loud 4"),
  count: fc.integer({ min: 0, max: 200 }),
  what: fc.constantFrom("push", "answer", "answer slowly read", "fail", "refuse", "hang"),
});

test("whatever other projects do, a quiet one polls when its jobs are due", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 150 }), (acts) => {
      const projects = ["loud 1", "loud 2", "loud 3", "loud 4", "quiet"];
      const { clock, push, settle, started } = setNeighbors(projects);
      const startedAtMs = clock.monotonic();
      const dueAtMs: number[] = [];
      for (const [tick, { project, count, what }] of acts.entries()) {
        if (what === "push") push(project, count);
        if (what === "answer") settle(project, count, HEALTHY, 0.01);
        if (what === "answer slowly read") settle(project, count, HEALTHY, 5);
        if (what === "fail") settle(project, count, FAULTY, 0.01);
        if (what === "refuse") settle(project, 1, refused(), 0.01);
        if (tick % 5 === 0) {
          dueAtMs.push(clock.monotonic() - startedAtMs);
          push("quiet", 1);
        }
        clock.advance(TICK_MS);
        settle("quiet", 1, HEALTHY, 0.05);
      }
      expect(started("quiet").map(({ atMs }) => atMs)).toEqual(dueAtMs);
    }),
    { numRuns: 50 },
  );
});

test("a project whose answers take long to read is slowed down, and no other", () => {
  const { clock, push, settle, started } = setNeighbors(["heavy", "light"], 2048);
  push("heavy", 20_000);
  push("light", 20_000);
  const counts = { heavy: 0, light: 0 };
  for (let tick = 0; tick < 3000; tick += 1) {
    clock.advance(TICK_MS);
    settle("heavy", 5, HEALTHY, 5);
    settle("light", 5, HEALTHY, 0.02);
    if (tick === 999) {
      counts.heavy = started("heavy").length;
      counts.light = started("light").length;
    }
  }
  // Over 20 s, at no more than 500 ms a second, of 5 ms each; what could be had is 500 a second.
  expect(started("heavy").length - counts.heavy).toBeLessThanOrEqual(20 * 100 * 1.1);
  expect(started("heavy").length - counts.heavy).toBeGreaterThan(20 * 50);
  expect(started("light").length - counts.light).toBe(20 * 500);
});
