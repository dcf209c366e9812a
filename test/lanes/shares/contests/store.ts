import { acceptRow, attemptRow, completedRow, uuids } from "../../../support/rows.ts";
import { openWriters } from "../../../support/writers.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import type { EventRow } from "../../../../src/store/writes/record-events.ts";
import type { Writers } from "../../../../src/store/writes/writers.ts";
import { type Contest, endsByItself, LOUD } from "./contest.ts";
import { SlowDatabase } from "./slow-database.ts";

const ROWS_PER_BATCH = 500;
const LARGE_BYTES = 100_000;
const LARGE_BATCH_BYTES = 4 * 2 ** 20;
const IN_PARTS_BYTES = 1_000_000;

/** Rows that are written in batches by the gateway's writers, the oldest batch first. */
function rows(
  write: (writers: Writers, projectId: string, granted: () => void) => void,
  { rowsPerBatch, batchesAtOnce = 1 }: { rowsPerBatch: number; batchesAtOnce?: number },
): Contest {
  const clock = new FakeClock();
  const database = new SlowDatabase();
  const writers = openWriters(database, { clock });
  return {
    // Those in flight, and those of its own batch or with turns before it.
    othersMax: batchesAtOnce * rowsPerBatch + Math.max(rowsPerBatch, LOUD.length),
    crowd: Math.min(300, 10 * rowsPerBatch),
    ask: (projectId, granted) => write(writers, projectId, granted),
    end: endsByItself,
    pass() {
      database.answerOldest();
      clock.advance(5);
    },
  };
}

function event(projectId: string, overrides: Partial<EventRow> = {}): EventRow {
  const jobRowId = uuids(0, 0);
  return completedRow({ shardId: 0, jobRowId }, { projectId, ...overrides });
}

export const attemptRows = (): Contest =>
  rows(
    (writers, projectId, granted) => {
      const delivery = { shardId: 0, id: uuids(0, 0), subscriptionId: uuids(0, 0) };
      const row = attemptRow(delivery, { projectId, status: "pending", nextAttemptAtMs: 1 });
      void writers.recordAttempt(row).then(granted);
    },
    { rowsPerBatch: ROWS_PER_BATCH },
  );

export const eventRows = (): Contest =>
  rows((writers, projectId, granted) => void writers.recordEvent(event(projectId)).then(granted), {
    rowsPerBatch: ROWS_PER_BATCH,
  });

export const largeEventRows = (): Contest =>
  rows(
    (writers, projectId, granted) => {
      const row = event(projectId, { resultBytes: LARGE_BYTES });
      void writers.recordEvent(row).then(granted);
    },
    { rowsPerBatch: Math.floor(LARGE_BATCH_BYTES / LARGE_BYTES) },
  );

export const resultRows = (): Contest =>
  rows(
    (writers, projectId, granted) => {
      let isRead = false;
      const row = event(projectId, { resultBytes: IN_PARTS_BYTES });
      void writers.recordEvent({
        ...row,
        /** Its turn has come when its result is read. */
        get result() {
          if (!isRead) granted();
          isRead = true;
          return row.result;
        },
      });
    },
    { rowsPerBatch: 1, batchesAtOnce: 2 },
  );

export const subscriptionRows = (): Contest =>
  rows(
    (writers, projectId, granted) =>
      void writers.accept(acceptRow("job", { projectId })).then(granted, () => undefined),
    { rowsPerBatch: ROWS_PER_BATCH, batchesAtOnce: 2 },
  );
