import { expect, test } from "vitest";
import type { Patience } from "../../src/store/db/commit-outcome.ts";
import { QueueFullError, QueueStoppedError } from "../../src/store/writes/group-commit.ts";
import { answer, LockedError, numberQueue, TimedOutError, TransientError } from "./number-queue.ts";

/** A commit that fails as long as one of its rows is locked. */
function lockableCommit(...rows: number[]) {
  const locked = new Set(rows);
  const waits: Patience[] = [];
  const commit = async (batch: readonly number[], patience: Patience): Promise<string[]> => {
    waits.push(patience);
    if (batch.some((row) => locked.has(row))) throw new LockedError();
    return answer(batch);
  };
  return { locked, waits, commit };
}

test("one locked row delays no other, of its batch or behind it", async () => {
  const { locked, commit } = lockableCommit(13);
  const { queue, clock, batches } = numberQueue({ commit });
  const answered: number[] = [];
  const write = (row: number) => queue.write(row).then(() => answered.push(row));
  const writes = Array.from({ length: 64 }, (_, row) => write(row));
  await clock.advanceSettling(0);
  expect(answered).toHaveLength(63);
  // Each half once, but for the one with the locked row, which is halved again.
  expect(batches.length).toBeLessThanOrEqual(1 + 2 * 6);
  writes.push(...[100, 101].map(write));
  await clock.advanceSettling(60_000);
  expect(answered).toHaveLength(65);
  expect(queue.rowsSetAside).toBe(1);
  locked.clear();
  await clock.advanceSettling(5_000);
  await Promise.all(writes);
  expect(answered.at(-1)).toBe(13);
  expect(queue.rowsSetAside).toBe(0);
});

test("a lock is waited for patiently only while none is known to be held for long", async () => {
  const { locked, waits, commit } = lockableCommit(1);
  const { queue, clock } = numberQueue({ commit });
  const writes = [queue.write(1)];
  await clock.advanceSettling(0);
  writes.push(queue.write(2));
  await clock.advanceSettling(0);
  expect(waits).toEqual(["patient", "brief", "brief"]);
  locked.clear();
  await clock.advanceSettling(1_000);
  writes.push(queue.write(3));
  await expect(Promise.all(writes)).resolves.toEqual(["#1", "#2", "#3"]);
  expect(waits.slice(3)).toEqual(["brief", "patient"]);
});

test("a locked row is retried with growing, capped pauses", async () => {
  const { commit } = lockableCommit(1);
  const { queue, clock, batches } = numberQueue({ commit });
  void queue.write(1).catch(() => {});
  await clock.advanceSettling(60_000);
  // 50, 100, … 3200 ms, then every 5 s.
  expect(batches.length).toBe(2 + 7 + 10);
});

