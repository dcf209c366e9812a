import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../../src/store/db/database.ts";
import {
  findDueOperationalEvents,
  forgetOperationalEvents,
  listOperationalEvents,
  noteOperationalEvents,
  settleOperationalEvent,
} from "../../../src/store/events/operational-events.ts";
import { openTestDatabase } from "../../support/database.ts";
import { PROJECT_ID, uuids } from "../../support/rows.ts";

const SHARD_ID = 7;
const DAY_MS = 24 * 3_600_000;

const DELIVERED = {
  isDelivered: true,
  isTried: true,
  nowMs: Date.now(),
  nextAttemptAtMs: null,
  settledAs: "delivered",
  sentTo: "https://app.example.com/operations",
  httpStatus: 204,
  lastError: null,
} as const;

let database: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterAll(() => drop());

function note(subject: string, occurredAtMs: number, projectId: string): Promise<void> {
  const id = uuids(occurredAtMs, SHARD_ID);
  const type = "connection.paused";
  const row = { shardId: SHARD_ID, id, type, data: "{}", occurrences: 1, isWanted: true } as const;
  return noteOperationalEvents(database, [{ ...row, projectId, subject, occurredAtMs }]);
}

const due = (except: readonly string[] = []) =>
  findDueOperationalEvents(database, { shardIds: [SHARD_ID], dueByMs: Date.now(), except });

test("due events are read a few of each project at a time, and deleted a day after they were sent", async () => {
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
    await settleOperationalEvent(database, event, DELIVERED);
  }
  expect(await forgetOperationalEvents(database, [SHARD_ID])).toBe(9);
});

test("a project's events are listed newest first, page by page and by type, with the end of each", async () => {
  const projectId = uuids(Date.now(), 0);
  const fromMs = Date.now();
  for (let number = 0; number < 5; number += 1) {
    await note(`connection ${number}`, fromMs + number, projectId);
  }
  const id = uuids(fromMs + 10, SHARD_ID);
  const event = {
    shardId: SHARD_ID,
    projectId,
    subject: "provider pulse",
    id,
    type: "provider.unknown_status",
    data: '{"status":12345678901234567890.10}',
    occurrences: 3,
    occurredAtMs: fromMs + 10,
    isWanted: true,
  } as const;
  await noteOperationalEvents(database, [event]);
  const failed = {
    ...DELIVERED,
    isDelivered: false,
    settledAs: null,
    httpStatus: 500,
    lastError: "500",
  };
  const again = { ...failed, nextAttemptAtMs: fromMs + 60_000 };
  await settleOperationalEvent(database, { ...event, attemptCount: 0 }, again);
  const list = (beforeId: string | null, type: "provider.unknown_status" | null = null) =>
    listOperationalEvents(database, { projectId, beforeId, limit: 4, type });

  const first = await list(null);
  expect(first.rows.map(({ occurredAtMs }) => occurredAtMs - fromMs)).toEqual([10, 4, 3, 2]);
  expect(first.rows[0]).toMatchObject({
    data: event.data,
    occurrences: 3,
    settledAs: null,
    sentTo: DELIVERED.sentTo,
    httpStatus: 500,
    lastError: "500",
    dueAtMs: fromMs + 60_000,
  });
  const second = await list(first.lastId);
  expect(second.rows.map(({ occurredAtMs }) => occurredAtMs - fromMs)).toEqual([1, 0]);
  expect(second.lastId).toBeNull();
  const ofType = await list(null, "provider.unknown_status");
  expect(ofType.rows.map((row) => row.id)).toEqual([id]);

  await settleOperationalEvent(database, { ...event, attemptCount: 1 }, DELIVERED);
  const [settled] = (await list(null)).rows;
  expect(settled).toMatchObject({ settledAs: "delivered", httpStatus: 204, lastError: null });
  // A newer event of the subject begins without the end of the former.
  const newer = { ...event, id: uuids(fromMs + 20, SHARD_ID), occurredAtMs: fromMs + 20 };
  await noteOperationalEvents(database, [newer]);
  const [latest] = (await list(null)).rows;
  expect(latest).toMatchObject({ id: newer.id, settledAs: null, sentTo: null, httpStatus: null });
});
