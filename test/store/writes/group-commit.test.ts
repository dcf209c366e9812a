import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FakeClock } from "../../support/fake-clock.ts";
import { QueueFullError, QueueStoppedError } from "../../../src/store/writes/group-commit.ts";
import {
  answer,
  LockedError,
  LostError,
  numberQueue,
  TimedOutError,
  TransientError,
} from "../number-queue.ts";

/** Lets time pass until every row is written. */
async function settling(clock: FakeClock, writes: readonly Promise<string>[]): Promise<void> {
  let areWritten = false;
  const all = Promise.all(writes).then(() => (areWritten = true));
  while (!areWritten) await clock.advanceSettling(100);
  await all;
}

/** A commit that the test lets finish by hand, first come first served. */
function heldCommit() {
  const held: (() => void)[] = [];
  const commit = (rows: readonly number[]): Promise<string[]> =>
    new Promise((resolve) => held.push(() => resolve(rows.map((row) => `#${row}`))));
  return { commit, release: () => held.shift()?.() };
}

/** From 100 on a row is waited for. */
const gathering = { forMs: 10, rowsMax: 3, mayWait: (row: number) => row < 100 };

describe("gathering", () => {
  test("rows that are not waited for are gathered when frequent, and written alone when rare", async () => {
    const { queue, clock, batches } = numberQueue({ gathering });
    await queue.write(1);
    await clock.advanceSettling(10);
    await queue.write(2);
    await clock.advanceSettling(5);
    const writes = [queue.write(4)];
    await clock.advanceSettling(4);
    writes.push(queue.write(3));
    await clock.advanceSettling(5.9);
    expect(batches).toEqual([[1], [2]]);
    await clock.advanceSettling(0.1);
    await expect(Promise.all(writes)).resolves.toEqual(["#4", "#3"]);
    expect(batches).toEqual([[1], [2], [3, 4]]);
  });

  test("the first of rows that come together waits for the others, until one has waited in vain", async () => {
    const { queue, clock, batches } = numberQueue({ gathering });
    await queue.write(1);
    await Promise.all([2, 3, 4].map((row) => queue.write(row)));
    await clock.advanceSettling(50);
    const first = queue.write(6);
    await clock.advanceSettling(1);
    const second = queue.write(5);
    await clock.advanceSettling(10);
    await Promise.all([first, second]);
    expect(batches).toEqual([[1], [2, 3, 4], [5, 6]]);
    await clock.advanceSettling(50);
    const alone = queue.write(7);
    await clock.advanceSettling(9.9);
    expect(batches).toHaveLength(3);
    await clock.advanceSettling(0.1);
    await alone;
    await clock.advanceSettling(50);
    await queue.write(8);
    expect(batches.slice(3)).toEqual([[7], [8]]);
  });

  test("a row that is waited for takes the gathered ones along at once", async () => {
    const { queue, batches } = numberQueue({ gathering });
    await queue.write(1);
    await Promise.all([queue.write(2), queue.write(100)]);
    expect(batches).toEqual([[1], [2, 100]]);
  });

  test("enough gathered rows are written at once, and so are all at a stop", async () => {
    const { queue, batches } = numberQueue({ gathering });
    await queue.write(1);
    await Promise.all([2, 3, 4].map((row) => queue.write(row)));
    const last = queue.write(5);
    await queue.stop();
    await expect(last).resolves.toBe("#5");
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  });
});

