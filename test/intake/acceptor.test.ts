import postgres from "postgres";
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Acceptor, type AcceptOutcome } from "../../src/intake/acceptor.ts";
import type { RowKey } from "../../src/store/sql/row-source.ts";
import { eventMask, WANTS_RESULT_FETCHED } from "../../src/core/delivery/event.ts";
import { shardOfUuid, shardOfJob } from "../../src/core/ids/ids.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import type { Database } from "../../src/store/db/database.ts";
import { findIdempotencyKey } from "../../src/store/subscriptions/find-idempotency-key.ts";
import { QueueFullError } from "../../src/store/writes/group-commit.ts";
import { type LiveJob, loadJobs } from "../../src/store/jobs/load-jobs.ts";
import { postCommands, takeCommands } from "../../src/store/writes/mailbox.ts";
import { loadDeliveries, type LoadedDelivery } from "../../src/store/deliveries/load-deliveries.ts";
import { type EventRow, recordEvents } from "../../src/store/writes/record-events.ts";
import type { Writers } from "../../src/store/writes/writers.ts";
import { openWriters } from "../support/writers.ts";
import { openTestDatabase } from "../support/database.ts";
import { acceptRow, completedRow, CONNECTION_ID, uuids } from "../support/rows.ts";
import { noLimit } from "./no-limit.ts";
import { testRuntime } from "../support/runtime.ts";
import type { AcceptRequest, OwedEvent } from "../../src/store/writes/accept-subscriptions.ts";

const silent = createLog({ level: "silent", format: "json" });

let database: Database;
let drop: () => Promise<void>;
let sql: postgres.Sql;
let writers: Writers;
let acceptor: Acceptor;
/** Asked once before the row is stored and once after. */
let owns: boolean[];
let watched: LiveJob[];
/** Named by their ids, to be read. */
let delivered: RowKey[];
/** Handed over in memory. */
let owed: LoadedDelivery[];
/** Set to let the hand-over by mailbox fail. */
let postFailure: Error | null;
let isFull: boolean;

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
  await sql`truncate jobs, subscriptions, events, deliveries, mailbox, idempotency_keys`;
  writers = openWriters(database);
  owns = [true, true];
  watched = [];
  delivered = [];
  owed = [];
  postFailure = null;
  isFull = false;
  acceptor = newAcceptor();
});

afterEach(() => writers.stop());

function newAcceptor(): Acceptor {
  return new Acceptor(testRuntime({ uuids, log: silent }), {
    shards: { has: () => (owns.length > 1 ? owns.shift() : owns[0]) ?? false },
    writers: {
      accept: (row) => (isFull ? Promise.reject(new QueueFullError("full")) : writers.accept(row)),
    },
    ...noLimit,
    lookups: {
      isJobKnown: () => Promise.resolve(false),
      findUsedKey: (key) => findIdempotencyKey(database, key),
    },
    poller: { watchAccepted: (job) => void watched.push(job) },
    deliveryLoop: {
      enqueue: (deliveries, event, resultBytes) => {
        for (const delivery of deliveries)
          owed.push({ delivery, event, resultBytes, wasTooLarge: false });
      },
      deliver: (keys) => {
        delivered.push(...keys);
        return Promise.resolve();
      },
    },
    commands: {
      async send(kind, subjects) {
        if (postFailure !== null) throw postFailure;
        const mail = subjects.map(({ shardId, id: subjectId }) => {
          return { shardId, id: uuids(Date.now(), shardId), kind, subjectId };
        });
        await postCommands(database, mail);
      },
    },
  });
}

/** The API's request; its ids are not the acceptor's. */
function request(jobId: string, overrides: Partial<AcceptRequest> = {}): AcceptRequest {
  return { ...acceptRow(jobId), sealFor: null, ...overrides };
}

type Accepted = Extract<AcceptOutcome, { kind: "accepted" }>["subscription"];

async function accepted(jobId: string, overrides?: Partial<AcceptRequest>): Promise<Accepted> {
  const outcome = await acceptor.accept(request(jobId, overrides));
  if (outcome.kind !== "accepted") throw new Error(`not accepted: ${outcome.kind}`);
  return outcome.subscription;
}

/** Waits until the hand-over, which runs in the background, has left its note. */
async function mailOf(shardId: number) {
  return vi.waitFor(
    async () => {
      const mail = await takeCommands(database, [shardId]);
      expect(mail).not.toEqual([]);
      return mail.map(({ kind, subjectId }) => ({ kind, subjectId }));
    },
    { timeout: 60_000, interval: 10 },
  );
}

