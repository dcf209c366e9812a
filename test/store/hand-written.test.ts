import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/*
 * Statements are built through Drizzle, so that a renamed column is an error of the compiler. These are
 * not, each for the reason given. Add one only where the builder has no words for it or is slower.
 */

const HOT = "runs all the time, for rows that come as arrays of each column";
const DUE = "reads what is due: its plan depends on how each condition is said";
const RETENTION = "a step of retention: its plan depends on how each condition is said";
const SESSION = "of the connection itself, below the statements";

/** How many calls of the driver each file makes, and why. */
const HAND_WRITTEN: Readonly<Record<string, readonly [calls: number, reason: string]>> = {
  "connection/connection.ts": [2, SESSION],
  "connection/server-list.ts": [1, SESSION],
  "db/database-monitor.ts": [1, SESSION],
  "db/distribute.ts": [1, "calls a function of Citus that takes constants only"],
  "deliveries/callback-origins.ts": [2, "recursive: goes from one origin to the next in an index"],
  "deliveries/find-due-deliveries.ts": [1, DUE],
  "deliveries/load-deliveries.ts": [2, DUE],
  "events/remove-events.ts": [1, RETENTION],
  "find-changes.ts": [1, "asks about many tables in one statement, once a second"],
  "inboxes/read-messages.ts": [1, "shares the columns of a message with the due reader"],
  "jobs/load-jobs.ts": [3, "loads and sweeps shards, up to a million rows at once"],
  "jobs/remove-ended-jobs.ts": [4, RETENTION],
  "projects/project-usage.ts": [1, "samples tables: TABLESAMPLE takes no parameter"],
  "subscriptions/find-ending.ts": [1, "shares the columns of a message with the due reader"],
  "writes/accept-subscriptions.ts": [1, HOT],
  "writes/checkpoint-jobs.ts": [1, HOT],
  "writes/fan-out.ts": [2, HOT],
  "writes/mailbox.ts": [2, HOT],
  "writes/record-attempts.ts": [4, HOT],
  "writes/record-events.ts": [2, HOT],
};

const HAND_WRITTEN_MAX = 35;
const BUILT_SHARE_MIN = 0.6;

const FOLDER = new URL("../../src/store/", import.meta.url);
/** Runs what is built. */
const RUNNER = "sql/statement.ts";

function calls(pattern: RegExp): Record<string, number> {
  const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });
  const counts = files
    .filter((name) => name.endsWith(".ts") && name !== RUNNER)
    .map((name) => {
      const text = readFileSync(new URL(name, FOLDER), "utf8");
      return [name, text.match(pattern)?.length ?? 0] as const;
    });
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

const HAND_WRITTEN_CALL = /\.unsafe[<(]/g;
const BUILT = /\b(?:statement|template)\(/g;

test("hand-written statements are those that are listed with a reason, and no others", () => {
  const listed = Object.entries(HAND_WRITTEN).map(([name, [count]]) => [name, count] as const);
  expect(calls(HAND_WRITTEN_CALL)).toEqual(Object.fromEntries(listed));
});

test("most statements are built through Drizzle, and few are hand-written", () => {
  const [handWritten, built] = [sum(calls(HAND_WRITTEN_CALL)), sum(calls(BUILT))];
  expect(handWritten).toBeLessThanOrEqual(HAND_WRITTEN_MAX);
  expect(built / (built + handWritten)).toBeGreaterThan(BUILT_SHARE_MIN);
});
