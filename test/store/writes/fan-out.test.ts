import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventMask, type EventType } from "../../../src/core/delivery/event.ts";
import { acceptSubscriptions } from "../../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { deleteSubscription } from "../../../src/store/subscriptions/delete-subscription.ts";
import { findFanOuts, stepFanOut } from "../../../src/store/writes/fan-out.ts";
import { recordAttempts } from "../../../src/store/writes/record-attempts.ts";
import {
  type FanOutKey,
  type OwedDelivery,
  recordEvents,
  type RecordedEvent,
} from "../../../src/store/writes/record-events.ts";
import { findSubscription } from "../../../src/store/subscriptions/subscription-record.ts";
import { type CrowdedJob, crowdedJob } from "../../support/crowd.ts";
import { openTestDatabase } from "../../support/database.ts";
import { acceptRow, attemptRow, completedRow, PROJECT_ID, uuids } from "../../support/rows.ts";
import { statementsWait } from "../../support/statements-wait.ts";

const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);
/** More than the statement that records an event looks at. */
const CROWD = 2_500;
const FIRST = 1_000;

let database: Database;
let drop: () => Promise<void>;
let sql: postgres.Sql;

beforeEach(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 2, onnotice: () => {} });
});
afterEach(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

const crowd = (overrides: Parameters<typeof acceptRow>[1] = {}): Promise<CrowdedJob> =>
  crowdedJob({ database, sql }, "job-1", CROWD, overrides);

async function record(job: CrowdedJob, type: EventType): Promise<RecordedEvent> {
  const isEnding = type === "job.completed";
  const [recorded] = await recordEvents(database, [
    completedRow(job, {
      type,
      eventId: uuids(Date.now(), job.shardId),
      status: isEnding ? "completed" : "processing",
      result: isEnding ? "1" : null,
    }),
  ]);
  if (recorded === undefined) throw new Error("nothing is recorded");
  return recorded;
}

function keyOf({ fanOut }: RecordedEvent): FanOutKey {
  if (fanOut === null) throw new Error("no fan-out");
  return fanOut;
}

const step = (key: FanOutKey, subscriptions = 400) =>
  stepFanOut(database, { key, subscriptions, nowMs: Date.now() });

async function finish(key: FanOutKey): Promise<OwedDelivery[]> {
  const owed: OwedDelivery[] = [];
  for (;;) {
    const made = await step(key);
    owed.push(...made.owed);
    if (!made.goesOn) return owed;
  }
}

/** How many deliveries there are of each type and status. */
async function deliveries(): Promise<Record<string, number>> {
  const rows = await sql`
    select event_type || ' ' || status as kind, count(*)::int, count(distinct subscription_id)::int as told
    from deliveries group by 1`;
  return Object.fromEntries(
    rows.map(({ kind, count, told }) => {
      expect(told).toBe(count);
      return [String(kind), Number(count)];
    }),
  );
}

/** The ids of the job's subscriptions, in order. */
async function subscriptionIds(): Promise<string[]> {
  const rows = await sql`select id::text from subscriptions order by id`;
  return rows.map(({ id }) => String(id));
}

const at = (ids: readonly string[], index: number): string => ids.at(index) ?? "";

describe("an event of a job with many subscriptions", () => {
  test("deliveries of an event with many subscriptions are created in steps, each once, until the last step", async () => {
    const job = await crowd();
    const recorded = await record(job, "job.completed");
    expect(recorded.owed).toHaveLength(FIRST);
    const key = keyOf(recorded);
    expect(
      await findFanOuts(database, { shardIds: ALL_SHARDS, perProjectMax: 1, limit: 9 }),
    ).toEqual([key]);
    const owed = [...recorded.owed, ...(await finish(key))];
    expect(new Set(owed.map(({ subscriptionId }) => subscriptionId)).size).toBe(CROWD);
    expect(owed).toHaveLength(CROWD);
    expect(await deliveries()).toEqual({ "job.completed pending": CROWD });
    expect(
      await findFanOuts(database, { shardIds: ALL_SHARDS, perProjectMax: 1, limit: 9 }),
    ).toEqual([]);
    expect(await step(key)).toEqual({ owed: [], eventId: null, goesOn: false });
  });

  test("an event with many subscriptions is recorded in one statement of bounded size, however many jobs end together", async () => {
    const jobs = await Promise.all(
      Array.from({ length: 100 }, (_, index) => crowdedJob({ database, sql }, `job-${index}`, 60)),
    );
    const recorded = await recordEvents(
      database,
      jobs.map((job) => completedRow(job)),
    );
    expect(recorded.map(({ owed }) => owed.length)).toEqual(jobs.map(() => 40));
    for (const event of recorded) expect(await finish(keyOf(event))).toHaveLength(20);
    expect(await deliveries()).toEqual({ "job.completed pending": 6_000 });
  });

  test("an event is recorded again without duplicates when its commit was not confirmed", async () => {
    const job = await crowd();
    const ending = completedRow(job);
    const [first] = await recordEvents(database, [ending]);
    if (first === undefined) throw new Error("nothing is recorded");
    await step(keyOf(first));
    expect(await recordEvents(database, [ending])).toEqual([first]);
    expect(await finish(keyOf(first))).toHaveLength(CROWD - FIRST - 400);
    // Once more after its end: all of it is looked at again, and nothing is owed.
    expect(await recordEvents(database, [ending])).toEqual([first]);
    expect(await finish(keyOf(first))).toEqual([]);
    expect(await deliveries()).toEqual({ "job.completed pending": CROWD });
  });

  test("steps taken by several nodes at once create each delivery once", async () => {
    const job = await crowd();
    const recorded = await record(job, "job.completed");
    const key = keyOf(recorded);
    const owed = (await Promise.all([finish(key), finish(key), finish(key)])).flat();
    expect(owed).toHaveLength(CROWD - FIRST);
    expect(await deliveries()).toEqual({ "job.completed pending": CROWD });
  });

  test("steps skip subscriptions that do not want the event, were deleted or are gone", async () => {
    const job = await crowd();
    const ids = await subscriptionIds();
    await sql`update subscriptions set events = ${eventMask(["job.failed"])} where id = ${at(ids, 1_500)}`;
    await deleteSubscription(database, { projectId: PROJECT_ID, id: at(ids, 1_501), nowMs: 0 });
    const recorded = await record(job, "job.completed");
    await finish(keyOf(recorded));
    expect(await deliveries()).toEqual({ "job.completed pending": CROWD - 2 });
  });
});

describe("in the middle of an ending's steps", () => {
  test("a subscription that an ending's steps have not reached is delivering, and deleting it prevents its delivery", async () => {
    const job = await crowd();
    const ids = await subscriptionIds();
    const key = keyOf(await record(job, "job.completed"));
    const find = async (index: number) =>
      (await findSubscription(database, { projectId: PROJECT_ID, id: at(ids, index) }))?.status;
    expect(await find(0)).toBe("delivering");
    expect(await find(-1)).toBe("delivering");
    for (const index of [0, -1]) {
      await deleteSubscription(database, { projectId: PROJECT_ID, id: at(ids, index), nowMs: 1 });
      expect(await find(index)).toBe("canceled");
    }
    await finish(key);
    expect(await deliveries()).toEqual({
      "job.completed pending": CROWD - 2,
      "job.completed canceled": 1,
    });
  });

  test("deleting a subscription that was already delivered takes nothing back", async () => {
    const job = await crowd();
    const recorded = await record(job, "job.completed");
    const [first] = recorded.owed;
    if (first === undefined) throw new Error("nothing is owed");
    await recordAttempts(database, [attemptRow(first)]);
    const key = { projectId: PROJECT_ID, id: first.subscriptionId };
    await deleteSubscription(database, { ...key, nowMs: 1 });
    expect(await findSubscription(database, key)).toMatchObject({ status: "delivered" });
  });

  test("a subscription whose accept waits for a step's lock gets the ending from its accept, once", async () => {
    const job = await crowd();
    const key = keyOf(await record(job, "job.completed"));
    const late = acceptRow("job-1");
    const { accepted, stepped } = await whileStepHoldsTheLock(key, 1, () =>
      acceptSubscriptions(database, [late]),
    );
    expect(stepped.owed).toHaveLength(400);
    expect(accepted).toMatchObject([{ owedDeliveryId: expect.any(String) }]);
    await finish(key);
    expect(await deliveries()).toEqual({ "job.completed pending": CROWD + 1 });
  });

  test("a subscription whose accept holds the lock while a step waits gets the ending once", async () => {
    const job = await crowd();
    const key = keyOf(await record(job, "job.completed"));
    const late = acceptRow("job-1");
    let accepted: ReturnType<typeof acceptSubscriptions> | undefined;
    let stepped: ReturnType<typeof step> | undefined;
    await sql
      .begin(async (blocker) => {
        await blocker`insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
            callback_origin, events, payload, metadata, created_at)
          values (${job.shardId}, ${late.subscriptionId}, ${PROJECT_ID}, ${job.jobRowId}, '', '', 1,
            'full', '{}', now())`;
        accepted = acceptSubscriptions(database, [late]);
        await statementsWait(sql, 1);
        stepped = step(key, CROWD);
        await statementsWait(sql, 2);
        throw new Error("let them go");
      })
      .catch(() => undefined);
    expect(await accepted).toMatchObject([{ owedDeliveryId: expect.any(String) }]);
    expect((await stepped)?.owed).toHaveLength(CROWD - FIRST);
    await finish(key);
    expect(await deliveries()).toEqual({ "job.completed pending": CROWD + 1 });
  });

  test("a subscription deleted while a step holds the lock, or before it, gets nothing more", async () => {
    const job = await crowd();
    const ids = await subscriptionIds();
    const key = keyOf(await record(job, "job.completed"));
    const remove = (index: number) =>
      deleteSubscription(database, { projectId: PROJECT_ID, id: at(ids, index), nowMs: 1 });
    await whileStepHoldsTheLock(key, 1, () => remove(FIRST));
    let stepped: ReturnType<typeof step> | undefined;
    let removed: ReturnType<typeof remove> | undefined;
    await sql
      .begin(async (blocker) => {
        await blocker`select from subscriptions where id = ${at(ids, -1)} for update`;
        removed = remove(-1);
        await statementsWait(sql, 1);
        stepped = step(key, CROWD);
        await statementsWait(sql, 2);
        throw new Error("let them go");
      })
      .catch(() => undefined);
    await removed;
    await stepped;
    await finish(key);
    expect(await deliveries()).toEqual({
      "job.completed pending": CROWD - 2,
      "job.completed canceled": 1,
    });
  });

  /** Lets `work` wait for the job's lock that a step holds. */
  async function whileStepHoldsTheLock<T>(
    key: FanOutKey,
    waiting: number,
    work: () => Promise<T>,
  ): Promise<{ accepted: T; stepped: Awaited<ReturnType<typeof step>> }> {
    let stepped: ReturnType<typeof step> | undefined;
    let accepted: Promise<T> | undefined;
    await sql
      .begin(async (blocker) => {
        // The step gets the job's lock, then waits for this row.
        await blocker`select from fan_outs for update`;
        stepped = step(key);
        await statementsWait(sql, waiting);
        accepted = work();
        await statementsWait(sql, waiting + 1);
        throw new Error("let them go");
      })
      .catch(() => undefined);
    if (accepted === undefined || stepped === undefined) throw new Error("not begun");
    return { accepted: await accepted, stepped: await stepped };
  }
});

describe("progress events of a job with many subscriptions", () => {
  const ALL = eventMask(["job.processing", "job.progress", "job.completed"]);

  test("the newest progress event replaces an unfinished one, and every subscription gets it once", async () => {
    const job = await crowd({ events: ALL });
    const first = await record(job, "job.progress");
    await step(keyOf(first), 700);
    const second = await record(job, "job.progress");
    expect(await sql`select from fan_outs`).toHaveLength(1);
    const owed = [...second.owed, ...(await finish(keyOf(second)))];
    expect(new Set(owed.map(({ subscriptionId }) => subscriptionId)).size).toBe(CROWD);
    expect(owed).toHaveLength(CROWD);
    expect(new Set(owed.map(({ eventId }) => eventId)).size).toBe(1);
    // The first one had come to so many; it is out of date for all of them.
    const rows =
      await sql`select status, count(*)::int from deliveries group by status order by status`;
    expect(rows).toEqual([
      { status: "pending", count: CROWD },
      { status: "superseded", count: FIRST + 700 },
    ]);
  });

  test("however often a newer progress event comes, the steps reach every subscription", async () => {
    const job = await crowd({ events: ALL });
    const told = new Set<string>();
    const note = (owed: readonly OwedDelivery[]) =>
      owed.forEach(({ subscriptionId }) => told.add(subscriptionId));
    for (let events = 0; told.size < CROWD; events += 1) {
      expect(events).toBeLessThan(10);
      const recorded = await record(job, "job.progress");
      note(recorded.owed);
      note((await step(keyOf(recorded), 300)).owed);
    }
  });

  test("only the newer of two types of event is sent, whichever reaches a subscription first", async () => {
    const job = await crowd({ events: ALL });
    const processing = keyOf(await record(job, "job.processing"));
    const ending = await record(job, "job.completed");
    const late = await finish(keyOf(ending));
    expect(late).toHaveLength(CROWD - FIRST);
    expect(await finish(processing)).toEqual([]);
    expect(await deliveries()).toEqual({
      "job.processing superseded": FIRST,
      "job.completed pending": CROWD,
    });
  });

  test("a subscription that wants no other event still gets the older one", async () => {
    const job = await crowd({ events: eventMask(["job.processing"]) });
    const processing = keyOf(await record(job, "job.processing"));
    const ending = await record(job, "job.completed");
    await finish(keyOf(ending));
    await finish(processing);
    expect(await deliveries()).toEqual({ "job.processing pending": CROWD });
  });
});