describe("batching", () => {
  test("a lone writer on an idle queue is served without any time passing", async () => {
    const { queue } = numberQueue();
    await expect(queue.write(7)).resolves.toBe("#7");
  });

  test("rows written in one turn share a batch, sorted, and each gets its own result", async () => {
    const { queue, batches } = numberQueue();
    await expect(Promise.all([3, 1, 2].map((row) => queue.write(row)))).resolves.toEqual([
      "#3",
      "#1",
      "#2",
    ]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  test("rows from answers share a batch with those of the next turn", async () => {
    const { queue, batches } = numberQueue({ fromAnswers: true });
    const first = queue.write(2);
    await nextTurn();
    await Promise.all([first, queue.write(1)]);
    expect(batches).toEqual([[1, 2]]);
  });

  test("a batch takes as many rows as its bytes allow, and at least one", async () => {
    const { queue, batches } = numberQueue({ bytesOf: (row) => row, bytesPerBatchMax: 10 });
    await Promise.all([4, 5, 2, 30, 1].map((row) => queue.write(row)));
    expect(batches).toEqual([[4, 5], [2], [30], [1]]);
  });

  test("rows that arrive during a commit wait for it and then leave together", async () => {
    const { commit, release } = heldCommit();
    const { queue, clock, batches } = numberQueue({ commit });
    const first = queue.write(1);
    await nextTurn();
    const second = Promise.all([queue.write(3), queue.write(2)]);
    await clock.advanceSettling(1_000);
    expect(batches).toEqual([[1]]);
    expect(queue.queuedRows).toBe(2);
    release();
    await first;
    await clock.advanceSettling(0);
    await nextTurn();
    expect(batches).toEqual([[1], [2, 3]]);
    release();
    await second;
  });

  test("with a second batch allowed, a row waits no longer than the delay of a batch", async () => {
    const { commit, release } = heldCommit();
    const { queue, clock, batches } = numberQueue({
      commit,
      batchesInFlightMax: 2,
      batchDelayMs: 2,
    });
    const writes = [queue.write(1)];
    await nextTurn();
    writes.push(queue.write(2));
    await clock.advanceSettling(1.9);
    expect(batches).toEqual([[1]]);
    await clock.advanceSettling(0.1);
    expect(batches).toEqual([[1], [2]]);
    writes.push(queue.write(3));
    await clock.advanceSettling(100);
    expect(batches).toHaveLength(2);
    release();
    release();
    await clock.advanceSettling(2);
    release();
    await expect(Promise.all(writes)).resolves.toEqual(["#1", "#2", "#3"]);
  });

  test("a full batch is not delayed", async () => {
    const { commit, release } = heldCommit();
    const { queue, batches } = numberQueue({ commit, batchesInFlightMax: 2, rowsPerBatchMax: 2 });
    const writes = [1, 2, 3, 4].map((row) => queue.write(row));
    await nextTurn();
    await nextTurn();
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ]);
    release();
    release();
    await Promise.all(writes);
  });

  test("past its limit the queue refuses a row at once and keeps the others", async () => {
    const { queue } = numberQueue({ queuedRowsMax: 2 });
    const kept = [queue.write(1), queue.write(2)];
    await expect(queue.write(3)).rejects.toBeInstanceOf(QueueFullError);
    await expect(Promise.all(kept)).resolves.toEqual(["#1", "#2"]);
  });
});

describe("rows of several groups", () => {
  /** A number belongs to the group of its hundreds. */
  const groupOf = (row: number): string => String(Math.floor(row / 100));

  test("groups take turns: no row of a group that floods the queue precedes another group's first one", async () => {
    const { commit, release } = heldCommit();
    const { queue, batches } = numberQueue({ commit, groupOf, rowsPerBatchMax: 10 });
    const flood = Array.from({ length: 90 }, (_, row) => queue.write(row));
    await nextTurn();
    const quiet = queue.write(100);
    const other = queue.write(200);
    release();
    await nextTurn();
    await nextTurn();
    // The batch that was in flight, and the next one.
    expect(batches).toHaveLength(2);
    expect(batches[1]).toEqual(expect.arrayContaining([100, 200]));
    release();
    await Promise.all([quiet, other]);
    for (let batch = 0; batch < 20; batch += 1) {
      await nextTurn();
      release();
    }
    await Promise.all(flood);
  });

  test("rows left out of a batch come first in the next one", async () => {
    const { queue, batches } = numberQueue({ groupOf, rowsPerBatchMax: 3 });
    await Promise.all([0, 1, 100, 101, 200, 300, 400].map((row) => queue.write(row)));
    expect(batches).toEqual([[0, 100, 200], [1, 300, 400], [101]]);
  });

  test("rows of several groups share the bytes of a batch", async () => {
    const bytesOf = (row: number): number => row % 100;
    const { queue, batches } = numberQueue({ groupOf, bytesOf, bytesPerBatchMax: 10 });
    await Promise.all([8, 9, 102, 130, 1].map((row) => queue.write(row)));
    expect(batches).toEqual([[8, 102], [9], [130], [1]]);
  });

  test("rows keep their order within a group, and each is written once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 4 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        async (groups, rowsPerBatchMax) => {
          const { queue, batches } = numberQueue({ groupOf, rowsPerBatchMax });
          const rows = groups.map((group, index) => group * 100 + index);
          await Promise.all(rows.map((row) => queue.write(row)));
          const written = batches.flat();
          expect(written.toSorted((a, b) => a - b)).toEqual(rows.toSorted((a, b) => a - b));
          for (const group of new Set(rows.map(groupOf))) {
            const of = (row: number): boolean => groupOf(row) === group;
            expect(written.filter(of)).toEqual(rows.filter(of));
          }
          // As many batches as the group fills beside the others, each of which has its turn.
          const first = rows.find((row) => groupOf(row) === "4");
          if (first === undefined) return;
          const batch = batches.findIndex((one) => one.includes(first));
          expect(batch).toBeLessThanOrEqual(Math.floor(4 / rowsPerBatchMax));
        },
      ),
    );
  });
});