async function countSubscriptions(): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from subscriptions`;
  return row?.count ?? -1;
}

describe("an accepted subscription", () => {
  test("an accepted subscription is stored in the shard of its job, which its id carries", async () => {
    const { id, shardId, jobRowId } = await accepted("job-1");
    expect(shardId).toBe(shardOfJob(CONNECTION_ID, "job-1"));
    expect([shardOfUuid(id), shardOfUuid(jobRowId)]).toEqual([shardId, shardId]);
    expect(await sql`select id, job_row_id from subscriptions where shard_id = ${shardId}`).toEqual(
      [{ id, job_row_id: jobRowId }],
    );
  });

  test("a subscription in an owned shard is watched at once, exactly as it would be loaded from the database", async () => {
    const { shardId, jobRowId } = await accepted("job-1", { params: { b: "2", a: "1" } });
    expect(watched).toEqual(await loadJobs(database, [{ shardId, id: jobRowId }]));
    expect(await sql`select id from mailbox`).toEqual([]);
  });

  test("a subscription in another node's shard leaves that node a command in the same transaction", async () => {
    owns = [false];
    const { shardId, jobRowId } = await accepted("job-1");
    // No waiting: what is committed with the subscription is there once it is answered.
    expect(await takeCommands(database, [shardId])).toMatchObject([
      { kind: "watch", subjectId: jobRowId },
    ]);
    expect(watched).toEqual([]);
  });

  test.for<[string, boolean[]]>([
    ["went to another node", [true, false]],
    ["came to this node", [false, true]],
  ])(
    "a subscription whose shard %s while it was being stored is passed on by mailbox",
    async ([, ownership]) => {
      owns = ownership;
      const { shardId, jobRowId } = await accepted("job-1");
      expect(watched).toEqual([]);
      expect(await mailOf(shardId)).toEqual([{ kind: "watch", subjectId: jobRowId }]);
    },
  );

  test("a subscription is answered as accepted even if its hand-over fails", async () => {
    owns = [true, false];
    postFailure = new Error("the database went away");
    await expect(acceptor.accept(request("job-1"))).resolves.toMatchObject({ kind: "accepted" });
  });

  test("a subscription to a watched job joins it, with the later deadline and the events of both", async () => {
    const first = await accepted("job-1", { events: eventMask(["job.completed"]) });
    const second = await accepted("job-1", {
      events: eventMask(["job.failed"]),
      deadlineMs: 7_200_000,
    });
    expect(second.jobRowId).toBe(first.jobRowId);
    expect(watched).toHaveLength(2);
    expect(watched[1]).toMatchObject({
      wantedEvents: eventMask(["job.completed", "job.failed"]),
      deadlineAtMs: second.createdAtMs + 7_200_000,
    });
  });

  test("the same job id with the same params in another order is the same job; with other params it is not", async () => {
    const first = await accepted("job-1", { params: { region: "eu", tenant: "a" } });
    const same = await accepted("job-1", { params: { tenant: "a", region: "eu" } });
    const other = await accepted("job-1", { params: { tenant: "b", region: "eu" } });
    expect(same.jobRowId).toBe(first.jobRowId);
    expect(other.jobRowId).not.toBe(first.jobRowId);
  });
});

describe("a subscription for a job that has ended", () => {
  async function endedJob(jobId: string, ending: Partial<EventRow> = {}): Promise<void> {
    const job = await accepted(jobId);
    await recordEvents(database, [completedRow(job, ending)]);
    watched = [];
  }

  async function owedTo(subscription: Accepted): Promise<string> {
    const [row] = await sql<{ id: string }[]>`
      select id from deliveries where subscription_id = ${subscription.id}`;
    return row?.id ?? "none";
  }

  test("a late subscription is delivered at once by the owner of the shard", async () => {
    await endedJob("job-1");
    const late = await accepted("job-1");
    expect(late.status).toBe("delivering");
    expect(owed.map(({ delivery }) => delivery.id)).toEqual([await owedTo(late)]);
    expect([watched, delivered]).toEqual([[], []]);
  });

  test("a late subscription is handed over in memory exactly as it would be loaded from the database", async () => {
    await endedJob("job-1", {
      upstreamCreatedAt: "2026-01-01",
      error: 'a "quoted" \\ error',
      result: '{"pages": [1.10, "ä\\u0000"]}',
      resultBytes: 30,
    });
    const sealed = { headers: "sealed headers", secret: "sealed secret" };
    const late = await accepted("job-1", {
      events: eventMask(["job.completed", "job.processing"]) | WANTS_RESULT_FETCHED,
      metadata: '{"invoice":17}',
      payload: "full",
      retrySchedule: "[5,30]",
      signatures: 2,
      trace: "00-trace",
      sealFor: () => sealed,
    });
    const loaded = await loadDeliveries(
      database,
      [{ shardId: late.shardId, id: await owedTo(late) }],
      1000,
    );
    const [{ delivery, event, ...rest } = expect.fail("nothing was handed over")] = owed;
    expect(loaded).toEqual([
      expect.objectContaining({ delivery: expect.objectContaining(delivery), ...rest }),
    ]);
    const { id, resultBytes: _, ...content } = event as OwedEvent;
    expect(loaded[0]?.event).toMatchObject({ eventId: id, ...content });
  });

  test("a late subscription's event that is too large to hand over is read from the database", async () => {
    const result = JSON.stringify("x".repeat(20_000));
    await endedJob("job-1", { result, resultBytes: result.length });
    const late = await accepted("job-1");
    expect(delivered).toEqual([{ shardId: late.shardId, id: await owedTo(late) }]);
    expect(owed).toEqual([]);
  });

  test("late subscriptions that come together cost one statement, and do not write the ended job", async () => {
    await endedJob("job-1");
    await endedJob("job-2");
    const jobVersions = () => sql`select ctid::text, xmin::text from jobs order by id`;
    const before = await jobVersions();
    const statements = vi.spyOn(database, "run");
    const transactions = vi.spyOn(database, "transaction");
    const late = await Promise.all(
      Array.from({ length: 60 }, (_, index) => accepted(`job-${1 + (index % 2)}`)),
    );
    expect(statements.mock.calls.map(([name]) => name)).toEqual(["accept-subscriptions"]);
    expect(transactions.mock.calls).toEqual([]);
    statements.mockRestore();
    transactions.mockRestore();
    expect(owed.map(({ delivery }) => delivery.subscriptionId).toSorted()).toEqual(
      late.map(({ id }) => id).toSorted(),
    );
    // One event for all that hear of it.
    expect(new Set(owed.map(({ event }) => event)).size).toBe(2);
    expect(await jobVersions()).toEqual(before);
    expect(await sql`select count(*)::int as owed from deliveries`).toEqual([{ owed: 60 + 2 }]);
  });

  test("a late subscription leaves the owner a command about its delivery, whenever the shard was lost", async () => {
    await endedJob("job-1");
    for (const ownership of [[false], [true, false]]) {
      owns = ownership;
      const late = await accepted("job-1");
      expect(await mailOf(late.shardId)).toEqual([
        { kind: "deliver", subjectId: await owedTo(late) },
      ]);
    }
    expect([owed, delivered]).toEqual([[], []]);
  });

  test("a late subscription that wants another ending gets no delivery, and no command is sent", async () => {
    await endedJob("job-1");
    for (const ownership of [[true], [false]]) {
      owns = ownership;
      const late = await accepted("job-1", { events: eventMask(["job.failed"]) });
      expect(late.status).toBe("delivered");
      expect(await owedTo(late)).toBe("none");
    }
    expect([watched, owed, delivered]).toEqual([[], [], []]);
    expect(await sql`select id from mailbox`).toEqual([]);
  });
});

describe("an idempotency key", () => {
  function keyed(text: string, key = "key-1") {
    const requestHash = createHash("sha256").update(text).digest("hex");
    return { idempotencyKey: key, requestHash };
  }

  test("an idempotency key replays the same request: one subscription, one hand-over", async () => {
    const first = await accepted("job-1", keyed("a"));
    expect(await acceptor.accept(request("job-1", keyed("a")))).toEqual({
      kind: "replayed",
      subscriptionId: first.id,
    });
    expect(await countSubscriptions()).toBe(1);
    expect(watched).toHaveLength(1);
  });

  test("an idempotency key refuses a different request, and nothing of it is stored", async () => {
    await accepted("job-1", keyed("a"));
    expect(await acceptor.accept(request("job-2", keyed("b")))).toEqual({
      kind: "idempotency_conflict",
    });
    expect(await countSubscriptions()).toBe(1);
    expect(await sql`select job_id from jobs`).toEqual([{ job_id: "job-1" }]);
  });

  test("an idempotency key used by ten requests at the same time makes one subscription", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => acceptor.accept(request("job-1", keyed("a")))),
    );
    const made = outcomes.filter((outcome) => outcome.kind === "accepted");
    expect(made).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.kind === "replayed")).toEqual(
      Array.from({ length: 9 }, () => ({
        kind: "replayed",
        subscriptionId: made[0]?.subscription.id,
      })),
    );
    expect(await countSubscriptions()).toBe(1);
  });

  test("an idempotency key of one project is independent of the same key of another", async () => {
    await accepted("job-1", keyed("a"));
    const projectId = uuids(Date.now(), 0);
    await accepted("job-1", { ...keyed("b"), projectId, connectionId: uuids(Date.now(), 0) });
    expect(await countSubscriptions()).toBe(2);
  });

  test("an idempotency key may be used for something else after a day", async () => {
    const first = await accepted("job-1", keyed("a"));
    await sql`update idempotency_keys set created_at = created_at - interval '24 hours 1 second'`;
    const second = await accepted("job-1", keyed("b"));
    expect(second.id).not.toBe(first.id);
    expect(await acceptor.accept(request("job-1", keyed("b")))).toEqual({
      kind: "replayed",
      subscriptionId: second.id,
    });
  });
});

describe("overload", () => {
  test("overload is answered before anything is stored", async () => {
    isFull = true;
    expect(await acceptor.accept(request("job-1"))).toEqual({ kind: "overloaded" });
    expect(await countSubscriptions()).toBe(0);
    expect(watched).toEqual([]);
  });

  test("overload is not confused with a failure, which the caller sees", async () => {
    await sql`alter table subscriptions rename to out_of_reach`;
    await expect(acceptor.accept(request("job-1"))).rejects.toThrow("does not exist");
    await sql`alter table out_of_reach rename to subscriptions`;
    expect(watched).toEqual([]);
  });
});
