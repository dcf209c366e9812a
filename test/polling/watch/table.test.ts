import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WatchTable } from "../../../src/polling/watch/table.ts";
import { Watch } from "../../../src/polling/watch/watch.ts";
import type { LiveJob } from "../../../src/store/jobs/load-jobs.ts";
import { NO_MEMORY } from "../../../src/polling/watch/answer-memory.ts";
import { liveJob } from "../jobs.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const SHARDS = 3;

/** Jobs whose ids collide in the index more often than random ones do. */
const POOL: readonly LiveJob[] = Array.from({ length: 40 }, (_, number) => {
  const shardId = number % SHARDS;
  const ends = ["00000001", "00000002", "ffffffff", "00000401"];
  const start = number.toString(16).padStart(8, "0");
  const id = `${start}-0000-7000-8000-0000${ends[number % ends.length]}`;
  return liveJob(NOW_MS, { id, shardId, jobId: `job-${number}`, pollCount: number });
});

describe("the watch table", () => {
  test("the watch table keeps no route that no watch has, however many there were", () => {
    const table = new WatchTable();
    const [first = liveJob(NOW_MS), second = liveJob(NOW_MS)] = POOL;
    table.add({ ...first, connectionId: "kept" });
    for (let number = 0; number < 5_000; number += 1) {
      const connectionId = `connection ${number}`;
      const slot = table.add({ ...second, connectionId });
      expect(table.routeOf(slot).connectionId).toBe(connectionId);
      table.drop(slot);
    }
    expect(table.routeCount).toBe(1);
    const kept = table.find(first.shardId, first.id) ?? -1;
    expect(table.routeOf(kept).connectionId).toBe("kept");
  });

  test("the watch table keeps the route of a dropped watch that is still held", () => {
    const table = new WatchTable();
    const [first = liveJob(NOW_MS), second = liveJob(NOW_MS)] = POOL;
    const held = table.add({ ...first, connectionId: "held" });
    table.hold(held);
    table.drop(held);
    table.add({ ...second, connectionId: "next" });
    expect(table.routeOf(held).connectionId).toBe("held");
    table.release(held);
    expect(table.routeCount).toBe(1);
  });

  test("the watch table holds what a map would, whatever is added and dropped in whatever order", () => {
    const move = fc.record({
      kind: fc.constantFrom("add", "drop", "dropShard"),
      job: fc.constantFrom(...POOL),
    });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        const table = new WatchTable();
        const model = new Map<string, LiveJob>();
        for (const { kind, job } of moves) {
          const slot = table.find(job.shardId, job.id);
          if (kind === "add" && slot === null) {
            table.add(job);
            model.set(job.id, job);
          } else if (kind === "drop" && slot !== null) {
            table.drop(slot);
            model.delete(job.id);
          } else if (kind === "dropShard") {
            for (const of of table.ofShard(job.shardId)) table.drop(of);
            for (const { id, shardId } of POOL) if (shardId === job.shardId) model.delete(id);
          }
        }
        expect(table.size).toBe(model.size);
        for (const job of POOL) {
          const slot = table.find(job.shardId, job.id);
          expect(slot !== null).toBe(model.has(job.id));
          if (slot === null) continue;
          const { id, shardId, jobId, pollCount } = new Watch(table, slot);
          expect({ id, shardId, jobId, pollCount }).toEqual({
            id: job.id,
            shardId: job.shardId,
            jobId: job.jobId,
            pollCount: job.pollCount,
          });
        }
        for (let shardId = 0; shardId < SHARDS; shardId += 1) {
          const listed = Array.from(table.ofShard(shardId), (slot) => table.idOf(slot));
          const expected = [...model.values()].filter((job) => job.shardId === shardId);
          expect(listed.toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
        }
      }),
    );
  });

  test("the watch table grows past its first size, and finds everything then", () => {
    const table = new WatchTable();
    const jobs = Array.from({ length: 5000 }, (_, number) =>
      liveJob(NOW_MS, { shardId: number % 256, lastPolledAtMs: number, lastError: `e${number}` }),
    );
    for (const job of jobs) table.add(job);
    for (const job of jobs) {
      const watch = new Watch(table, table.find(job.shardId, job.id) ?? -1);
      expect([watch.id, watch.jobId]).toEqual([job.id, job.jobId]);
      expect([watch.lastPolledAtMs, watch.lastError]).toEqual([job.lastPolledAtMs, job.lastError]);
    }
  });

  test("the watch table finds no job under another shard than its own", () => {
    const table = new WatchTable();
    const job = liveJob(NOW_MS, { shardId: 5 });
    table.add(job);
    expect(table.find(6, job.id)).toBeNull();
  });

  test("the watch table reuses the slot of a dropped watch with nothing of it left", () => {
    const table = new WatchTable();
    const before = new Watch(table, table.add(liveJob(NOW_MS, { progress: "1", seen: true })));
    before.pollAgain = true;
    before.failuresInRow = 3;
    before.memory = { ...NO_MEMORY, etag: '"a"' };
    table.drop(before.slot);
    const job = liveJob(NOW_MS);
    const after = new Watch(table, table.add(job));
    expect(after.slot).toBe(before.slot);
    const { jobId, progress, seen, pollAgain, failuresInRow, memory, lastPolledAtMs } = after;
    expect({ jobId, progress, seen, pollAgain, failuresInRow, memory, lastPolledAtMs }).toEqual({
      jobId: job.jobId,
      progress: null,
      seen: false,
      pollAgain: false,
      failuresInRow: 0,
      memory: null,
      lastPolledAtMs: null,
    });
  });

  test("the watch table does not reuse a held slot until it is released", () => {
    const table = new WatchTable();
    const job = liveJob(NOW_MS);
    const held = new Watch(table, table.add(job));
    held.hold();
    held.hold();
    table.drop(held.slot);
    held.release();
    expect(table.add(liveJob(NOW_MS))).not.toBe(held.slot);
    expect([held.state, held.id, held.jobId]).toEqual(["dropped", job.id, job.jobId]);
    held.release();
    expect(table.add(liveJob(NOW_MS))).toBe(held.slot);
  });

  test("the watch table never brings a dropped watch back", () => {
    const table = new WatchTable();
    const watch = new Watch(table, table.add(liveJob(NOW_MS)));
    watch.hold();
    table.drop(watch.slot);
    watch.state = "scheduled";
    expect(watch.state).toBe("dropped");
    expect(table.size).toBe(0);
  });
});
