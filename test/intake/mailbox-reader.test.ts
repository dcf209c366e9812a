import type { RowKey } from "../../src/store/sql/row-source.ts";
import { shardsIn } from "../support/shards.ts";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type CommandHandlers, MailboxReader } from "../../src/intake/mailbox-reader.ts";
import { ChangeSignal } from "../../src/runtime/change-signal.ts";
import type { Database } from "../../src/store/db/database.ts";
import { postCommands } from "../../src/store/writes/mailbox.ts";
import type { CommandKind } from "../../src/store/schema/schema.ts";
import { openTestDatabase } from "../support/database.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { uuids } from "../support/rows.ts";
import { testRuntime } from "../support/runtime.ts";

const READ_INTERVAL_MS = 250;
const MINE = 7;
const ALSO_MINE = 8;
const NOT_MINE = 9;

let database: Database;
let drop: () => Promise<void>;
let sql: postgres.Sql;
let clock: FakeClock;
let reader: MailboxReader;
let owned: readonly number[];
let hasNeighbors: boolean;
let handled: [keyof CommandHandlers, readonly RowKey[]][];
/** Runs before a handler returns. */
let onHandle: (name: keyof CommandHandlers) => Promise<void> | void;

beforeAll(async () => {
  const opened = await openTestDatabase();
  ({ database, drop } = opened);
  sql = postgres(opened.url, { max: 1 });
});

afterAll(async () => {
  await sql.end({ timeout: 1 });
  await drop();
});

beforeEach(async () => {
  await sql`truncate mailbox`;
  clock = new FakeClock();
  owned = [MINE, ALSO_MINE];
  hasNeighbors = false;
  handled = [];
  onHandle = () => {};
  reader = openReader();
  await reader.start();
});

afterEach(() => reader.stop());

function openReader(changes?: ChangeSignal): MailboxReader {
  const handler = (name: keyof CommandHandlers) => async (keys: readonly RowKey[]) => {
    handled.push([name, keys]);
    await onHandle(name);
  };
  return new MailboxReader(testRuntime({ clock }), {
    database,
    changes,
    hasNeighbors: () => hasNeighbors,
    shards: shardsIn(() => owned),
    handlers: {
      watch: handler("watch"),
      pollNow: handler("pollNow"),
      cancel: handler("cancel"),
      deliver: handler("deliver"),
      inspect: handler("inspect"),
      observe: handler("observe"),
      tryOrigin: handler("tryOrigin"),
    },
  });
}

let notes = 0;

/** Leaves a note; the later, the younger. */
async function post(kind: CommandKind, shardId = MINE): Promise<RowKey> {
  notes += 1;
  const subjectId = uuids(clock.now(), shardId);
  await postCommands(database, [{ shardId, id: uuids(notes, shardId), kind, subjectId }]);
  return { shardId, id: subjectId };
}

/** One look into the mailboxes, and what it brought is handled. */
async function round(): Promise<void> {
  clock.advance(READ_INTERVAL_MS);
  await vi.waitFor(() => expect(clock.timers).toBe(1), { timeout: 60_000, interval: 5 });
}

test("a job is watched before it is polled, canceled or delivered, in whatever order the notes came", async () => {
  const deliver = await post("deliver");
  const cancel = await post("cancel");
  const pollNow = await post("poll_now");
  const watch = await post("watch");
  await round();
  expect(handled).toEqual([
    ["watch", [watch]],
    ["pollNow", [pollNow]],
    ["cancel", [cancel]],
    ["deliver", [deliver]],
  ]);
});

test("notes of one kind are handled together, the oldest first, over all owned shards", async () => {
  const first = await post("watch", ALSO_MINE);
  const second = await post("watch", MINE);
  const third = await post("watch", ALSO_MINE);
  await round();
  expect(handled).toEqual([["watch", [first, second, third]]]);
});

test("beside other nodes a woken reader looks all the time, and alone it rests", async () => {
  await reader.stop();
  const changes = new ChangeSignal();
  reader = openReader(changes);
  await reader.start();
  hasNeighbors = true;
  changes.wake();
  await round();
  const first = await post("watch");
  await round();
  expect(handled).toEqual([["watch", [first]]]);
  hasNeighbors = false;
  await round();
  const left = await post("poll_now");
  clock.advance(READ_INTERVAL_MS);
  changes.wake();
  expect(handled).toEqual([["watch", [first]]]);
  await round();
  expect(handled).toEqual([
    ["watch", [first]],
    ["pollNow", [left]],
  ]);
});

test("one kind is done with before the next begins", async () => {
  await post("watch");
  await post("poll_now");
  const watching = Promise.withResolvers<void>();
  onHandle = (name) => (name === "watch" ? watching.promise : undefined);
  clock.advance(READ_INTERVAL_MS);
  await vi.waitFor(() => expect(handled).toHaveLength(1), { timeout: 60_000, interval: 5 });
  watching.resolve();
  await vi.waitFor(() => expect(handled).toHaveLength(2), { timeout: 60_000, interval: 5 });
});

test("a note is taken once", async () => {
  await post("poll_now");
  await round();
  await round();
  expect(handled).toHaveLength(1);
  expect(await sql`select id from mailbox`).toEqual([]);
});

test("the mailbox of a shard that is not owned is left to its owner", async () => {
  const theirs = await post("watch", NOT_MINE);
  await round();
  expect(handled).toEqual([]);
  owned = [NOT_MINE];
  await round();
  expect(handled).toEqual([["watch", [theirs]]]);
});

test("a node without shards does not even ask", async () => {
  await sql`alter table mailbox rename to not_to_be_read`;
  owned = [];
  await round();
  await sql`alter table not_to_be_read rename to mailbox`;
  const waiting = await post("watch");
  owned = [MINE];
  await round();
  expect(handled).toEqual([["watch", [waiting]]]);
});

test("reading goes on after a handler or the database failed", async () => {
  await post("watch");
  onHandle = () => Promise.reject(new Error("no"));
  await round();
  onHandle = () => {};
  await sql`alter table mailbox rename to out_of_reach`;
  await round();
  await sql`alter table out_of_reach rename to mailbox`;
  const next = await post("poll_now");
  await round();
  expect(handled.at(-1)).toEqual(["pollNow", [next]]);
});

test("a note that could not be dealt with is tried again, and the others of its round are not lost", async () => {
  const first = await post("watch");
  const second = await post("poll_now");
  onHandle = (name) => (name === "watch" ? Promise.reject(new Error("no")) : undefined);
  await round();
  onHandle = () => {};
  await round();
  await round();
  expect(handled).toEqual([
    ["watch", [first]],
    ["pollNow", [second]],
    ["watch", [first]],
  ]);
});

test("stopping waits for what is being handled, and takes nothing more", async () => {
  await post("watch");
  const watching = Promise.withResolvers<void>();
  onHandle = () => watching.promise;
  clock.advance(READ_INTERVAL_MS);
  await vi.waitFor(() => expect(handled).toHaveLength(1), { timeout: 60_000, interval: 5 });
  let stopped = false;
  const stopping = reader.stop().then(() => (stopped = true));
  const left = await post("cancel");
  expect(stopped).toBe(false);
  watching.resolve();
  await stopping;
  expect(clock.timers).toBe(0);
  expect(await sql`select subject_id from mailbox`).toEqual([{ subject_id: left.id }]);
});
