import fc from "fast-check";
import { expect, test } from "vitest";
import { SharedCache } from "../../../src/lanes/shares/shared-cache.ts";

const MAX = 20;
const GROUPS = ["a", "b", "c"];

test("a group that fills a shared cache pushes out its own oldest entries, and none of a group that has fewer", () => {
  const cache = new SharedCache<number>(MAX);
  cache.set("quiet", "quiet 1", 1);
  cache.set("quiet", "quiet 2", 2);
  for (let number = 0; number < 10 * MAX; number += 1) cache.set("loud", `loud ${number}`, number);
  expect(cache.size).toBe(MAX);
  expect(cache.get("quiet 1")).toBe(1);
  expect(cache.get("quiet 2")).toBe(2);
  expect(cache.has("loud 0")).toBe(false);
  expect(cache.get(`loud ${10 * MAX - 1}`)).toBe(10 * MAX - 1);
});

test("an entry that is set again is the newest of its group, and belongs to the group that set it last", () => {
  const cache = new SharedCache<number>(3);
  cache.set("a", "1", 1);
  cache.set("a", "2", 2);
  cache.set("a", "1", 3);
  expect(cache.nextToLose()).toBe("2");
  cache.set("b", "1", 4);
  cache.set("b", "3", 5);
  expect(cache.nextToLose()).toBe("1");
  cache.delete("1");
  cache.delete("1");
  expect([cache.size, cache.get("1"), cache.get("2"), cache.get("3")]).toEqual([
    2,
    undefined,
    2,
    5,
  ]);
});

test("whatever is set, a shared cache keeps to its bound, and a group within its part of it loses nothing", () => {
  const part = Math.floor(MAX / GROUPS.length);
  const act = fc.record({
    group: fc.constantFrom(...GROUPS),
    key: fc.integer({ min: 0, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
      const cache = new SharedCache<string>(MAX);
      const model = new Map(GROUPS.map((group) => [group, new Set<string>()]));
      for (const { group, key } of acts) {
        const text = `${group} ${key}`;
        cache.set(group, text, group);
        model.get(group)?.add(text);
        expect(cache.size).toBeLessThanOrEqual(MAX);
      }
      for (const keys of model.values()) {
        const kept = [...keys].filter((key) => cache.has(key)).length;
        expect(kept).toBeGreaterThanOrEqual(Math.min(keys.size, part));
      }
    }),
  );
});
