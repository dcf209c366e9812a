import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type AcceptedRow,
  acceptSubscriptions,
} from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { deleteSubscription } from "../../src/store/subscriptions/delete-subscription.ts";
import { recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import { redeliver } from "../../src/store/deliveries/redeliver.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, attemptRow, completedRow, PROJECT_ID } from "../support/rows.ts";
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

type Accepted = Extract<AcceptedRow, { kind: "accepted" }>["subscription"];

async function accept(jobId: string, row = acceptRow(jobId)): Promise<Accepted> {
  const [accepted] = await acceptSubscriptions(database, [row]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  return accepted.subscription;
}

function remove(id: string): ReturnType<typeof deleteSubscription> {
  return deleteSubscription(database, { projectId: PROJECT_ID, id, nowMs: Date.now() });
}

/** Lets the first get the job's lock and stop at the blocked row; then the second waits for the job. */
async function inOrder<A, B>(
  block: (sql: postgres.TransactionSql) => Promise<unknown>,
  first: () => Promise<A>,
  second: () => Promise<B>,
): Promise<[A, B]> {
  let results: Promise<[A, B]> | undefined;
  await blocker
    .begin(async (sql) => {
      await block(sql);
      const running = first();
      await statementsWait(blocker, 1);
      results = Promise.all([running, second()]);
      await statementsWait(blocker, 2);
      throw new Error("let them go");
    })
    .catch(() => undefined);
  if (results === undefined) throw new Error("nothing ran");
  return results;
}

/** Where a delete stops, once it has the job's lock. */
const stopDelete =
  ({ id }: Accepted) =>
  (sql: postgres.TransactionSql) =>
    sql`update subscriptions set closed_as = closed_as where id = ${id}`;

async function stateOf(id: string): Promise<postgres.Row | undefined> {
  const [row] = await blocker`
    select closed_as, jobs.status as job, (
      select array_agg(status) from deliveries where subscription_id = subscriptions.id
    ) as deliveries
    from subscriptions join jobs on jobs.id = job_row_id where subscriptions.id = ${id}`;
  return row;
}

test("an ending that is recorded before a delete owes a delivery, which the delete cancels", async () => {
  const subscription = await accept("job-1");
  const row = completedRow(subscription);
  const [[ending], deleted] = await inOrder(
    (sql) => sql`
      insert into events (shard_id, id, project_id, job_row_id, provider, job_id, type, occurred_at)
      values (${row.shardId}, ${row.eventId}, ${PROJECT_ID}, ${row.jobRowId}, '', '', '', now())`,
    () => recordEvents(database, [row]),
    () => remove(subscription.id),
  );
  expect(ending?.owed).toHaveLength(1);
  expect(deleted).toMatchObject({ jobEnded: true, jobUnwatched: false });
  expect(await stateOf(subscription.id)).toMatchObject({
    closed_as: "canceled",
    job: "completed",
    deliveries: ["canceled"],
  });
});

test("an ending that is recorded after a delete owes it nothing", async () => {
  const subscription = await accept("job-1");
  const [deleted, [ending]] = await inOrder(
    stopDelete(subscription),
    () => remove(subscription.id),
    () => recordEvents(database, [completedRow(subscription)]),
  );
  expect(deleted).toMatchObject({ jobEnded: false, jobUnwatched: true });
  expect(ending?.owed).toEqual([]);
  expect(await stateOf(subscription.id)).toMatchObject({
    closed_as: "canceled",
    deliveries: null,
  });
});

test("a subscription accepted before a delete keeps the job watched", async () => {
  const { id, shardId, jobRowId } = await accept("job-1");
  const row = acceptRow("job-1");
  const [other, deleted] = await inOrder(
    (sql) => sql`
      insert into subscriptions (shard_id, id, project_id, job_row_id, callback_url,
        callback_origin, events, payload, metadata, created_at)
      values (${shardId}, ${row.subscriptionId}, ${PROJECT_ID}, ${jobRowId}, '', '', 1, 'full',
        '{}', now())`,
    () => accept("job-1", row),
    () => remove(id),
  );
  expect(deleted).toMatchObject({ jobUnwatched: false });
  expect(await stateOf(other.id)).toMatchObject({ closed_as: null, job: "pending" });
});

test("a subscription accepted after a delete takes the job back", async () => {
  const subscription = await accept("job-1");
  const [deleted, other] = await inOrder(
    stopDelete(subscription),
    () => remove(subscription.id),
    () => accept("job-1"),
  );
  expect(deleted).toMatchObject({ jobUnwatched: true });
  expect(await stateOf(other.id)).toMatchObject({ closed_as: null, job: "pending" });
});

/** A subscription that goes on after a delivery that was taken. */
async function acceptAndAnnounce(): Promise<{ subscription: Accepted; deliveryId: string }> {
  const subscription = await accept("job-1");
  await blocker`update subscriptions set events = 127 where id = ${subscription.id}`;
  await blocker`update jobs set wanted_events = 127 where id = ${subscription.jobRowId}`;
  const processing = { type: "job.processing", status: "processing", result: null } as const;
  const [event] = await recordEvents(database, [completedRow(subscription, processing)]);
  const [owed] = event?.owed ?? [];
  if (owed === undefined) throw new Error("nothing is owed");
  await recordAttempts(database, [attemptRow(owed)]);
  return { subscription, deliveryId: owed.id };
}

function sendAgain(id: string): ReturnType<typeof redeliver> {
  return redeliver(database, { projectId: PROJECT_ID, id, nowMs: Date.now() });
}

test("a redelivery that comes after a delete is refused", async () => {
  const { subscription, deliveryId } = await acceptAndAnnounce();
  const [, outcome] = await inOrder(
    stopDelete(subscription),
    () => remove(subscription.id),
    () => sendAgain(deliveryId),
  );
  expect(outcome).toEqual({ kind: "canceled" });
  expect(await stateOf(subscription.id)).toMatchObject({ deliveries: ["delivered"] });
});

test("a redelivery that comes before a delete is canceled by it", async () => {
  const { subscription, deliveryId } = await acceptAndAnnounce();
  const [outcome] = await inOrder(
    (sql) => sql`update deliveries set status = status where id = ${deliveryId}`,
    () => sendAgain(deliveryId),
    () => remove(subscription.id),
  );
  expect(outcome).toMatchObject({ kind: "scheduled" });
  expect(await stateOf(subscription.id)).toMatchObject({
    closed_as: "canceled",
    deliveries: ["canceled"],
  });
});
