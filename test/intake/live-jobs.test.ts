import { beforeEach, describe, expect, test } from "vitest";
import { LiveJobs } from "../../src/intake/live-jobs.ts";

let watched: Map<string, number>;
let liveJobs: LiveJobs;

beforeEach(() => {
  watched = new Map();
  liveJobs = new LiveJobs({ jobsByProject: watched });
});

describe("the live jobs of a project", () => {
  test("the live jobs of a project are those watched here, those being accepted, and those of other nodes", () => {
    watched.set("p", 10);
    liveJobs.learn(new Map([["p", 200]]));
    liveJobs.begin("p", "a", 1000);
    expect(liveJobs.of("p")).toBe(211);
    expect(liveJobs.of("another")).toBe(0);
  });

  test("a live job being accepted counts once, however many requests name it, until the last is over", () => {
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

  test("live jobs handed to other nodes count until those have reported them", () => {
    liveJobs.handOver("p");
    liveJobs.learn(new Map());
    liveJobs.handOver("p");
    expect(liveJobs.of("p")).toBe(2);
    liveJobs.learn(new Map([["p", 1]]));
    expect(liveJobs.of("p")).toBe(2);
    liveJobs.learn(new Map([["p", 2]]));
    expect(liveJobs.of("p")).toBe(2);
  });

  test("live jobs of a node that is gone no longer count", () => {
    liveJobs.learn(new Map([["p", 5]]));
    liveJobs.learn(new Map());
    expect(liveJobs.of("p")).toBe(0);
  });
});

describe("at the limit", () => {
  test("at the limit of live jobs no other is begun, but another request for one being accepted is", () => {
    watched.set("p", 4);
    expect(liveJobs.begin("p", "a", 5)).toBe(true);
    expect(liveJobs.begin("p", "b", 5)).toBe(false);
    expect(liveJobs.begin("p", "a", 5)).toBe(true);
    expect(liveJobs.begin("another", "b", 5)).toBe(true);
  });
});
