import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type FetchParty, FetchTurns } from "../../../src/polling/result/turns.ts";

const LIMITS = { perConnection: 2, perProject: 3, inAll: 4 };

/** The connections that were let in, in their order. */
function openTurns() {
  const turns = new FetchTurns(LIMITS);
  const letIn: string[] = [];
  const enter = async (connectionId: string, projectId: string): Promise<FetchParty> => {
    const party = { connectionId, projectId };
    await turns.enter(party);
    letIn.push(connectionId);
    return party;
  };
  return { turns, letIn, enter };
}

describe("whoever fetches", () => {
  test("holds no more than a part of what there is, by connection and by project", async () => {
    const { letIn, enter } = openTurns();
    for (const _ of [1, 2, 3]) void enter("a1", "a");
    for (const _ of [1, 2]) void enter("a2", "a");
    void enter("b1", "b");
    await nextTurn();
    expect(letIn).toEqual(["a1", "a1", "a2", "b1"]);
  });

  test("waits while all there is is taken, and connections take turns then", async () => {
    const { turns, letIn, enter } = openTurns();
    const [first] = await Promise.all([
      enter("a1", "a"),
      enter("a1", "a"),
      enter("b1", "b"),
      enter("b2", "b"),
    ]);
    letIn.length = 0;
    for (const _ of [1, 2]) void enter("c1", "c");
    void enter("d1", "d");
    await nextTurn();
    expect(letIn).toEqual([]);
    turns.leave(first);
    turns.leave(first);
    await nextTurn();
    expect(letIn).toEqual(["c1", "d1"]);
  });

  test("is let in when there is nothing to do any more", async () => {
    const { turns, letIn, enter } = openTurns();
    for (let count = 0; count < 10; count += 1) void enter("a1", "a");
    turns.letAllIn();
    await nextTurn();
    expect(letIn).toHaveLength(10);
  });
});
