import { expect, test } from "vitest";
import { openDatabase } from "../../../src/store/db/database.ts";
import { acceptSubscriptions } from "../../../src/store/writes/accept-subscriptions.ts";
import { recordAttempts } from "../../../src/store/writes/record-attempts.ts";
import { recordEvents } from "../../../src/store/writes/record-events.ts";
import { createTestDatabase } from "../../support/database.ts";
import { quietLog } from "../../support/quiet-log.ts";
import { acceptRow, attemptRow, completedRow } from "../../support/rows.ts";

/** Postgres plans a prepared statement for its parameters so many times before it compares. */
const CUSTOM_PLANS = 5;
const MESSAGES = 20;

interface Prepared {
  readonly statement: string;
  readonly planned: number;
  readonly reused: number;
}

test("messages that come one at a time are stored without arrays, by plans that are made once", async () => {
  const { url, drop } = await createTestDatabase();
  const database = await openDatabase({
    url,
    connectionsMax: 1,
    statementTimeoutMs: 60_000,
    applicationName: "ringback test",
    log: quietLog,
  });
  try {
    for (let number = 1; number <= MESSAGES; number += 1) {
      const [answer] = await acceptSubscriptions(database, [acceptRow(`job-${number}`)]);
      if (answer?.kind !== "accepted") throw new Error("not accepted");
      const [event] = await recordEvents(database, [completedRow(answer.subscription)]);
      const [owed] = event?.owed ?? [];
      if (owed === undefined) throw new Error("no delivery");
      expect(await recordAttempts(database, [attemptRow(owed)])).toEqual([true]);
    }
    const prepared = await database.run("plans", (sql) =>
      sql.unsafe<Prepared[]>(`select statement, custom_plans::int as planned,
        generic_plans::int as reused from pg_prepared_statements
        where custom_plans + generic_plans >= ${MESSAGES}`),
    );
    // Accepting, the two statements of an ending, and the attempt.
    expect(prepared).toHaveLength(4);
    for (const { statement, planned, reused } of prepared) {
      expect(statement).not.toMatch(/unnest/);
      // A new job has no ending, so no part of accepting it is about one.
      if (/into jobs/.test(statement)) expect(statement).not.toMatch(/ended_at|deliveries/);
      expect({ planned, reused }).toEqual({
        planned: CUSTOM_PLANS,
        reused: MESSAGES - CUSTOM_PLANS,
      });
    }
  } finally {
    await database.close(1_000);
    await drop();
  }
});
