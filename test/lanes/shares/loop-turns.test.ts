import fc from "fast-check";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { LoopCrowd } from "../../../src/lanes/shares/loop-crowd.ts";
import { LoopTurns } from "../../../src/lanes/shares/loop-turns.ts";

/** Pieces that begin in one turn of the event loop, and in the one after. */
const PER_TURN = 16;

/** Begins pieces of work, and notes in which order they began. */
function scene() {
  const turns = new LoopTurns({ resource: "requests", begunPerTurnMax: PER_TURN });
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

/** A loop that is idle for a part of the time, as measured every 10 ms. */
class FakeLoop {
  readonly #idleShare: () => number;
  #nowMs = 0;
  #idleMs = 0;

  constructor(idleShare: () => number) {
    this.#idleShare = idleShare;
  }

  nowMs(): number {
    this.#nowMs += 10;
    this.#idleMs += 10 * this.#idleShare();
    return this.#nowMs;
  }

  idleMs(): number {
    return this.#idleMs;
  }
}

/** A crowd of two projects. */
function crowdOn(loop: FakeLoop): LoopCrowd {
  const crowd = new LoopCrowd(loop);
  crowd.note("loud");
  crowd.note("quiet");
  return crowd;
}

test("in a crowd each project begins less and less while the loop is busy, and more while it is idle", () => {
  let idleShare = 0;
  const crowd = crowdOn(new FakeLoop(() => idleShare));
  const decide = (times: number): number[] => Array.from({ length: times }, () => crowd.decide());
  expect(decide(5)).toEqual([4, 2, 1, 1, 1]);
  idleShare = 0.5;
  expect(decide(5)).toEqual([2, 3, 4, 5, 6]);
  expect(decide(100).at(-1)).toBe(32);
  idleShare = 0.2;
  expect(decide(2)).toEqual([16, 8]);
});

test("one project alone is no crowd, and two are one for a second", () => {
  const loop = new FakeLoop(() => 0);
  const crowd = new LoopCrowd(loop);
  for (let piece = 0; piece < 10; piece += 1) crowd.note("loud");
  expect(crowd.isCrowded).toBe(false);
  crowd.note("quiet");
  const looks = Array.from({ length: 200 }, () => crowd.isCrowded);
  expect(looks.indexOf(false)).toBe(99);
  expect(looks.lastIndexOf(true)).toBe(98);
});

test("on a busy loop a flood begins one piece a turn, and another project's work begins at once", async () => {
  const crowd = crowdOn(new FakeLoop(() => 0));
  for (let times = 0; times < 5; times += 1) crowd.decide();
  const turns = new LoopTurns({ resource: "requests", begunPerTurnMax: PER_TURN, crowd });
  let begun = 0;
  const flood = Array.from({ length: 20 }, async () => {
    await turns.begin("loud");
    begun += 1;
  });
  expect(turns.begin("quiet")).toBeNull();
  await Promise.resolve();
  await Promise.resolve();
  expect(begun).toBe(1);
  await Promise.race(flood.slice(1));
  expect(begun).toBe(2);
  // Its part of this turn as well.
  expect(turns.begin("quiet")).toBeNull();
  await Promise.all(flood);
});
