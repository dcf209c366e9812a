import { describe, expect, test } from "vitest";
import { WatchTable } from "../../src/polling/watch/table.ts";
import { takeCheckpoint, Watch } from "../../src/polling/watch/watch.ts";
import type { LiveJob } from "../../src/store/jobs/load-jobs.ts";
import { liveJob } from "./jobs.ts";

const ACCEPTED_AT_MS = Date.UTC(2026, 0, 1);
const LATER_MS = ACCEPTED_AT_MS + 30_000;

function watched(changes: Partial<LiveJob> = {}): Watch {
  const table = new WatchTable();
  return new Watch(table, table.add(liveJob(ACCEPTED_AT_MS, changes)));
}

describe("a checkpoint", () => {
  test("a checkpoint is not made of a job that may end before anybody looks", () => {
    const watch = watched();
    watch.pollCount = 1;
    expect(takeCheckpoint(watch, LATER_MS - 1)).toBeNull();
    expect(takeCheckpoint(watch, LATER_MS)).toMatchObject({ id: watch.id, pollCount: 1 });
  });

  test("a running job has as many checkpoints as its number of polls has binary digits", () => {
    const watch = watched();
    let checkpoints = 0;
    for (watch.pollCount = 1; watch.pollCount <= 10_000; watch.pollCount += 1) {
      if (takeCheckpoint(watch, LATER_MS) !== null) checkpoints += 1;
    }
    expect(checkpoints).toBe(14);
  });

  test("a checkpoint writes a new error once", () => {
    const watch = watched({ pollCount: 1000 });
    const errors = [null, "HTTP 500", "HTTP 500", null, null].map((lastError) => {
      watch.pollCount += 1;
      watch.lastError = lastError;
      return takeCheckpoint(watch, LATER_MS)?.lastError;
    });
    expect(errors).toEqual([undefined, "HTTP 500", undefined, null, undefined]);
  });
});
