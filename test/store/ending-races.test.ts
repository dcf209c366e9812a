import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type AcceptedRow,
  type AcceptRow,
  acceptSubscriptions,
  type LatestLoneJob,
} from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import { extendDeadline } from "../../src/store/jobs/extend-deadline.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, attemptRow, completedRow, PROJECT_ID, uuids } from "../support/rows.ts";
import { statementsWait } from "../support/statements-wait.ts";

let database: Database;
let drop: () => Promise<void>;
/** A third party that makes the statements under test wait in the middle. */
let blocker: postgres.Sql;

beforeEach(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  blocker = postgres(opened.url, { max: 2 });
});

afterEach(async () => {
  await blocker.end({ timeout: 1 });
  await drop();
});

async function acceptOne(
  jobId: string,
  overrides: Parameters<typeof acceptRow>[1] = {},
): Promise<Extract<AcceptedRow, { kind: "accepted" }>> {
  const [accepted] = await acceptSubscriptions(database, [acceptRow(jobId, overrides)]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  return accepted;
}

/** Which statement is tried first for a subscription that comes alone. */
const LATEST_KINDS = ["new", "live", "ended"] as const satisfies readonly LatestLoneJob["kind"][];

function acceptAfter(kind: LatestLoneJob["kind"], row: AcceptRow): Promise<AcceptedRow[]> {
  return acceptSubscriptions(database, [row], undefined, { kind });
}

async function deliveriesOf(subscriptionId: string): Promise<postgres.Row[]> {
  return blocker`select * from deliveries where subscription_id = ${subscriptionId}`;
}

test("a subscription whose accept holds the job's lock while the ending waits for it is owed the ending", async () => {
  const first = await acceptOne("job-1");
  const { shardId, jobRowId } = first.subscription;
  const late = acceptRow("job-1");
  const ending = completedRow({ shardId, jobRowId });

  let accepted: Promise<AcceptedRow[]> | undefined;
  let recorded: ReturnType<typeof recordEvents> | undefined;
  await blocker
    .begin(async (sql) => {
      // The accept gets the job's lock, then waits for this row of the same key.
      await sql`insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
          callback_origin, events, payload, metadata, created_at)
        values (${shardId}, ${late.subscriptionId}, ${PROJECT_ID}, ${jobRowId}, '', '', 1, 'full',
          '{}', now())`;
      accepted = acceptSubscriptions(database, [late]);
      await statementsWait(blocker, 1);
      recorded = recordEvents(database, [ending]);
      await statementsWait(blocker, 2);
      throw new Error("let them go");
    })
    .catch(() => undefined);

  const [outcome] = (await accepted) ?? [];
  const [event] = (await recorded) ?? [];
  expect(outcome).toMatchObject({ kind: "accepted", owedDeliveryId: null });
  expect(event?.recorded).toBe(true);
  expect(event?.owed.map((owed) => owed.subscriptionId).toSorted()).toEqual(
    [first.subscription.id, late.subscriptionId].toSorted(),
  );
  expect(await deliveriesOf(late.subscriptionId)).toHaveLength(1);
});

test.each(LATEST_KINDS)(
  "a subscription whose accept waits for the lock that the ending holds is owed the stored ending (latest: %s)",
  async (kind) => {
    const first = await acceptOne("job-1");
    const { shardId, jobRowId } = first.subscription;
    const late = acceptRow("job-1");
    const ending = completedRow({ shardId, jobRowId });

    let accepted: Promise<AcceptedRow[]> | undefined;
    let recorded: ReturnType<typeof recordEvents> | undefined;
    await blocker
      .begin(async (sql) => {
        // The ending gets the job's lock, then waits for this row of the same key.
        await sql`insert into events (shard_id, id, project_id, job_row_id, provider, job_id, type,
          occurred_at)
        values (${shardId}, ${ending.eventId}, ${PROJECT_ID}, ${jobRowId}, '', '', '', now())`;
        recorded = recordEvents(database, [ending]);
        await statementsWait(blocker, 1);
        accepted = acceptAfter(kind, late);
        await statementsWait(blocker, 2);
        throw new Error("let them go");
      })
      .catch(() => undefined);

    const [outcome] = (await accepted) ?? [];
    const [event] = (await recorded) ?? [];
    expect(event?.owed.map((owed) => owed.subscriptionId)).toEqual([first.subscription.id]);
    expect(outcome).toMatchObject({
      kind: "accepted",
      owedDeliveryId: expect.any(String),
      subscription: { status: "delivering", job: { status: "completed" } },
    });
    expect(await deliveriesOf(late.subscriptionId)).toMatchObject([
      { event_id: ending.eventId, status: "pending" },
    ]);
  },
);

test("two subscriptions that make the same job at once are both stored and owed the ending", async () => {
  const [first, second] = [acceptRow("job-1"), acceptRow("job-1")];
  const { shardId } = first;

  let accepted: Promise<AcceptedRow[]>[] = [];
  await blocker
    .begin(async (sql) => {
      // The first makes the job, then waits for this row of the same key.
      await sql`insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
          callback_origin, events, payload, metadata, created_at)
        values (${shardId}, ${first.subscriptionId}, ${PROJECT_ID}, ${first.jobRowId}, '', '', 1,
          'full', '{}', now())`;
      accepted = [acceptSubscriptions(database, [first])];
      await statementsWait(blocker, 1);
      accepted.push(acceptSubscriptions(database, [second]));
      await statementsWait(blocker, 2);
      throw new Error("let them go");
    })
    .catch(() => undefined);

  expect(await Promise.all(accepted)).toMatchObject([
    [{ kind: "accepted", subscriptionCount: 1, subscription: { jobRowId: first.jobRowId } }],
    [{ kind: "accepted", subscriptionCount: 2, subscription: { jobRowId: first.jobRowId } }],
  ]);
  const [event] = await recordEvents(database, [
    completedRow({ shardId, jobRowId: first.jobRowId }),
  ]);
  expect(event?.owed.map((owed) => owed.subscriptionId).toSorted()).toEqual(
    [first.subscriptionId, second.subscriptionId].toSorted(),
  );
});

test.each(LATEST_KINDS)(
  "a job that has ended stays locked, and is not written, until a late subscription to it is stored (latest: %s)",
  async (kind) => {
    const first = await acceptOne("job-1");
    const { shardId, jobRowId } = first.subscription;
    await recordEvents(database, [completedRow({ shardId, jobRowId })]);
    const late = acceptRow("job-1");
    const jobVersion = () =>
      blocker`select ctid::text, xmin::text from jobs where id = ${jobRowId}`;
    const before = await jobVersion();

    let accepted: Promise<AcceptedRow[]> | undefined;
    let unlocked: postgres.Row[] = [];
    await blocker
      .begin(async (sql) => {
        await sql`insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
          callback_origin, events, payload, metadata, created_at)
        values (${shardId}, ${late.subscriptionId}, ${PROJECT_ID}, ${jobRowId}, '', '', 1, 'full',
          '{}', now())`;
        accepted = acceptAfter(kind, late);
        await statementsWait(blocker, 1);
        // As retention asks for jobs to remove.
        unlocked = await blocker`select id from jobs where id = ${jobRowId} for update skip locked`;
        throw new Error("let them go");
      })
      .catch(() => undefined);

    expect(unlocked).toEqual([]);
    expect(await accepted).toMatchObject([{ owedDeliveryId: expect.any(String) }]);
    expect(await jobVersion()).toEqual(before);
  },
);

test("a late subscription that waits for its job to be removed makes the job again", async () => {
  const { subscription } = await acceptOne("job-1");
  await recordEvents(database, [completedRow(subscription)]);
  const late = acceptRow("job-1");
  let accepted: Promise<AcceptedRow[]> | undefined;
  await blocker.begin(async (sql) => {
    await sql`delete from jobs where id = ${subscription.jobRowId}`;
    accepted = acceptAfter("ended", late);
    await statementsWait(blocker, 1);
  });
  expect(await accepted).toMatchObject([
    { owedDeliveryId: null, subscription: { jobRowId: late.jobRowId, status: "active" } },
  ]);
});

test.each(LATEST_KINDS)(
  "however accepts and the ending interleave, each accepted subscription is owed exactly one delivery (latest: %s)",
  async (kind) => {
    const first = await acceptOne("job-1");
    const { shardId, jobRowId } = first.subscription;
    const wishes = Array.from({ length: 40 }, () => acceptRow("job-1"));
    const accept = (wish: AcceptRow): Promise<unknown> => acceptAfter(kind, wish);
    await Promise.all([
      ...wishes.slice(0, 20).map(accept),
      recordEvents(database, [completedRow({ shardId, jobRowId })]),
      ...wishes.slice(20).map(accept),
    ]);
    const rows = await blocker`
    select count(*)::int as deliveries, count(distinct subscription_id)::int as subscriptions
    from deliveries where event_type = 'job.completed'`;
    expect(rows[0]).toEqual({ deliveries: 41, subscriptions: 41 });
  },
);

test("one ending holds when two writers record an ending of the same job", async () => {
  const { subscription } = await acceptOne("job-1");
  const { shardId, jobRowId } = subscription;
  const rivals = [
    completedRow({ shardId, jobRowId }),
    completedRow(
      { shardId, jobRowId },
      { type: "job.timed_out", status: "timed_out", result: null, resultBytes: 0, error: "late" },
    ),
  ];
  const outcomes = await Promise.all(rivals.map((rival) => recordEvents(database, [rival])));
  expect(outcomes.flat().filter((outcome) => outcome.recorded)).toHaveLength(1);
  const stored = await blocker`select id, type from events`;
  expect(stored).toHaveLength(1);
  expect(await deliveriesOf(subscription.id)).toMatchObject([
    { event_id: stored[0]?.["id"], event_type: stored[0]?.["type"] },
  ]);
});

test("an ending whose commit was never confirmed is recorded once when it is tried again", async () => {
  const { subscription } = await acceptOne("job-1");
  const ending = completedRow(subscription);
  const [first] = await recordEvents(database, [ending]);
  const [again] = await recordEvents(database, [ending]);
  expect(again).toEqual(first);
  expect(await deliveriesOf(subscription.id)).toHaveLength(1);
});

test("a subscription whose commit was never confirmed is accepted once when it is tried again", async () => {
  const row = acceptRow("job-1", {
    idempotencyKey: "k",
    requestHash: "h",
    idempotencyShardId: 7,
  });
  const first = await acceptSubscriptions(database, [row]);
  const again = await acceptSubscriptions(database, [row]);
  expect(again).toEqual(first);
  expect(await blocker`select id from subscriptions`).toHaveLength(1);
});

test("one of two attempts made from the same attempt count is recorded", async () => {
  const { subscription } = await acceptOne("job-1");
  const [event] = await recordEvents(database, [completedRow(subscription)]);
  const [owed] = event?.owed ?? [];
  if (owed === undefined) throw new Error("nothing is owed");
  const outcomes = await Promise.all([
    recordAttempts(database, [attemptRow(owed)]),
    recordAttempts(database, [attemptRow(owed, { httpStatus: 500, status: "pending" })]),
  ]);
  expect(outcomes.flat().filter(Boolean)).toHaveLength(1);
  expect(await blocker`select number from attempts`).toEqual([{ number: 1 }]);
  expect(await deliveriesOf(subscription.id)).toMatchObject([{ attempt_count: 1 }]);
});

test("an attempt that ends after its delivery was canceled is kept, and the delivery stays canceled", async () => {
  const { subscription } = await acceptOne("job-1");
  const [event] = await recordEvents(database, [completedRow(subscription)]);
  const [owed] = event?.owed ?? [];
  if (owed === undefined) throw new Error("nothing is owed");
  await blocker`update deliveries set status = 'canceled', next_attempt_at = null`;
  expect(await recordAttempts(database, [attemptRow(owed)])).toEqual([true]);
  expect(await deliveriesOf(subscription.id)).toMatchObject([
    { status: "canceled", attempt_count: 1, next_attempt_at: null },
  ]);
});

test("a 410 closes the subscription and whatever else it is owed", async () => {
  const { subscription } = await acceptOne("job-1", { events: 127 });
  const progressed = completedRow(subscription, {
    type: "job.processing",
    status: "processing",
    result: null,
    resultBytes: 0,
  });
  const [moved] = await recordEvents(database, [progressed]);
  const [ended] = await recordEvents(database, [completedRow(subscription)]);
  const [first] = moved?.owed ?? [];
  if (first === undefined || ended?.owed.length !== 1) throw new Error("two are owed");
  await recordAttempts(database, [
    attemptRow(first, { httpStatus: 410, errorCode: "gone", status: "gone" }),
  ]);
  expect(await blocker`select closed_as from subscriptions`).toEqual([{ closed_as: "gone" }]);
  expect(await blocker`select distinct status from deliveries`).toEqual([{ status: "gone" }]);
});

test("job.processing is recorded once a job, and never after its ending", async () => {
  const { subscription } = await acceptOne("job-1", { events: 127 });
  const processing = () =>
    completedRow(subscription, {
      eventId: uuids(Date.now(), subscription.shardId),
      type: "job.processing",
      status: "processing",
      result: null,
      resultBytes: 0,
    });
  const outcomes = [
    await recordEvents(database, [processing()]),
    await recordEvents(database, [processing()]),
    await recordEvents(database, [completedRow(subscription)]),
    await recordEvents(database, [processing()]),
  ];
  expect(outcomes.flat().map((outcome) => outcome.recorded)).toEqual([true, false, true, false]);
});

test("an ending that is repeated after a late subscription was accepted owes that one nothing twice", async () => {
  const { subscription } = await acceptOne("job-1");
  const ending = completedRow(subscription);
  await recordEvents(database, [ending]);
  const late = await acceptOne("job-1");
  await recordEvents(database, [ending]);
  expect(await deliveriesOf(late.subscription.id)).toMatchObject([{ id: late.owedDeliveryId }]);
});

test.each(LATEST_KINDS)(
  "an accept that is repeated after the job ended owes nothing beside what the ending owes (latest: %s)",
  async (kind) => {
    const row = acceptRow("job-1");
    const [first] = await acceptSubscriptions(database, [row]);
    if (first?.kind !== "accepted") throw new Error("not accepted");
    const [event] = await recordEvents(database, [completedRow(first.subscription)]);
    const [again] = await acceptAfter(kind, row);
    expect(again).toMatchObject({ kind: "accepted", owedDeliveryId: event?.owed[0]?.id });
    expect(await deliveriesOf(row.subscriptionId)).toHaveLength(1);
  },
);

test("a job whose deadline was moved while it was about to time out does not time out", async () => {
  const { subscription } = await acceptOne("job-1", { deadlineMs: 1000 });
  await acceptOne("job-1", { deadlineMs: 3_600_000 });
  const timedOut = (occurredAtMs: number) =>
    completedRow(subscription, {
      type: "job.timed_out",
      status: "timed_out",
      result: null,
      resultBytes: 0,
      error: "late",
      occurredAtMs,
    });
  const early = await recordEvents(database, [timedOut(Date.now() + 2000)]);
  expect(early).toEqual([{ recorded: false, owed: [], fanOut: null }]);
  const due = await recordEvents(database, [timedOut(Date.now() + 7_200_000)]);
  expect(due[0]?.recorded).toBe(true);
});

test("extending a deadline and timing out at it: whichever comes second does nothing", async () => {
  const timedOut = (subscription: Parameters<typeof completedRow>[0]) =>
    completedRow(subscription, {
      type: "job.timed_out",
      status: "timed_out",
      result: null,
      resultBytes: 0,
      error: "late",
      occurredAtMs: Date.now() + 2000,
    });
  const extend = ({ shardId, jobRowId: id }: { shardId: number; jobRowId: string }) =>
    extendDeadline(database, {
      shardId,
      id,
      projectId: PROJECT_ID,
      deadlineAtMs: Date.now() + 3_600_000,
    });
  for (const isExtendedFirst of [true, false]) {
    const { subscription } = await acceptOne(`job-${isExtendedFirst}`, { deadlineMs: 1000 });
    const { shardId, jobRowId } = subscription;
    let extended: ReturnType<typeof extend> | undefined;
    let recorded: ReturnType<typeof recordEvents> | undefined;
    const begin = [
      () => (extended = extend(subscription)),
      () => (recorded = recordEvents(database, [timedOut(subscription)])),
    ];
    // Both wait for the job's row, in this order.
    await blocker.begin(async (sql) => {
      await sql`select from jobs where shard_id = ${shardId} and id = ${jobRowId} for update`;
      const [first, second] = isExtendedFirst ? begin : begin.toReversed();
      void first?.();
      await statementsWait(blocker, 1);
      void second?.();
      await statementsWait(blocker, 2);
    });
    const [event] = (await recorded) ?? [];
    expect(event?.recorded).toBe(!isExtendedFirst);
    expect((await extended) === null).toBe(!isExtendedFirst);
    expect(await deliveriesOf(subscription.id)).toHaveLength(isExtendedFirst ? 0 : 1);
  }
});