test("retries end after retryForMs with the last error", async () => {
  const { commit } = lockableCommit(1);
  const { queue, clock } = numberQueue({ commit, retryForMs: 1_000 });
  const writes = Promise.allSettled([queue.write(1), queue.write(2)]);
  await clock.advanceSettling(1_000);
  expect((await writes).map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect(queue.rowsSetAside).toBe(0);
  expect(clock.timers).toBe(0);
});

test("rows set aside count towards the limit of the queue", async () => {
  const { commit } = lockableCommit(1);
  const { queue, clock } = numberQueue({ commit, queuedRowsMax: 1 });
  void queue.write(1).catch(() => {});
  await clock.advanceSettling(0);
  await expect(queue.write(2)).rejects.toBeInstanceOf(QueueFullError);
});

test("a bad row next to a locked one fails alone, and other errors are retried", async () => {
  const { locked, commit } = lockableCommit(5);
  let failuresLeft = 3;
  const { queue, clock } = numberQueue({
    commit: async (rows, patience) => {
      const results = await commit(rows, patience);
      if (rows.includes(6)) throw new Error("6 is bad");
      if (failuresLeft-- > 0) throw new TransientError();
      return results;
    },
  });
  const outcomes = Promise.allSettled([4, 5, 6, 7].map((row) => queue.write(row)));
  await clock.advanceSettling(10_000);
  locked.clear();
  await clock.advanceSettling(10_000);
  expect((await outcomes).map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

test("stop waits for them, and gives up on them in time", async () => {
  const { locked, commit } = lockableCommit(1);
  const first = numberQueue({ commit, stopTimeoutMs: 400 });
  const kept = first.queue.write(1);
  await first.clock.advanceSettling(0);
  const stopped = first.queue.stop();
  locked.clear();
  await first.clock.advanceSettling(100);
  await stopped;
  await expect(kept).resolves.toBe("#1");

  locked.add(1);
  const second = numberQueue({ commit, stopTimeoutMs: 400 });
  const given = expect(second.queue.write(1)).rejects.toBeInstanceOf(QueueStoppedError);
  await second.clock.advanceSettling(0);
  const gaveUp = second.queue.stop();
  await second.clock.advanceSettling(400);
  await gaveUp;
  await given;
  expect(second.clock.timers).toBe(0);
});

/** A commit that takes `tookMs` of the queue's clock and fails as long as one of its rows is slow. */
function slowCommit(...rows: number[]) {
  const slow = new Set(rows);
  const tries: { readonly rows: readonly number[]; readonly patience: Patience }[] = [];
  const commit = async (batch: readonly number[], patience: Patience): Promise<string[]> => {
    tries.push({ rows: [...batch], patience });
    if (batch.some((row) => slow.has(row))) throw new TimedOutError();
    return answer(batch);
  };
  return { slow, tries, commit };
}

test("a row that always takes too long delays no other, of its batch or behind it", async () => {
  const { slow, commit } = slowCommit(13);
  const { queue, clock, batches } = numberQueue({ commit });
  const answered: number[] = [];
  const write = (row: number) => queue.write(row).then(() => answered.push(row));
  const writes = Array.from({ length: 64 }, (_, row) => write(row));
  await clock.advanceSettling(0);
  expect(answered).toHaveLength(63);
  expect(batches.length).toBeLessThanOrEqual(1 + 2 * 6);
  writes.push(...[100, 101].map(write));
  await clock.advanceSettling(60_000);
  expect(answered).toHaveLength(65);
  expect(queue.rowsSetAside).toBe(1);
  slow.clear();
  await clock.advanceSettling(5_000);
  await Promise.all(writes);
  expect(answered.at(-1)).toBe(13);
  expect(queue.rowsSetAside).toBe(0);
});

test("a row that takes too long even alone gets all the time there is, beside what is locked", async () => {
  const { slow, tries, commit } = slowCommit(1);
  const locked = new Set([2]);
  const { queue, clock } = numberQueue({
    commit: async (rows, patience) => {
      const results = await commit(rows, patience);
      if (rows.some((row) => locked.has(row))) throw new LockedError();
      return results;
    },
  });
  const answered: number[] = [];
  const writes = [1, 2, 3].map((row) => queue.write(row).then(() => answered.push(row)));
  await clock.advanceSettling(1_000);
  expect(answered).toEqual([3]);
  const alone = tries.filter(({ rows }) => rows.length === 1 && rows[0] === 1);
  expect(alone.slice(0, 3).map(({ patience }) => patience)).toEqual([
    "brief",
    "patient",
    "patient",
  ]);
  locked.clear();
  await clock.advanceSettling(5_000);
  expect(answered).toEqual([3, 2]);
  slow.clear();
  await clock.advanceSettling(5_000);
  await Promise.all(writes);
  expect(queue.rowsSetAside).toBe(0);
});

test("a row that takes too long is retried with pauses as long as its last try took", async () => {
  const starts: number[] = [];
  const { queue, clock } = numberQueue({
    commit: async (_rows, patience) => {
      if (patience === "brief") throw new TimedOutError();
      starts.push(clock.monotonic());
      await new Promise<void>((resolve) => clock.setTimer(15_000, resolve));
      throw new TimedOutError();
    },
  });
  void queue.write(1).catch(() => {});
  await clock.advanceSettling(200_000);
  const between = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  // The batch itself, then alone after 50 ms, then every other 15 s.
  expect(between).toEqual([15_050, ...between.slice(1).map(() => 30_000)]);
  expect(between.length).toBeGreaterThan(4);
});

test("beyond what may be set aside, a batch is retried where it is, and no row is lost", async () => {
  const { slow, commit } = slowCommit(1, 2, 3);
  const { queue, clock } = numberQueue({ commit, rowsPerBatchMax: 1, rowsSetAsideMax: 2 });
  const answered: number[] = [];
  const writes = [1, 2, 3, 4].map((row) => queue.write(row).then(() => answered.push(row)));
  await clock.advanceSettling(60_000);
  expect(queue.rowsSetAside).toBe(2);
  expect(answered).toEqual([]);
  slow.delete(3);
  await clock.advanceSettling(5_000);
  await clock.advanceSettling(0);
  expect(answered).toEqual([3, 4]);
  slow.clear();
  await clock.advanceSettling(5_000);
  await Promise.all(writes);
});
