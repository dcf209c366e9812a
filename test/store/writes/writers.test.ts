import { expect, test } from "vitest";
import type { Database } from "../../../src/store/db/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { attemptRow, uuids } from "../../support/rows.ts";
import { openWriters } from "../../support/writers.ts";

/** A database that stores every attempt, and counts the statements that it takes. */
function countingDatabase() {
  let statements = 0;
  const run = (): Promise<never> => {
    statements += 1;
    return Promise.resolve([] as never);
  };
  const database: Database = { run, transaction: run };
  return { database, statements: () => statements };
}

function attempt(status: "delivered" | "pending") {
  const shardId = 7;
  const ids = { shardId, id: uuids(0, shardId), subscriptionId: uuids(0, shardId) };
  return attemptRow(ids, { status, nextAttemptAtMs: status === "pending" ? 60_000 : null });
}

test("ten callbacks taken at 200 a second are recorded by one statement, within 50 ms", async () => {
  const clock = new FakeClock();
  const { database, statements } = countingDatabase();
  const writers = openWriters(database, { clock });
  await writers.recordAttempt(attempt("delivered"));
  const recorded = [];
  for (let number = 1; number <= 10; number += 1) {
    await clock.advanceSettling(5);
    recorded.push(writers.recordAttempt(attempt("delivered")));
  }
  await clock.advanceSettling(4.9);
  expect(statements()).toBe(1);
  await clock.advanceSettling(0.1);
  await expect(Promise.all(recorded)).resolves.toEqual(Array(10).fill(true));
  expect(statements()).toBe(2);
});

test("an attempt that failed is recorded at once, and takes along those that wait", async () => {
  const clock = new FakeClock();
  const { database, statements } = countingDatabase();
  const writers = openWriters(database, { clock });
  await writers.recordAttempt(attempt("delivered"));
  const waiting = writers.recordAttempt(attempt("delivered"));
  await writers.recordAttempt(attempt("pending"));
  await waiting;
  expect(statements()).toBe(2);
});
