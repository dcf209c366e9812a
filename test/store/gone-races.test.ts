import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import type { Database } from "../../src/store/db/database.ts";
import { recordAttempts } from "../../src/store/writes/record-attempts.ts";
import { type OwedDelivery, recordEvents } from "../../src/store/writes/record-events.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, attemptRow, completedRow } from "../support/rows.ts";
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

/** A subscription's delivery, and another of it: as if an event of its job had been told before. */
async function oweTwo(): Promise<[OwedDelivery, OwedDelivery]> {
  const [accepted] = await acceptSubscriptions(database, [acceptRow("job-1")]);
  if (accepted?.kind !== "accepted") throw new Error("not accepted");
  const [recorded] = await recordEvents(database, [completedRow(accepted.subscription)]);
  const first = recorded?.owed[0];
  if (first === undefined) throw new Error("nothing is owed");
  const [copy] = await blocker<{ id: string }[]>`
    insert into deliveries (shard_id, id, project_id, subscription_id, event_id, event_type,
      callback_origin, status, next_attempt_at, created_at)
    select shard_id, gen_random_uuid(), project_id, subscription_id, event_id, event_type,
      callback_origin, status, next_attempt_at, created_at
    from deliveries where id = ${first.id} returning id`;
  return [first, { ...first, id: copy?.id ?? "" }];
}

async function outcome(...deliveries: OwedDelivery[]): Promise<unknown[]> {
  const statuses = await Promise.all(
    deliveries.map(async ({ id }) => {
      const [row] = await blocker`select status from deliveries where id = ${id}`;
      return row?.["status"] as unknown;
    }),
  );
  const [subscription] = await blocker`
    select closed_as from subscriptions where id = ${deliveries[0]?.subscriptionId ?? ""}`;
  return [...statuses, subscription?.["closed_as"]];
}

const GONE = { status: "gone", httpStatus: 410, errorCode: "gone" } as const;

describe("a 410 to one delivery and a success of another, recorded at once", () => {
  test.each(["the success", "the 410"])(
    "a 410 and a success recorded at once leave one delivered and the subscription gone, when %s gets its locks first",
    async (firstToCome) => {
      const [taken, refused] = await oweTwo();
      const success = () => recordAttempts(database, [attemptRow(taken)]);
      const gone = () => recordAttempts(database, [attemptRow(refused, GONE)]);
      const [first, second] = firstToCome === "the 410" ? [gone, success] : [success, gone];
      let recorded: Promise<boolean[]>[] = [];
      await blocker.begin(async (sql) => {
        await sql`select from deliveries where id = ${taken.id} for update`;
        recorded = [first()];
        await statementsWait(blocker, 1);
        recorded.push(second());
        await statementsWait(blocker, 2);
      });
      expect(await Promise.all(recorded)).toEqual([[true], [true]]);
      const [takenAs, refusedAs, closedAs] = await outcome(taken, refused);
      expect([refusedAs, closedAs]).toEqual(["gone", "gone"]);
      // A delivery that was accepted before the 410 stays delivered; otherwise nothing more is owed.
      expect(firstToCome === "the 410" ? ["gone", "delivered"] : ["delivered"]).toContain(takenAs);
    },
  );
});

test("two answers to one attempt, a success and a 410: one is recorded, and the subscription is gone", async () => {
  const [delivery] = await oweTwo();
  const recorded = await Promise.all([
    recordAttempts(database, [attemptRow(delivery)]),
    recordAttempts(database, [attemptRow(delivery, GONE)]),
  ]);
  expect(new Set(recorded.flat())).toEqual(new Set([false, true]));
  const [status, closedAs] = await outcome(delivery);
  expect(["delivered", "gone"]).toContain(status);
  expect(closedAs).toBe("gone");
  const [row] =
    await blocker`select count(*)::int from attempts where delivery_id = ${delivery.id}`;
  expect(row?.["count"]).toBe(1);
});
