import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../../src/store/db/database.ts";
import {
  findDueOperationalEvents,
  forgetOperationalEvents,
  noteOperationalEvents,
  settleOperationalEvent,
} from "../../../src/store/events/operational-events.ts";
import { openTestDatabase } from "../../support/database.ts";
import { PROJECT_ID, uuids } from "../../support/rows.ts";

const SHARD_ID = 7;
const DAY_MS = 24 * 3_600_000;

let database: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterAll(() => drop());

function note(subject: string, occurredAtMs: number, projectId: string): Promise<void> {
  const id = uuids(occurredAtMs, SHARD_ID);
  const type = "connection.paused";
  const row = { shardId: SHARD_ID, id, type, data: "{}", occurrences: 1 } as const;
  return noteOperationalEvents(database, [{ ...row, projectId, subject, occurredAtMs }]);
}

const due = (except: readonly string[] = []) =>
  findDueOperationalEvents(database, { shardIds: [SHARD_ID], dueByMs: Date.now(), except });

test("what is due is read a few of each project at a time, and forgotten a day after it was told", async () => {
  const yesterdayMs = Date.now() - DAY_MS - 1000;
  const otherId = uuids(yesterdayMs, 0);
  for (let number = 0; number < 20; number += 1) {
    await note(`connection ${number}`, yesterdayMs + number, PROJECT_ID);
  }
  await note("connection", yesterdayMs + 100, otherId);
  const all = await due();
  expect(all.map(({ subject }) => subject)).toEqual([
    ...Array.from({ length: 8 }, (_, number) => `connection ${number}`),
    "connection",
  ]);
  const [other, ...none] = await due([PROJECT_ID]);
  expect([other?.projectId, none]).toEqual([otherId, []]);
  expect(await forgetOperationalEvents(database, [SHARD_ID])).toBe(0);
  for (const event of all) {
    const outcome = { isTold: true, isTried: true, nowMs: Date.now(), nextAttemptAtMs: null };
    await settleOperationalEvent(database, event, outcome);
  }
  expect(await forgetOperationalEvents(database, [SHARD_ID])).toBe(9);
});
