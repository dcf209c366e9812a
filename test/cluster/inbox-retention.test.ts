import { afterEach, beforeEach, expect, test } from "vitest";
import { Retention } from "../../src/cluster/retention.ts";
import { inboxTarget } from "../../src/core/delivery/inbox-target.ts";
import { OwnedShards } from "../../src/runtime/owned-shards.ts";
import type { PooledDatabase } from "../../src/store/db/database.ts";
import { claimConsumer, moveConsumer } from "../../src/store/inboxes/consumers.ts";
import { findInbox } from "../../src/store/inboxes/find-inboxes.ts";
import {
  createInbox,
  deleteInbox,
  forgetOldInboxes,
} from "../../src/store/inboxes/manage-inboxes.ts";
import { placeMessages } from "../../src/store/inboxes/place-messages.ts";
import { readMessages } from "../../src/store/inboxes/read-messages.ts";
import { acceptSubscriptions } from "../../src/store/writes/accept-subscriptions.ts";
import { recordEvents } from "../../src/store/writes/record-events.ts";
import { openTestDatabase, type TestDatabase } from "../support/database.ts";
import { acceptRow, completedRow, PROJECT_ID, uuids } from "../support/rows.ts";
import { testRuntime } from "../support/runtime.ts";

const DAY_MS = 24 * 3_600_000;
const INBOX = { projectId: PROJECT_ID, name: "orders" };
const TARGET = inboxTarget(INBOX.name);
const ALL_SHARDS = Array.from({ length: 256 }, (_, shardId) => shardId);

let scene: TestDatabase & { readonly database: PooledDatabase };
let database: PooledDatabase;
let nowMs: number;
beforeEach(async () => {
  scene = await openTestDatabase();
  ({ database } = scene);
  nowMs = Date.now();
});
afterEach(() => scene.drop());

/** Messages that were put into the inbox so long ago. */
async function messages(count: number, agoMs: number): Promise<void> {
  const atMs = nowMs - agoMs;
  for (let index = 0; index < count; index += 1) {
    const ids = { subscriptionId: uuids(atMs, 0), jobRowId: uuids(atMs, 0), nowMs: atMs };
    const target = { callbackUrl: TARGET, callbackOrigin: TARGET };
    const row = acceptRow(`job-${agoMs}-${index}`, { ...ids, ...target, shardId: 0 });
    await acceptSubscriptions(database, [row]);
    const eventId = uuids(atMs, 0);
    await recordEvents(database, [completedRow(row, { eventId, occurredAtMs: atMs })]);
  }
  const newId = uuids(atMs, 0);
  await placeMessages(database, INBOX, {
    newId,
    nowMs: atMs,
    limit: 500,
    inlineResultBytesMax: 99,
  });
}

const retention = (): Retention =>
  new Retention(testRuntime(), {
    database,
    shards: new OwnedShards(ALL_SHARDS),
    keptForMs: 30 * DAY_MS,
  });

const read = async (afterPosition: number) =>
  readMessages(database, INBOX, {
    afterPosition,
    limit: 100,
    bytesMax: 1e6,
    inlineResultBytesMax: 99,
  });

test("messages are removed when their retention is over, acknowledged or not, and count as unread no more", async () => {
  await messages(3, 40 * DAY_MS);
  await messages(2, 1 * DAY_MS);
  const before = await findInbox(database, INBOX, 99);
  expect((await read(0))?.messages).toHaveLength(5);
  await retention().round();
  const page = await read(0);
  expect(page?.messages).toHaveLength(2);
  const after = await findInbox(database, INBOX, 99);
  expect(after?.unreadBytes).toBeCloseTo(((before?.unreadBytes ?? 0) * 2) / 5, 5);
  // A consumer that was among them goes on with what is left.
  expect((await read(1))?.messages).toHaveLength(2);
});

test("an inbox of which everything is removed counts nothing as unread, and goes on where it was", async () => {
  await messages(3, 40 * DAY_MS);
  const last = (await read(0))?.lastPosition ?? 0;
  await retention().round();
  expect(await findInbox(database, INBOX, 99)).toMatchObject({ unreadBytes: 0 });
  await messages(1, 0);
  const page = await read(last);
  expect(page?.messages).toHaveLength(1);
});

test("idle consumers and deleted inboxes are forgotten, but not while messages could be found by them", async () => {
  const longAgoMs = nowMs - 40 * DAY_MS;
  const consumer = (name: string) => ({ ...INBOX, consumer: name });
  await messages(1, 40 * DAY_MS);
  const move = { kind: "ack", newId: uuids(nowMs, 0), position: 1 } as const;
  await moveConsumer(database, consumer("idle"), { ...move, nowMs: longAgoMs });
  await moveConsumer(database, consumer("busy"), { ...move, newId: uuids(nowMs, 0), nowMs });
  const by = { newId: uuids(nowMs, 0), readerId: uuids(nowMs, 0), nodeId: uuids(nowMs, 0) };
  await claimConsumer(database, consumer("reading"), { ...by, nowMs: longAgoMs });
  await createInbox(database, { ...INBOX, name: "gone", id: uuids(nowMs, 0), nowMs: longAgoMs });
  await deleteInbox(database, { ...INBOX, name: "gone", nowMs: longAgoMs });
  const sinceMs = nowMs - 30 * DAY_MS;
  expect(await forgetOldInboxes(database, sinceMs)).toBe(2);
  expect(await forgetOldInboxes(database, sinceMs)).toBe(0);
  await deleteInbox(database, { ...INBOX, nowMs: longAgoMs });
  expect(await forgetOldInboxes(database, sinceMs)).toBe(0);
  await retention().round();
  expect(await forgetOldInboxes(database, sinceMs)).toBe(1);
});