describe("errors", () => {
  test("a bad row fails alone, in few statements", async () => {
    const commit = async (rows: readonly number[]): Promise<string[]> => {
      if (rows.includes(13)) throw new Error("13 is bad");
      return answer(rows);
    };
    const { queue, batches } = numberQueue({ commit });
    const rows = Array.from({ length: 64 }, (_, row) => row);
    const outcomes = await Promise.allSettled(rows.map((row) => queue.write(row)));
    const failed = rows.filter((row) => outcomes[row]?.status === "rejected");
    expect(failed).toEqual([13]);
    expect(batches.length).toBeLessThanOrEqual(1 + 2 * 6);
  });

  test("a transient error retries the same batch with growing, capped waits", async () => {
    let failuresLeft = 9;
    const delaysMs: number[] = [];
    const { queue, clock, batches } = numberQueue({
      commit: async (rows) => {
        if (failuresLeft-- > 0) throw new TransientError("gone");
        return answer(rows);
      },
      onRetry: (retry) => delaysMs.push(retry.delayMs),
    });
    const writes = Promise.all([queue.write(2), queue.write(1)]);
    await clock.advanceSettling(60_000);
    await expect(writes).resolves.toEqual(["#2", "#1"]);
    expect(delaysMs).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(new Set(batches.map(String))).toEqual(new Set(["1,2"]));
  });

  describe("on a network that carries no more than four rows at once", () => {
    const commit = async (rows: readonly number[]): Promise<string[]> => {
      if (rows.length > 4) throw new LostError("no answer");
      return answer(rows);
    };

    test("a batch whose connection was lost is halved until it arrives", async () => {
      const { queue, clock, batches } = numberQueue({ commit, rowsPerBatchMax: 32 });
      const rows = Array.from({ length: 16 }, (_, row) => row);
      const writes = Promise.all(rows.map((row) => queue.write(row)));
      await clock.advanceSettling(1_000);
      await expect(writes).resolves.toEqual(rows.map((row) => `#${row}`));
      expect(batches.map((batch) => batch.length)).toEqual([16, 8, 4, 4, 8, 4, 4]);
    });

    test("the batches after it are smaller, and grow again as they arrive", async () => {
      const { queue, clock, batches } = numberQueue({ commit, rowsPerBatchMax: 32 });
      const writes = Array.from({ length: 8 }, (_, row) => queue.write(row));
      await nextTurn();
      for (let row = 8; row < 32; row += 1) writes.push(queue.write(row));
      await settling(clock, writes);
      const sizes = batches.map((batch) => batch.length);
      expect(sizes.slice(0, 5)).toEqual([8, 4, 4, 5, 2]);
      expect(Math.max(...sizes.slice(1))).toBe(5);
    });

    test("rows that were set aside are halved until they arrive", async () => {
      let isFirst = true;
      const { queue, clock, batches } = numberQueue({
        commit: async (rows) => {
          const wasFirst = isFirst;
          isFirst = false;
          if (wasFirst) throw new LockedError("held");
          return commit(rows);
        },
      });
      const writes = Promise.all(Array.from({ length: 16 }, (_, row) => queue.write(row)));
      await clock.advanceSettling(1_000);
      await expect(writes).resolves.toHaveLength(16);
      expect(batches.map((batch) => batch.length)).toEqual([16, 8, 4, 4, 8, 4, 4]);
    });
  });

  test("a single row whose connection was lost is retried", async () => {
    let failuresLeft = 3;
    const { queue, clock } = numberQueue({
      commit: async (rows) => {
        if (failuresLeft-- > 0) throw new LostError("no answer");
        return answer(rows);
      },
    });
    const write = queue.write(1);
    await clock.advanceSettling(1_000);
    await expect(write).resolves.toBe("#1");
  });

  test("retries end after retryForMs with the last error", async () => {
    const { queue, clock } = numberQueue({
      commit: () => Promise.reject(new TransientError("still gone")),
      retryForMs: 1_000,
    });
    const write = expect(queue.write(1)).rejects.toThrow("still gone");
    await clock.advanceSettling(1_000);
    await write;
    expect(clock.timers).toBe(0);
  });

  test("a commit that loses count of its rows is an error, and is not repeated", async () => {
    const { queue, batches } = numberQueue({ commit: async () => ["only one"] });
    const outcomes = await Promise.allSettled([queue.write(1), queue.write(2)]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected"]);
    expect(batches).toHaveLength(1);
  });
});

describe("stop", () => {
  test("stopping writes what is queued, then refuses rows", async () => {
    const { queue, batches } = numberQueue({ rowsPerBatchMax: 2 });
    const writes = Promise.all([1, 2, 3].map((row) => queue.write(row)));
    await queue.stop();
    await expect(writes).resolves.toEqual(["#1", "#2", "#3"]);
    expect(batches).toHaveLength(2);
    await expect(queue.write(4)).rejects.toBeInstanceOf(QueueStoppedError);
    await queue.stop();
  });

  test("stopping gives up after its time limit and answers every row, in a retry or queued", async () => {
    const { queue, clock, batches } = numberQueue({
      commit: () => Promise.reject(new TransientError("gone")),
      rowsPerBatchMax: 1,
      stopTimeoutMs: 400,
    });
    const writes = Promise.allSettled([queue.write(1), queue.write(2)]);
    await nextTurn();
    const stopped = queue.stop();
    await clock.advanceSettling(400);
    await stopped;
    for (const outcome of await writes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: expect.any(QueueStoppedError) });
    }
    const tries = batches.length;
    await clock.advanceSettling(60_000);
    expect(batches).toHaveLength(tries);
    expect(clock.timers).toBe(0);
  });
});

