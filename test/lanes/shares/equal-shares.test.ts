import fc from "fast-check";
import { expect, test } from "vitest";
import { EqualShares } from "../../../src/lanes/shares/equal-shares.ts";

test("a project alone has half of the places, and each that comes as many as are left", () => {
  const shares = new EqualShares("refusals_held", 8);
  const taken = (projectId: string): number => {
    while (shares.tryTake(projectId));
    return shares.takenBy(projectId);
  };
  expect(["a", "b", "c"].map(taken)).toEqual([4, 2, 1]);
  shares.giveBack("a");
  expect(taken("b")).toBe(2);
  expect(taken("c")).toBe(2);
});

test("a place that was not taken can't be given back", () => {
  expect(() => new EqualShares("refusals_held", 2).giveBack("a")).toThrow("not taken");
});

test("whatever up to nine others take and give back, there is a place for one that has none", () => {
  const act = fc.record({ project: fc.nat({ max: 8 }), takes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 2_000 }), (acts) => {
      const shares = new EqualShares("refusals_held", 1_024);
      for (const { project, takes } of acts) {
        if (takes) shares.tryTake(`${project}`);
        else if (shares.takenBy(`${project}`) > 0) shares.giveBack(`${project}`);
      }
      expect(shares.tryTake("quiet")).toBe(true);
    }),
    { numRuns: 50 },
  );
});
