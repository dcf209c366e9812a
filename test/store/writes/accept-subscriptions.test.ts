import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { eventMask } from "../../../src/core/delivery/event.ts";
import {
  type AcceptRow,
  acceptSubscriptions,
  type LatestLoneJob,
} from "../../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { takeCommands } from "../../../src/store/writes/mailbox.ts";
import { loadJobs } from "../../../src/store/jobs/load-jobs.ts";
import { recordEvents } from "../../../src/store/writes/record-events.ts";
import { findSubscription } from "../../../src/store/subscriptions/subscription-record.ts";
import { openTestDatabase } from "../../support/database.ts";
import { acceptRow, completedRow } from "../../support/rows.ts";

let database: Database;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterEach(() => drop());

/** Accepts the rows as one batch, and expects of each what the database says of it afterwards. */
async function expectAnswersAsStored(rows: readonly AcceptRow[]): Promise<void> {
  const answers = await acceptSubscriptions(database, rows);
  expect(answers).toHaveLength(rows.length);
  for (const [index, answer] of answers.entries()) {
    const id = rows[index]?.subscriptionId ?? "";
    if (answer.kind !== "accepted") throw new Error(`${id} was not accepted`);
    const { subscription } = answer;
    const { projectId, shardId, jobRowId } = subscription;
    expect(subscription).toEqual(await findSubscription(database, { projectId, id }));
    const [live] = await loadJobs(database, [{ shardId, id: jobRowId }]);
    if (subscription.job.endedAtMs !== null) continue;
    expect(answer).toMatchObject({
      wantedEvents: live?.wantedEvents,
      providerVersionId: live?.providerVersionId,
      processingAnnounced: live?.processingAnnounced,
      owedDeliveryId: null,
    });
  }
}

test("the answer is as stored for new jobs, each with a subscription of its own", async () => {
  await expectAnswersAsStored([acceptRow("job-1"), acceptRow("job-2", { deadlineMs: 1234 })]);
});

test.each([{ events: eventMask(["job.progress"]) }, { deadlineMs: 7_200_000 }])(
  "the answer is as stored for a new job whose second subscription in the batch wants more: %j",
  async (more) => {
    const nowMs = Date.now();
    const rows = [acceptRow("job-1", { nowMs }), acceptRow("job-1", { nowMs })];
    // The job gets the lesser of the two ids.
    const [first, second] = rows.sort((a, b) => (a.jobRowId < b.jobRowId ? -1 : 1));
    if (first === undefined || second === undefined) throw new Error("two rows were made");
    await expectAnswersAsStored([first, { ...second, ...more }]);
  },
);

test("the answer is as stored for a watched job, unchanged or changed by it", async () => {
  await acceptSubscriptions(database, [acceptRow("job-1"), acceptRow("job-2")]);
  const events = eventMask(["job.progress"]);
  await expectAnswersAsStored([acceptRow("job-1"), acceptRow("job-2", { events })]);
});

test("the answer is as stored for a subscription that comes alone, whatever its job is", async () => {
  const row = acceptRow("job-1", { deadlineMs: 1234, events: eventMask(["job.failed"]) });
  await expectAnswersAsStored([row]);
  await expectAnswersAsStored([row]);
  await expectAnswersAsStored([acceptRow("job-1", { deadlineMs: 7_200_000 })]);
  await recordEvents(database, [completedRow(row)]);
  await expectAnswersAsStored([acceptRow("job-1")]);
});

test("a subscription that comes alone takes one statement if its job is new or has ended as the one before", async () => {
  const [ended, ...fresh] = ["job-1", "job-2", "job-3", "job-4"].map((jobId) => acceptRow(jobId));
  if (ended === undefined) throw new Error("rows were made");
  await acceptSubscriptions(database, [ended]);
  await recordEvents(database, [completedRow(ended)]);
  const late = Array.from({ length: 4 }, () => acceptRow("job-1"));
  const live = [acceptRow("job-4"), acceptRow("job-4")];
  const latest: LatestLoneJob = { kind: "new" };
  const statements = vi.spyOn(database, "run");
  const counts = [];
  for (const row of [...late, ...fresh, ...live, ended]) {
    statements.mockClear();
    await acceptSubscriptions(database, [row], undefined, latest);
    counts.push(statements.mock.calls.length);
  }
  expect(counts).toEqual([2, 1, 1, 1, 2, 1, 1, 2, 1, 1]);
});

