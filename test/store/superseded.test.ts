import { afterEach, beforeEach, expect, test } from "vitest";
import { eventMask, type EventType } from "../../src/core/delivery/event.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { type OwedDelivery, recordEvents } from "../../src/store/writes/record-events.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, attemptRow, completedRow, uuids } from "../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;
beforeEach(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterEach(() => drop());

const ALL_TOLD = eventMask(["job.processing", "job.progress", "job.completed"]);

/** Subscriptions of one job, by what they hear of. */
async function subscribe(masks: readonly number[]) {
  const rows = masks.map((events) => acceptRow("job-1", { events }));
  const accepted = await acceptSubscriptions(database, rows);
  const [first] = accepted;
  if (first?.kind !== "accepted") throw new Error("not accepted");
  const { shardId, jobRowId } = first.subscription;
  const tell = async (type: EventType): Promise<readonly OwedDelivery[]> => {
    const isEnding = type === "job.completed";
    const event = completedRow(
      { shardId, jobRowId },
      { type, eventId: uuids(Date.now(), shardId) },
    );
    const [recorded] = await recordEvents(database, [
      { ...event, status: isEnding ? "completed" : "processing", result: isEnding ? "1" : null },
    ]);
    return recorded?.owed ?? [];
  };
  return { tell };
}

async function statusOf(delivery: OwedDelivery | undefined): Promise<string | undefined> {
  const [row] = await database.run("status", (sql) =>
    sql.unsafe<{ status: string; next_attempt_at: Date | null; attempt_count: number }[]>(
      `select status, next_attempt_at, attempt_count from deliveries where id = $1`,
      [delivery?.id ?? ""],
    ),
  );
  expect(row?.next_attempt_at === null).toBe(row?.status !== "pending");
  return row?.status;
}

test("a progress event that waits is out of date as soon as another event is recorded, an ending never", async () => {
  const { tell } = await subscribe([ALL_TOLD]);
  const [processing] = await tell("job.processing");
  const [progress] = await tell("job.progress");
  expect(await statusOf(processing)).toBe("superseded");
  expect(await statusOf(progress)).toBe("pending");
  const [ending] = await tell("job.completed");
  expect(await statusOf(progress)).toBe("superseded");
  expect(await statusOf(ending)).toBe("pending");
});

test("deliveries that were accepted, or that wait for another receiver, stay as they are", async () => {
  const movementsOnly = eventMask(["job.processing", "job.progress"]);
  const { tell } = await subscribe([ALL_TOLD, movementsOnly]);
  const [taken, waiting] = await tell("job.processing");
  if (taken !== undefined) await recordAttempts(database, [attemptRow(taken)]);
  const owed = await tell("job.completed");
  expect(owed).toHaveLength(1);
  const heardOfIt = owed[0]?.subscriptionId === taken?.subscriptionId ? waiting : taken;
  expect(await statusOf(taken)).toBe("delivered");
  // It hears of no ending, so nothing made its progress event out of date.
  if (heardOfIt === waiting) expect(await statusOf(waiting)).toBe("pending");
});

test("one that was being sent then counts as delivered if it was taken", async () => {
  const { tell } = await subscribe([ALL_TOLD]);
  const [progress] = await tell("job.progress");
  await tell("job.completed");
  if (progress === undefined) throw new Error("nothing is owed");
  expect(await recordAttempts(database, [attemptRow(progress)])).toEqual([true]);
  expect(await statusOf(progress)).toBe("delivered");
});

test("one that was being sent then and failed keeps its attempt, and is not tried again", async () => {
  const { tell } = await subscribe([ALL_TOLD]);
  const [progress] = await tell("job.progress");
  await tell("job.completed");
  if (progress === undefined) throw new Error("nothing is owed");
  const failed = { status: "pending", httpStatus: 500, nextAttemptAtMs: Date.now() } as const;
  expect(await recordAttempts(database, [attemptRow(progress, failed)])).toEqual([true]);
  expect(await statusOf(progress)).toBe("superseded");
});
