import { afterEach, beforeEach, expect, test } from "vitest";
import type { Database } from "../../src/store/db/database.ts";
import { findChanges } from "../../src/store/find-changes.ts";
import { LOWEST_ID } from "../../src/store/sql/page.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import { checkpointJobs } from "../../src/store/writes/checkpoint-jobs.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, completedRow } from "../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterEach(() => drop());

/** Writes, and has the backend that wrote report it at once. */
async function usageAfter(write: () => Promise<unknown>): Promise<string> {
  await write();
  await database.run("report", (sql) => sql.unsafe("select pg_stat_force_next_flush()"));
  const { usage } = await findChanges(database, {
    nodeId: LOWEST_ID,
    shardIds: [],
    nowMs: 0,
    dueByMs: 0,
    dueAfter: { nextAttemptAtMs: 0, id: LOWEST_ID },
  });
  return usage;
}

test("the usage of projects is counted again after an accept and an ending, not after a checkpoint", async () => {
  const row = acceptRow("job-1");
  const accepted = await usageAfter(() => acceptSubscriptions(database, [row]));
  expect(accepted).not.toBe("0");
  const checkpointed = await usageAfter(() =>
    checkpointJobs(database, [
      {
        shardId: row.shardId,
        id: row.jobRowId,
        status: "processing",
        seen: true,
        pollCount: 2,
        lastPolledAtMs: row.nowMs,
        lastOutcome: null,
        lastError: null,
        progress: null,
      },
    ]),
  );
  expect(checkpointed).toBe(accepted);
  const ended = await usageAfter(() =>
    recordEvents(database, [completedRow({ shardId: row.shardId, jobRowId: row.jobRowId })]),
  );
  expect(ended).not.toBe(checkpointed);
});
