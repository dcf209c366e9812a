import { beforeEach, describe, expect, test } from "vitest";
import { LiveJobs } from "../../src/intake/live-jobs.ts";

let watched: Map<string, number>;
let liveJobs: LiveJobs;

beforeEach(() => {
  watched = new Map();
  liveJobs = new LiveJobs({ jobsByProject: watched });
});

describe("the live jobs of a project", () => {
  test("are those watched here, those being accepted, and those of the other nodes", () => {
    watched.set("p", 10);
    liveJobs.learn(new Map([["p", 200]]));
    liveJobs.begin("p", "a", 1000);
    expect(liveJobs.of("p")).toBe(211);
    expect(liveJobs.of("another")).toBe(0);
  });

  test("that are being accepted count once, however many wish for the same, and until the last is over", () => {
    for (let wish = 0; wish < 3; wish += 1) liveJobs.begin("p", "a", 1000);
    liveJobs.begin("p", "b", 1000);
    expect(liveJobs.of("p")).toBe(2);
    liveJobs.settle("p", "a");
    liveJobs.settle("p", "b");
    expect(liveJobs.of("p")).toBe(1);
    liveJobs.settle("p", "a");
    liveJobs.settle("p", "a");
    expect(liveJobs.of("p")).toBe(0);
  });

  test("that were given to other nodes count until those have surely told of them", () => {
    liveJobs.handOver("p");
    liveJobs.learn(new Map());
    liveJobs.handOver("p");
    expect(liveJobs.of("p")).toBe(2);
    liveJobs.learn(new Map([["p", 1]]));
    expect(liveJobs.of("p")).toBe(2);
    liveJobs.learn(new Map([["p", 2]]));
    expect(liveJobs.of("p")).toBe(2);
  });

  test("of a node that is gone are counted no more", () => {
    liveJobs.learn(new Map([["p", 5]]));
    liveJobs.learn(new Map());
    expect(liveJobs.of("p")).toBe(0);
  });
});

describe("at the limit", () => {
  test("one more is not begun; another wish for one that is being accepted is", () => {
    watched.set("p", 4);
    expect(liveJobs.begin("p", "a", 5)).toBe(true);
    expect(liveJobs.begin("p", "b", 5)).toBe(false);
    expect(liveJobs.begin("p", "a", 5)).toBe(true);
    expect(liveJobs.begin("another", "b", 5)).toBe(true);
  });
});
