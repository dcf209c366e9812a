import fc from "fast-check";
import { expect, it } from "vitest";
import { NO_SLOT, SlotSet } from "../../src/runtime/slot-set.ts";

const MEMBERS = 8;

it("has the members that a Set has after the same changes", () => {
  const change = fc.tuple(fc.constantFrom("add", "delete"), fc.nat(MEMBERS - 1));
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const members = Array.from({ length: MEMBERS }, () => ({ slot: NO_SLOT }));
      const slots = new SlotSet<(typeof members)[number]>();
      const expected = new Set<(typeof members)[number]>();
      for (const [kind, index] of changes) {
        const member = members[index];
        if (member === undefined) continue;
        if (kind === "add") {
          slots.add(member);
          expected.add(member);
        } else expect(slots.delete(member)).toBe(expected.delete(member));
        expect(slots.size).toBe(expected.size);
        expect(new Set(slots.values())).toEqual(expected);
        for (const one of members) expect(slots.has(one)).toBe(expected.has(one));
      }
    }),
  );
});

it("gives a list that later changes leave alone", () => {
  const members = [{ slot: NO_SLOT }, { slot: NO_SLOT }, { slot: NO_SLOT }];
  const slots = new SlotSet<(typeof members)[number]>();
  for (const member of members) slots.add(member);
  const visited = [];
  for (const member of slots.values()) {
    visited.push(member);
    slots.delete(member);
  }
  expect(visited).toEqual(members);
  expect(slots.size).toBe(0);
});