test("every row written gets exactly one answer, its own; batches are sorted and never too large", async () => {
  const bad = (row: number): boolean => row % 7 === 3;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        bursts: fc.array(fc.array(fc.nat(1_000), { maxLength: 12 }), { maxLength: 8 }),
        rowsPerBatchMax: fc.integer({ min: 1, max: 6 }),
        batchesInFlightMax: fc.integer({ min: 1, max: 3 }),
        transient: fc.infiniteStream(fc.boolean()),
        locked: fc.infiniteStream(fc.boolean()),
        timedOut: fc.infiniteStream(fc.boolean()),
        rowsSetAsideMax: fc.integer({ min: 1, max: 20 }),
      }),
      async ({ bursts, transient, locked, timedOut, ...limits }) => {
        let inFlight = 0;
        let inFlightMost = 0;
        const { queue, clock, batches } = numberQueue({
          ...limits,
          stopTimeoutMs: 1e9,
          commit: async (rows) => {
            inFlight += 1;
            inFlightMost = Math.max(inFlightMost, inFlight);
            await nextTurn();
            inFlight -= 1;
            if (transient.next().value) throw new TransientError();
            if (locked.next().value) throw new LockedError();
            if (timedOut.next().value) throw new TimedOutError();
            if (rows.some(bad)) throw new Error("bad row");
            return answer(rows);
          },
        });
        const writes: Promise<{ row: number; result: string }>[] = [];
        for (const burst of bursts) {
          for (const row of burst) {
            writes.push(
              queue.write(row).then(
                (result) => ({ row, result }),
                () => ({ row, result: "bad" }),
              ),
            );
          }
          await clock.advanceSettling(1);
        }
        let stopped = false;
        void queue.stop().then(() => (stopped = true));
        do await clock.advanceSettling(100);
        while (!stopped);
        for (const { row, result } of await Promise.all(writes))
          expect(result).toBe(bad(row) ? "bad" : `#${row}`);
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(limits.rowsPerBatchMax);
          expect(batch).toEqual(batch.toSorted((a, b) => a - b));
        }
        // Rows that were set aside are committed besides, and so are those that take too long.
        expect(inFlightMost).toBeLessThanOrEqual(limits.batchesInFlightMax + 2);
      },
    ),
    { numRuns: 60 },
  );
});
