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

test("work that is worth several pieces uses up the part of as many, and begins in any turn", async () => {
  const { turns } = scene();
  const FLOOD = 100;
  let begun = 0;
  for (let work = 0; work < FLOOD; work += 1) {
    const turn = turns.begin("loud", PER_TURN / 2);
    if (turn === null) begun += 1;
    else void turn.then(() => (begun += 1));
  }
  expect(begun).toBe(2);
  for (let before = begun; begun < FLOOD; before = begun) {
    await nextTurn();
    expect(begun - before).toBeLessThanOrEqual(2 * 2);
  }
  await nextTurn();
  expect(turns.begin("loud", 100 * PER_TURN)).toBeNull();
});

test("only a few pieces of a flood begin before the first piece of another project", async () => {
  const { turns, begun, begin } = scene();
  const all = Array.from({ length: 1_000 }, () => begin("loud"));
  all.push(begin("quiet"), begin("quiet"));
  expect(turns.waiting).toBe(1_002 - PER_TURN);
  await Promise.all(all);
  expect(turns.waiting).toBe(0);
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

/** A loop that is idle for a part of the time, and has turns of some length: each look at it is a turn later. */
class FakeLoop {
  readonly #idleShare: () => number;
  readonly #turnMs: () => number;
  #nowMs = 0;
  #idleMs = 0;

  constructor(idleShare: () => number, turnMs: () => number = () => 4) {
    this.#idleShare = idleShare;
    this.#turnMs = turnMs;
  }

  nowMs(): number {
    const turnMs = this.#turnMs();
    this.#nowMs += turnMs;
    this.#idleMs += turnMs * this.#idleShare();
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

/** The parts of a project in the next decisions. */
function decide(crowd: LoopCrowd, times: number): number[] {
  return Array.from({ length: times }, () => crowd.decide(1));
}

test("in a crowd each project begins less and less while the loop is busy, and more while it is idle", () => {
  let idleShare = 0.5;
  const crowd = crowdOn(new FakeLoop(() => idleShare));
  expect(decide(crowd, 5)).toEqual([4, 5, 6, 7, 8]);
  expect(decide(crowd, 100).at(-1)).toBe(32);
  idleShare = 0.2;
  expect(decide(crowd, 5)).toEqual([16, 8, 4, 4, 4]);
  idleShare = 0.5;
  expect(decide(crowd, 6)).toEqual([4, 4, 4, 5, 6, 7]);
});

test("however busy other work keeps the loop, each project may begin a piece of work a millisecond", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          turnMs: fc.integer({ min: 4, max: 32 }),
          idleShare: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        {
          minLength: 1,
          maxLength: 200,
        },
      ),
      (turns) => {
        let turn = { turnMs: 4, idleShare: 0 };
        const crowd = crowdOn(
          new FakeLoop(
            () => turn.idleShare,
            () => turn.turnMs,
          ),
        );
        crowd.decide(1);
        for (turn of turns) {
          const each = crowd.decide(1);
          expect(each).toBeGreaterThanOrEqual(turn.turnMs);
          expect(each).toBeLessThanOrEqual(32);
        }
      },
    ),
  );
});

test("one project alone is no crowd, and two are one for a second", () => {
  const loop = new FakeLoop(
    () => 0,
    () => 10,
  );
  const crowd = new LoopCrowd(loop);
  for (let piece = 0; piece < 10; piece += 1) crowd.note("loud");
  expect(crowd.isCrowded).toBe(false);
  crowd.note("quiet");
  const looks = Array.from({ length: 200 }, () => crowd.isCrowded);
  expect(looks.indexOf(false)).toBe(99);
  expect(looks.lastIndexOf(true)).toBe(98);
});

test("on a busy loop a flood begins its part of a turn, and another project's work begins at once", async () => {
  let turnMs = 4;
  const crowd = crowdOn(
    new FakeLoop(
      () => 0,
      () => turnMs,
    ),
  );
  const part = decide(crowd, 5).at(-1) ?? 0;
  expect(part).toBe(4);
  // No decision follows, so the part stays.
  turnMs = 0;
  const turns = new LoopTurns({
    resource: "attempts_beginning",
    begunPerTurnMax: PER_TURN,
    guaranteedPerMs: 1,
    crowd,
  });
  let begun = 0;
  const begin = async (): Promise<void> => {
    await turns.begin("loud");
    begun += 1;
  };
  const flood = Array.from({ length: 10_000 }, begin);
  expect(turns.begin("quiet")).toBeNull();
  await Promise.all(flood.slice(0, part));
  expect(begun).toBe(part);
  await flood[part];
  expect(begun).toBe(2 * part);
  // Its part of this turn as well.
  expect(turns.begin("quiet")).toBeNull();
});

test("after a long piece of work the next waits for several times as long while other projects are at work", async () => {
  let nowMs = 0;
  const crowd = new LoopCrowd({ nowMs: () => nowMs, idleMs: () => 0 });
  const rest = { crowd, factor: 2 };
  const turns = new LoopTurns({ resource: "request_reading", begunPerTurnMax: 1, rest });
  const read = async (): Promise<void> => {
    await turns.begin("loud");
    nowMs += 30;
  };
  crowd.note("loud");
  crowd.note("quiet");
  const beganAtMs = performance.now();
  await Promise.all([read(), read(), read()]);
  // The timers of Node may be a millisecond early.
  expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(2 * (2 * 30 - 1));
});
