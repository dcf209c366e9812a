import postgres from "postgres";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inboxTarget } from "../../../src/core/delivery/inbox-target.ts";
import type { PooledDatabase } from "../../../src/store/db/database.ts";
import { placeMessages } from "../../../src/store/inboxes/place-messages.ts";
import { readMessages } from "../../../src/store/inboxes/read-messages.ts";
import {
  type AcceptRow,
  acceptSubscriptions,
} from "../../../src/store/writes/accept-subscriptions.ts";
import { recordEvents } from "../../../src/store/writes/record-events.ts";
import { openTestDatabase, type TestDatabase } from "../../support/database.ts";
import { acceptRow, completedRow, PROJECT_ID, uuids } from "../../support/rows.ts";

/*
 * Messages that are committed late. A transaction that records one is held open after its messages
 * were written, while younger ones are committed and read.
 */

const NAME = "orders";
const INBOX = { projectId: PROJECT_ID, name: NAME };
const TARGET = inboxTarget(NAME);

let scene: TestDatabase & { readonly database: PooledDatabase };
let other: postgres.Sql;

beforeEach(async () => {
  scene = await openTestDatabase();
  other = postgres(scene.url, { max: 4, onnotice: () => {} });
});
afterEach(async () => {
  await other.end({ timeout: 1 });
  await scene.drop();
});

async function subscribed(jobId: string): Promise<AcceptRow> {
  const row = acceptRow(jobId, { callbackUrl: TARGET, callbackOrigin: TARGET });
  await acceptSubscriptions(scene.database, [row]);
  return row;
}

/** Records the end of a job; returns the id of the message. */
async function ended(row: AcceptRow): Promise<string> {
  const [recorded] = await recordEvents(scene.database, [completedRow(row)]);
  return recorded?.owed[0]?.id ?? "";
}

/** The same in a transaction of its own, which commits when it is told to. */
async function endedLate(row: AcceptRow): Promise<{ id: string; commit(): Promise<void> }> {
  const held = Promise.withResolvers<void>();
  const written = Promise.withResolvers<string>();
  const transaction = other.begin(async (sql) => {
    const bound = { sql, run: runOn(sql) };
    const [recorded] = await recordEvents(bound.run, [completedRow(row)]);
    written.resolve(recorded?.owed[0]?.id ?? "");
    await held.promise;
  });
  return {
    id: await written.promise,
    async commit() {
      held.resolve();
      await transaction;
    },
  };
}

/** Everything on one connection, within its transaction. */
function runOn(sql: postgres.TransactionSql): PooledDatabase {
  const call = (_name: string, work: (on: never) => Promise<unknown>) => work(sql as never);
  return { run: call, transaction: call } as never;
}

function place(limit = 500): Promise<number> {
  const nowMs = Date.now();
  return placeMessages(scene.database, INBOX, {
    newId: uuids(nowMs, 0),
    nowMs,
    limit,
    inlineResultBytesMax: 1024,
  });
}

async function read(afterPosition: number): Promise<{ ids: string[]; position: number }> {
  const page = await readMessages(scene.database, INBOX, {
    afterPosition,
    limit: 100,
    bytesMax: 1_000_000,
    inlineResultBytesMax: 1024,
  });
  const messages = page?.messages ?? [];
  return {
    ids: messages.map(({ message }) => message.delivery.id),
    position: messages.at(-1)?.position ?? afterPosition,
  };
}

test("a message that is committed late, with an id before others that were read, is read after them", async () => {
  const [late, early] = [await subscribed("late"), await subscribed("early")];
  const first = await endedLate(late);
  // Ids are in order only across milliseconds.
  await sleep(5);
  const secondId = await ended(early);
  expect(first.id < secondId).toBe(true);
  expect(await place()).toBe(1);
  const before = await read(0);
  expect(before.ids).toEqual([secondId]);
  // A reader that goes on behind the last id that it has seen, or the last time, never sees it.
  await first.commit();
  const naive = await other`
    select id from deliveries where id > ${secondId} order by id`;
  expect(naive).toEqual([]);
  expect(await place()).toBe(1);
  const after = await read(before.position);
  expect(after.ids).toEqual([first.id]);
});

test("many writers that commit in any order, and a reader in between, lose and repeat nothing", async () => {
  const rows = await Promise.all(
    Array.from({ length: 24 }, (_, index) => subscribed(`job-${index}`)),
  );
  const seen: string[] = [];
  let position = 0;
  const readOn = async (): Promise<void> => {
    await place(2);
    const page = await read(position);
    seen.push(...page.ids);
    ({ position } = page);
  };
  const expected: string[] = [];
  for (let from = 0; from < rows.length; from += 4) {
    const [a, b, c, d] = rows.slice(from, from + 4);
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error();
    const [held, alsoHeld] = [await endedLate(a), await endedLate(b)];
    expected.push(held.id, alsoHeld.id, await ended(c));
    await readOn();
    await alsoHeld.commit();
    await Promise.all([readOn(), ended(d).then((id) => expected.push(id))]);
    await held.commit();
  }
  while ((await place()) > 0);
  await readOn();
  expect(seen).toHaveLength(rows.length);
  expect(new Set(seen)).toEqual(new Set(expected));
});

test("two nodes that give out positions at once give none twice and leave no gap behind a reader", async () => {
  const rows = await Promise.all(
    Array.from({ length: 60 }, (_, index) => subscribed(`job-${index}`)),
  );
  await Promise.all(rows.map((row) => ended(row)));
  const seen: string[] = [];
  let position = 0;
  let left = rows.length;
  while (left > 0) {
    const [first, second, page] = await Promise.all([place(7), place(7), read(position)]);
    left -= first + second;
    seen.push(...page.ids);
    ({ position } = page);
  }
  seen.push(...(await read(position)).ids);
  expect(seen).toHaveLength(rows.length);
  expect(new Set(seen).size).toBe(rows.length);
  const positions = await other`
    select count(distinct inbox_position)::int as count from deliveries where inbox_position > 0`;
  expect(positions).toEqual([{ count: rows.length }]);
});

test("a node that holds the inbox holds up no other one, and no message", async () => {
  const row = await subscribed("job");
  await place();
  const id = await ended(row);
  const free = Promise.withResolvers<void>();
  const holder = other.begin(async (sql) => {
    await sql`select from inboxes for update`;
    await free.promise;
  });
  await untilHeld();
  expect(await place()).toBe(0);
  free.resolve();
  await holder;
  expect(await place()).toBe(1);
  expect((await read(0)).ids).toEqual([id]);
});

async function untilHeld(): Promise<void> {
  for (;;) {
    const free = await other`select from inboxes for update skip locked`;
    if (free.length === 0) return;
    await sleep(1);
  }
}

test("a message whose row is locked is passed over and has its turn later, behind the others", async () => {
  const [locked, other1] = [await subscribed("locked"), await subscribed("free")];
  const lockedId = await ended(locked);
  const freeId = await ended(other1);
  const free = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  const holder = other.begin(async (sql) => {
    await sql`select from deliveries where id = ${lockedId} for update`;
    isHeld.resolve();
    await free.promise;
  });
  await isHeld.promise;
  expect(await place()).toBe(1);
  free.resolve();
  await holder;
  expect(await place()).toBe(1);
  expect((await read(0)).ids).toEqual([freeId, lockedId]);
});
