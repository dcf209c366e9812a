import fc from "fast-check";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { LoopTurns } from "../../../src/lanes/shares/loop-turns.ts";

/** Pieces that begin in one turn of the event loop, and in the one after. */
const PER_TURN = 16;

/** Begins pieces of work, and notes in which order they began. */
function scene() {
  const turns = new LoopTurns("requests", PER_TURN);
  const begun: string[] = [];
  const begin = async (projectId: string): Promise<void> => {
    const turn = turns.begin(projectId);
    if (turn !== null) await turn;
    begun.push(projectId);
  };
  return { turns, begun, begin };
}

test("work that comes singly begins at once", async () => {
  const { turns } = scene();
  for (let piece = 0; piece < 100; piece += 1) {
    expect(turns.begin("a")).toBeNull();
    await nextTurn();
  }
});

test("only a few pieces of a flood begin before the first piece of another project", async () => {
  const { begun, begin } = scene();
  const all = Array.from({ length: 1_000 }, () => begin("loud"));
  all.push(begin("quiet"), begin("quiet"));
  await Promise.all(all);
  expect(begun).toHaveLength(1_002);
  expect(begun.indexOf("quiet")).toBeLessThanOrEqual(PER_TURN + 1);
  expect(begun.lastIndexOf("quiet")).toBeLessThanOrEqual(PER_TURN + 3);
});

test("a turn of the event loop begins a few pieces, and comes to what else there is", async () => {
  const { begun, begin } = scene();
  const all = Array.from({ length: 200 }, () => begin("loud"));
  let before = 0;
  while (begun.length < 200) {
    expect(begun.length - before).toBeLessThanOrEqual(2 * PER_TURN);
    before = begun.length;
    await nextTurn();
  }
  await Promise.all(all);
});

test("whatever the others begin and when, a project waits for a turn of each of them at most", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ project: fc.nat({ max: 5 }), count: fc.nat({ max: 60 }) }), {
        maxLength: 20,
      }),
      fc.nat({ max: 19 }),
      async (acts, at) => {
        const { begun, begin } = scene();
        const all: Promise<void>[] = [];
        let before = 0;
        for (const [index, { project, count }] of acts.entries()) {
          if (index === at) {
            before = begun.length;
            all.push(begin("quiet"));
          }
          for (let piece = 0; piece < count; piece += 1) all.push(begin(`loud ${project}`));
          if (count % 2 === 0) await nextTurn();
        }
        await Promise.all(all);
        const place = begun.indexOf("quiet");
        // Pieces that began at once in this turn of the loop, and one for each project that was waiting.
        if (place !== -1) expect(place - before).toBeLessThanOrEqual(PER_TURN + 6);
      },
    ),
    { numRuns: 50 },
  );
});
