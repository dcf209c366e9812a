import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acceptSubscriptions } from "../../../src/store/writes/accept-subscriptions.ts";
import type { OwedDelivery } from "../../../src/store/writes/record-events.ts";
import { openTestDatabase } from "../../support/database.ts";
import { acceptRow, attemptRow, completedRow, uuids } from "../../support/rows.ts";
import { openWriters } from "../../support/writers.ts";

/*
 * Somebody holds the lock of one row: a node that was lost inside a transaction behind a pooler, or
 * a person at a console. Or one row takes longer than a statement may. The other rows are
 * still written.
 */

let opened: Awaited<ReturnType<typeof openTestDatabase>>;
let holder: postgres.Sql;

beforeEach(() => open());

afterEach(() => close());

async function open(options: { statementTimeoutMs?: number } = {}): Promise<void> {
  opened = await openTestDatabase({ lockTimeoutMs: 100, ...options });
  holder = postgres(opened.url, { max: 1, onnotice: () => {} });
}

async function close(): Promise<void> {
  await holder.end({ timeout: 1 });
  await opened.drop();
}

/** Holds what `lock` locks until it is released. */
async function hold(lock: (sql: postgres.TransactionSql) => Promise<unknown>) {
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const over = holder.begin(async (sql) => {
    await lock(sql);
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  return async (): Promise<void> => {
    released.resolve();
    await over;
  };
}

async function acceptJobs(count: number) {
  const rows = Array.from({ length: count }, (_, index) => acceptRow(`job-${index}`));
  const accepted = await acceptSubscriptions(opened.database, rows);
  return accepted.map((row) => {
    if (row.kind !== "accepted") throw new Error("not accepted");
    return row.subscription;
  });
}

test("endings and attempts of other jobs are recorded while one job's row is locked", async () => {
  const [first, ...others] = await acceptJobs(40);
  if (first === undefined) throw new Error("no job");
  const writers = openWriters(opened.database);
  const release = await hold(
    (sql) => sql`select from jobs where id = ${first.jobRowId} for update`,
  );
  const locked = writers.recordEvent(completedRow(first));
  const recorded = await Promise.all(others.map((job) => writers.recordEvent(completedRow(job))));
  expect(recorded.map((event) => event.owed.length)).toEqual(others.map(() => 1));
  expect(writers.rowsSetAside).toBe(1);
  expect(writers.oldestUnrecordedEventMs).toBeGreaterThan(0);

  await release();
  const { owed } = await locked;
  expect(owed).toHaveLength(1);
  expect(writers.oldestUnrecordedEventMs).toBe(0);

  const deliveries = [...owed, ...recorded.flatMap((event) => event.owed)];
  const [stuck, ...free] = deliveries as [OwedDelivery, ...OwedDelivery[]];
  const again = await hold((sql) => sql`select from deliveries where id = ${stuck.id} for update`);
  const late = writers.recordAttempt(attemptRow(stuck));
  const made = await Promise.all(free.map((one) => writers.recordAttempt(attemptRow(one))));
  expect(made).toEqual(free.map(() => true));
  expect(writers.oldestUnrecordedAttemptMs).toBeGreaterThan(0);
  await again();
  expect(await late).toBe(true);
  expect(writers.oldestUnrecordedAttemptMs).toBe(0);
  await writers.stop();
});

test("subscriptions to other jobs are accepted while one job's row is locked", async () => {
  const [first] = await acceptJobs(1);
  if (first === undefined) throw new Error("no job");
  const writers = openWriters(opened.database);
  const release = await hold(
    (sql) => sql`select from jobs where id = ${first.jobRowId} for update`,
  );
  const waiting = writers.accept(acceptRow("job-0"));
  const others = Array.from({ length: 20 }, (_, index) =>
    writers.accept(acceptRow(`new-${index}`)),
  );
  for (const accepted of await Promise.all(others)) expect(accepted.kind).toBe("accepted");
  await release();
  expect((await waiting).kind).toBe("accepted");
  await writers.stop();
});

test("large results of other jobs are stored while a part of one is locked", async () => {
  const jobs = await acceptJobs(5);
  const writers = openWriters(opened.database);
  const result = JSON.stringify("x".repeat(300_000));
  const rows = jobs.map((job) => completedRow(job, { result, resultBytes: result.length }));
  const stuck = rows.slice(0, 2);
  const release = await hold(async (sql) => {
    // Another transaction's uncommitted row of the same key.
    for (const { shardId, eventId } of stuck) {
      await sql`insert into result_parts values (${shardId}, ${eventId}, 1, ${Buffer.from("")})`;
    }
  });
  const waiting = stuck.map((row) => writers.recordEvent(row));
  await Promise.all(rows.slice(2).map((row) => writers.recordEvent(row)));
  expect(writers.rowsSetAside).toBe(2);
  await release();
  for (const { recorded } of await Promise.all(waiting)) expect(recorded).toBe(true);
  await writers.stop();
});

test("an attempt that was answered with 410 does not hold up others", async () => {
  const jobs = await acceptJobs(10);
  const writers = openWriters(opened.database);
  const events = await Promise.all(jobs.map((job) => writers.recordEvent(completedRow(job))));
  const deliveries = events.flatMap((event) => event.owed);
  const [first] = jobs;
  const release = await hold(
    (sql) => sql`select from jobs where id = ${first?.jobRowId ?? uuids(0, 0)} for update`,
  );
  const attempts = deliveries.map((delivery) =>
    writers.recordAttempt(attemptRow(delivery, { status: "gone", httpStatus: 410 })),
  );
  const others = attempts.filter((_, index) => deliveries[index]?.subscriptionId !== first?.id);
  expect(await Promise.all(others)).toEqual(others.map(() => true));
  await release();
  expect(await Promise.all(attempts)).toEqual(attempts.map(() => true));
  await writers.stop();
});

/** Opens the database again, with a limit on statements that one of them is to reach. */
async function reopenImpatient(): Promise<void> {
  await close();
  await open({ statementTimeoutMs: 3_000 });
}

/** Makes writing one row of a table take longer than any statement may. */
async function makeSlow(table: "events" | "attempts", id: string): Promise<() => Promise<void>> {
  const key = table === "events" ? "id" : "delivery_id";
  await holder.unsafe(`
    create function sleep() returns trigger language plpgsql as
      $$ begin perform pg_sleep(60); return new; end $$;
    create trigger slow before insert on ${table} for each row
      when (new.${key} = '${id}'::uuid) execute function sleep()`);
  return async () => {
    await holder.unsafe(`drop function sleep() cascade`);
  };
}

test("endings of other jobs are recorded while recording one takes too long, again and again", async () => {
  await reopenImpatient();
  const [first, ...others] = await acceptJobs(40);
  if (first === undefined) throw new Error("no job");
  const writers = openWriters(opened.database);
  const slow = completedRow(first);
  const mend = await makeSlow("events", slow.eventId);
  const waiting = writers.recordEvent(slow);
  const recorded = await Promise.all(others.map((job) => writers.recordEvent(completedRow(job))));
  expect(recorded.map((event) => event.owed.length)).toEqual(others.map(() => 1));
  expect(writers.rowsSetAside).toBe(1);
  expect(writers.oldestUnrecordedEventMs).toBeGreaterThan(0);
  await mend();
  expect(await waiting).toMatchObject({ recorded: true, owed: [{ shardId: first.shardId }] });
  expect(writers.oldestUnrecordedEventMs).toBe(0);
  await writers.stop();
});

test("attempts of other deliveries are recorded while recording one takes too long", async () => {
  await reopenImpatient();
  const jobs = await acceptJobs(20);
  const writers = openWriters(opened.database);
  const events = await Promise.all(jobs.map((job) => writers.recordEvent(completedRow(job))));
  const [stuck, ...free] = events.flatMap((event) => event.owed);
  if (stuck === undefined) throw new Error("nothing is owed");
  const mend = await makeSlow("attempts", stuck.id);
  const waiting = writers.recordAttempt(attemptRow(stuck));
  const made = await Promise.all(free.map((one) => writers.recordAttempt(attemptRow(one))));
  expect(made).toEqual(free.map(() => true));
  expect(writers.rowsSetAside).toBe(1);
  await mend();
  expect(await waiting).toBe(true);
  await writers.stop();
});