test.each([
  {},
  { events: eventMask(["job.failed"]) },
  { callbackUrl: "inbox:in", callbackOrigin: "inbox:in" },
  { resultBytes: 17 * 1024 },
  { type: "job.failed", status: "failed", result: null, error: "no pages" },
] as const)(
  "a late subscription is answered and stored the same by the statement for ended jobs alone: %j",
  async ({ events, callbackUrl, callbackOrigin, ...ending }) => {
    const first = acceptRow("job-1");
    await acceptSubscriptions(database, [first]);
    await recordEvents(database, [completedRow(first, ending)]);
    const overrides = {
      ...(events !== undefined && { events }),
      ...(callbackUrl !== undefined && { callbackUrl, callbackOrigin }),
      nowMs: Date.now(),
    };
    const [byAll, byOwn] = [acceptRow("job-1", overrides), acceptRow("job-1", overrides)];
    const [expected] = await acceptSubscriptions(database, [byAll], undefined, { kind: "live" });
    const [answer] = await acceptSubscriptions(database, [byOwn], undefined, { kind: "ended" });
    if (expected?.kind !== "accepted" || answer?.kind !== "accepted") throw new Error("refused");
    const owes = events === undefined;
    expect(answer.owedDeliveryId !== null).toBe(owes);
    expect(answer.owedEvent !== null).toBe(owes && !("resultBytes" in ending));
    const { owedDeliveryId: own } = answer;
    expect({ ...answer, owedDeliveryId: own && "its own" }).toEqual({
      ...expected,
      owedDeliveryId: expected.owedDeliveryId && "its own",
      subscription: { ...expected.subscription, id: byOwn.subscriptionId },
    });
    const [storedByAll, storedByOwn] = await Promise.all(
      [byAll, byOwn].map(({ subscriptionId }) => storedFor(subscriptionId)),
    );
    expect(storedByOwn).toEqual(storedByAll);
    expect(storedByOwn?.deliveries).toHaveLength(owes ? 1 : 0);
  },
);

/** The rows of a subscription, without the ids that differ. */
async function storedFor(subscriptionId: string) {
  const without = (row: Record<string, unknown>, ...names: string[]) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)));
  return database.run("stored", async (sql) => {
    const subscriptions = await sql`select * from subscriptions where id = ${subscriptionId}`;
    const deliveries = await sql`
      select * from deliveries where subscription_id = ${subscriptionId}`;
    return {
      subscriptions: subscriptions.map((row) => without(row, "id")),
      deliveries: deliveries.map((row) => without(row, "id", "subscription_id")),
    };
  });
}

test("the answer is as stored for a repeated batch, whatever happened to its jobs since", async () => {
  const rows = [acceptRow("job-1"), acceptRow("job-2")];
  const [first] = await acceptSubscriptions(database, rows);
  if (first?.kind !== "accepted") throw new Error("not accepted");
  await recordEvents(database, [completedRow(first.subscription)]);
  await expectAnswersAsStored(rows);
});

test.each([
  { withKey: false, withMail: false },
  { withKey: true, withMail: false },
  { withKey: false, withMail: true },
  { withKey: true, withMail: true },
])(
  "the answer is as stored for a batch in which one row has a key or a note: %j",
  async ({ withKey, withMail }) => {
    const given = acceptRow("job-1", {
      ...(withKey && { idempotencyKey: "key", requestHash: "hash", idempotencyShardId: 7 }),
      ...(withMail && { mailId: acceptRow("job-1").subscriptionId }),
    });
    await expectAnswersAsStored([given, acceptRow("job-2")]);
    const again = { ...given, subscriptionId: acceptRow("job-1").subscriptionId };
    const [repeated] = await acceptSubscriptions(database, [again]);
    expect(repeated?.kind).toBe(withKey ? "key_used" : "accepted");
    const mail = await takeCommands(database, [given.shardId]);
    expect(mail.map(({ id }) => id)).toEqual(withMail ? [given.mailId] : []);
  },
);
