import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OutboundRequest } from "../../../src/outbound/exchange/request-outcome.ts";
import { MemoryBudget } from "../../../src/lanes/shares/memory-budget.ts";
import { get } from "../../outbound/local-servers.ts";

const LIMITS = {
  resource: "answer_bytes",
  bytesFree: 1,
  bytesMax: 100,
  bytesPerGroupMax: () => 60,
} as const;

function openRoom() {
  const room = new MemoryBudget<OutboundRequest>({ ...LIMITS, groupOf: ({ origin }) => origin });
  const admitted: OutboundRequest[] = [];
  const enter = (origin: string, bytes: number): OutboundRequest => {
    const request = get(`https://${origin}.example`);
    room.enter(request, bytes, () => admitted.push(request));
    return request;
  };
  return { room, admitted, enter };
}

describe("large answers", () => {
  test("large answers are admitted as long as there is room for their largest size", () => {
    const { room, admitted, enter } = openRoom();
    const first = enter("a", 50);
    const second = enter("b", 50);
    const third = enter("c", 1);
    expect(admitted).toEqual([first, second]);
    room.leave(second);
    expect(admitted).toEqual([first, second, third]);
  });

  test("large answers of one upstream leave room for those of others", () => {
    const { room, admitted, enter } = openRoom();
    const first = enter("a", 50);
    const waiting = enter("a", 50);
    const other = enter("b", 50);
    expect(admitted).toEqual([first, other]);
    room.leave(other);
    expect(admitted).toEqual([first, other]);
    room.leave(first);
    expect(admitted).toEqual([first, other, waiting]);
  });

  test("large answers that need all the room are not overtaken forever by smaller ones", () => {
    const { room, admitted, enter } = openRoom();
    const small = enter("a", 10);
    const huge = enter("b", 500);
    const later = enter("c", 10);
    expect(admitted).toEqual([small]);
    room.leave(small);
    expect(admitted).toEqual([small, huge]);
    room.leave(huge);
    expect(admitted).toEqual([small, huge, later]);
  });

  test("groups that keep all the room they get leave some to a group that holds none", () => {
    const { room, admitted, enter } = openRoom();
    for (let answer = 0; answer < 10; answer += 1) {
      enter("a", 20);
      enter("b", 20);
    }
    expect(admitted).toHaveLength(3);
    for (let answer = 0; answer < 5; answer += 1) {
      const quiet = enter("quiet", 20);
      expect(admitted.at(-1)).toBe(quiet);
      room.leave(quiet);
    }
  });

  test("many waiting answers of one group delay no other group", () => {
    const { room, admitted, enter } = openRoom();
    const first = enter("a", 40);
    const second = enter("b", 60);
    const crowd = Array.from({ length: 20 }, () => enter("a", 10));
    const other = enter("c", 60);
    room.leave(second);
    expect(admitted).toEqual([first, second, other]);
    room.leave(other);
    expect(admitted).toEqual([first, second, other, crowd[0]]);
  });

  test("answers that give up waiting are forgotten, and one that never came may leave", () => {
    const { room, admitted, enter } = openRoom();
    const first = enter("a", 60);
    const second = enter("a", 60);
    room.leave(second);
    room.leave(get("https://absent.example"));
    room.leave(first);
    room.leave(first);
    const third = enter("a", 60);
    expect(admitted).toEqual([first, third]);
  });

  test("the answers never hold more than the room, except a single one alone, and all are admitted in the end", () => {
    const step = fc.record({
      origin: fc.constantFrom("a", "b", "c"),
      bytes: fc.integer({ min: 1, max: 120 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { room, admitted, enter } = openRoom();
        const bytesOf = new Map(steps.map(({ origin, bytes }) => [enter(origin, bytes), bytes]));
        const left = new Set<OutboundRequest>();
        for (let next = 0; next < steps.length; next += 1) {
          const held = admitted.filter((request) => !left.has(request));
          const total = held.reduce((sum, request) => sum + (bytesOf.get(request) ?? 0), 0);
          expect(total <= LIMITS.bytesMax || held.length === 1).toBe(true);
          const leaving = held[0];
          if (leaving === undefined) throw new Error("requests wait although none holds memory");
          left.add(leaving);
          room.leave(leaving);
        }
        expect(admitted).toHaveLength(steps.length);
      }),
    );
  });
});
