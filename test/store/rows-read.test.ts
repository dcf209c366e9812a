import { afterEach, beforeEach, expect, test } from "vitest";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import { checkpointJobs } from "../../src/store/writes/checkpoint-jobs.ts";
import type { Database, PooledDatabase } from "../../src/store/db/database.ts";
import { findJobsOfSubscriptions } from "../../src/store/jobs/find-job.ts";
import { loadDeliveries } from "../../src/store/deliveries/load-deliveries.ts";
import { loadJobs } from "../../src/store/jobs/load-jobs.ts";
import { recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { findSubscriptionsById } from "../../src/store/subscriptions/subscription-record.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { acceptRow, attemptRow, completedRow, PROJECT_ID } from "../support/rows.ts";

/*
 * A database has no statistics until its first minute is over, and stale ones after that. A statement
 * about a few rows must look these up all the same, and not read everything that is live or owed.
 */

const OTHERS = 2_000;
/** Five of every kind, each read a few times. */
const ROWS_READ_MAX = 150;

let scene: TestDatabase & { readonly database: PooledDatabase };
let accepted: Awaited<ReturnType<typeof acceptSubscriptions>>;
let few: ReturnType<typeof acceptRow>[];

beforeEach(async () => {
  scene = await openTestDatabase();
  for (const table of ["jobs", "subscriptions", "events", "deliveries"]) {
    await scene.database.run("no statistics", (sql) =>
      sql.unsafe(`alter table ${table} set (autovacuum_enabled = false)`),
    );
  }
  // Half of the others are owed a callback, half are live.
  const others = Array.from({ length: OTHERS }, (_, index) => acceptRow(`other-${index}`));
  await acceptSubscriptions(scene.database, others);
  await recordEvents(
    scene.database,
    others.slice(OTHERS / 2).map((row) => completedRow(row)),
  );
  few = Array.from({ length: 5 }, (_, index) => acceptRow(`job-${index}`));
  accepted = await acceptSubscriptions(scene.database, few);
});
afterEach(() => scene.drop());

/** How many rows of tables a statement reads. */
async function rowsReadBy(work: (database: Database) => Promise<unknown>): Promise<number> {
  // With a limit of its own for locks, a call is a transaction.
  const inTransaction = { lockTimeoutMs: 5_000 };
  return scene.database.run(
    "count what is read",
    async (sql) => {
      const count = async (): Promise<number> => {
        const [row] = await sql.unsafe<{ rows: number }[]>(`
        select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows
        from pg_stat_xact_user_tables`);
        return row?.rows ?? Number.NaN;
      };
      const before = await count();
      await work({
        run: (_name, statement) => statement(sql),
        transaction: (_name, statements) => statements(sql),
      });
      return (await count()) - before;
    },
    inTransaction,
  );
}

const keysOf = (rows: readonly { readonly shardId: number; readonly jobRowId: string }[]) =>
  rows.map(({ shardId, jobRowId: id }) => ({ shardId, id }));

test("a few jobs are loaded, checkpointed and found without reading all that are live", async () => {
  expect(accepted).toHaveLength(5);
  const checkpoints = few.map(({ shardId, jobRowId: id }) => ({
    shardId,
    id,
    status: "processing" as const,
    seen: true,
    pollCount: 2,
    lastPolledAtMs: 1,
    lastOutcome: null,
    lastError: null,
    progress: null,
  }));
  const subscriptions = few.map(({ shardId, subscriptionId: id }) => ({ shardId, id }));
  const [projectId, ids] = [PROJECT_ID, subscriptions.map(({ id }) => id)];
  const read = {
    load: await rowsReadBy((database) => loadJobs(database, keysOf(few))),
    checkpoint: await rowsReadBy((database) => checkpointJobs(database, checkpoints)),
    find: await rowsReadBy((database) => findJobsOfSubscriptions(database, subscriptions)),
    byId: await rowsReadBy((database) => findSubscriptionsById(database, { projectId, ids })),
  };
  expect(Object.entries(read).filter(([, rows]) => rows < 5 || rows > ROWS_READ_MAX)).toEqual([]);
});

test("a few endings and attempts are recorded without reading all that is owed", async () => {
  const owed: { readonly shardId: number; readonly id: string; readonly subscriptionId: string }[] =
    [];
  const read = {
    record: await rowsReadBy(async (database) => {
      const recorded = await recordEvents(
        database,
        few.map((row) => completedRow(row)),
      );
      owed.push(...recorded.flatMap((event) => event.owed));
    }),
    load: await rowsReadBy((database) => loadDeliveries(database, owed, 1024)),
    attempt: await rowsReadBy((database) =>
      recordAttempts(
        database,
        owed.map((delivery) => attemptRow(delivery)),
      ),
    ),
  };
  expect(owed).toHaveLength(5);
  expect(Object.entries(read).filter(([, rows]) => rows < 5 || rows > ROWS_READ_MAX)).toEqual([]);
});
