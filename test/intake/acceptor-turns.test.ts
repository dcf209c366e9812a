import { beforeEach, describe, expect, test } from "vitest";
import { Acceptor, type AcceptorOptions, type AcceptOutcome } from "../../src/intake/acceptor.ts";
import { RequestDeadline } from "../../src/runtime/request-deadline.ts";
import type { UsedKey } from "../../src/store/subscriptions/find-idempotency-key.ts";
import { NotBegunInTimeError } from "../../src/store/db/errors.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { TestLimits } from "../support/project-limits.ts";
import { acceptRow, uuids } from "../support/rows.ts";
import { noLimit } from "./no-limit.ts";
import { testRuntime } from "../support/runtime.ts";
import type { AcceptedRow, AcceptRow } from "../../src/store/writes/accept-subscriptions.ts";

const PER_PROJECT = 100;
const ATTACKER = "00000000-0000-7000-8000-00000000000a";
const NEIGHBOR = "00000000-0000-7000-8000-00000000000b";

let clock: FakeClock;
let limits: TestLimits;
let acceptor: Acceptor;
/** The writes in progress, in order: the project, and how to answer. */
let writing: { readonly projectId: string; readonly store: (count?: number) => void }[];

/** An earlier use of any key. */
let used: UsedKey | null;

beforeEach(() => {
  clock = new FakeClock();
  limits = new TestLimits({ subscriptions_accepting: PER_PROJECT });
  writing = [];
  used = { requestHash: "of yet another", subscriptionId: "" };
  acceptor = new Acceptor(testRuntime({ clock, uuids }), options());
});

function options(): AcceptorOptions {
  return {
    ...noLimit,
    limits,
    shards: { has: () => true },
    writers: {
      accept: (row) =>
        new Promise<AcceptedRow>((resolve) => {
          const store = (count?: number): void =>
            resolve(count === undefined ? { kind: "key_used" } : accepted(row, count));
          writing.push({ projectId: row.projectId, store });
        }),
    },
    lookups: {
      isJobKnown: () => Promise.resolve(false),
      findUsedKey: () => Promise.resolve(used),
    },
    poller: { watchAccepted: () => undefined },
    deliveryLoop: { enqueue: () => undefined, deliver: () => Promise.resolve() },
    commands: { send: () => Promise.resolve() },
  };
}

function accepted(row: AcceptRow, subscriptionCount: number): AcceptedRow {
  return {
    kind: "accepted",
    wantedEvents: row.events,
    subscriptionCount,
    providerVersionId: null,
    processingAnnounced: false,
    owedDeliveryId: null,
    owedEvent: null,
    subscription: {
      ...row,
      id: row.subscriptionId,
      createdAtMs: row.nowMs,
      status: "active",
      job: {
        status: "pending",
        acceptedAtMs: row.nowMs,
        deadlineAtMs: row.nowMs + row.deadlineMs,
        endedAtMs: null,
        pollCount: 0,
        lastPolledAtMs: null,
        lastOutcome: null,
        lastError: null,
        progress: null,
      },
    },
  };
}

let jobs = 0;

function accept(
  projectId: string,
  deadline?: RequestDeadline,
  jobId?: string,
): Promise<AcceptOutcome> {
  jobs += 1;
  const key = { idempotencyKey: `key-${jobs}`, requestHash: "of another" };
  const row = acceptRow(jobId ?? `job-${jobs}`, { projectId, ...key });
  return acceptor.accept({ ...row, sealFor: null }, deadline);
}

const storing = (projectId: string) => writing.filter((row) => row.projectId === projectId).length;

describe("a project that sends ten thousand subscriptions at once", () => {
  test("ten thousand subscriptions that a project sends at once are stored a few at a time, and another project's waits for none of the rest", async () => {
    const flood = Array.from({ length: 10_000 }, () => accept(ATTACKER));
    const other = accept(NEIGHBOR);
    expect(storing(ATTACKER)).toBe(PER_PROJECT);
    // In front of it lies what is stored already, never what waits.
    expect(writing.findIndex(({ projectId }) => projectId === NEIGHBOR)).toBe(PER_PROJECT);
    writing[PER_PROJECT]?.store();
    expect((await other).kind).toBe("idempotency_conflict");
    // All of the flood is stored at last.
    for (let stored = 0; stored < 10_001; stored += 1) {
      if (stored === PER_PROJECT) continue;
      while (writing[stored] === undefined) await Promise.resolve();
      writing[stored]?.store();
    }
    await Promise.all(flood);
    expect(limits.used(ATTACKER, "subscriptions_accepting")).toBe(0);
  });

  test("subscriptions of a flood that would wait too long are refused", async () => {
    void Array.from({ length: PER_PROJECT + 20_000 }, () => accept(ATTACKER));
    expect(await accept(ATTACKER)).toEqual({ kind: "too_many_at_once" });
    expect(limits.refusals).toEqual(["subscriptions_accepting"]);
    void accept(NEIGHBOR);
    expect(storing(NEIGHBOR)).toBe(1);
  });

  test("a subscription waits no longer than its request may take, and then nothing of it is stored", async () => {
    void Array.from({ length: PER_PROJECT }, () => accept(ATTACKER));
    const late = accept(ATTACKER, new RequestDeadline(clock, 5_000));
    clock.advance(5_000);
    await expect(late).rejects.toThrow(NotBegunInTimeError);
    expect(storing(ATTACKER)).toBe(PER_PROJECT);
  });
});

describe("a project that has used up what it may", () => {
  test("a project beyond its limits is refused, while a repeated request is answered and another project is served", async () => {
    const reached = (projectId: string) =>
      projectId === ATTACKER ? ("owed_deliveries" as const) : null;
    limits.own.set(ATTACKER, { owed_deliveries: 7 });
    acceptor = new Acceptor(testRuntime({ clock, uuids }), {
      ...options(),
      usage: { reached, accepted: () => undefined },
    });
    used = null;
    expect(await accept(ATTACKER)).toEqual({
      kind: "limit_reached",
      limit: "owed_deliveries",
      allowed: 7,
    });
    expect(limits.refusals).toEqual(["owed_deliveries"]);
    used = { requestHash: "of another", subscriptionId: "s" };
    void accept(ATTACKER);
    void accept(NEIGHBOR);
    while (writing.length < 2) await Promise.resolve();
    expect([storing(ATTACKER), storing(NEIGHBOR)]).toEqual([1, 1]);
  });

  test("a project beyond its limit for one job keeps its other jobs", async () => {
    limits.own.set(ATTACKER, { subscriptions_per_job: 2 });
    used = null;
    const stored = accept(ATTACKER, undefined, "popular");
    writing[0]?.store(2);
    expect((await stored).kind).toBe("accepted");
    expect(await accept(ATTACKER, undefined, "popular")).toMatchObject({
      kind: "limit_reached",
      limit: "subscriptions_per_job",
      allowed: 2,
    });
    void accept(ATTACKER, undefined, "another");
    void accept(NEIGHBOR);
    expect([storing(ATTACKER), storing(NEIGHBOR)]).toEqual([2, 1]);
    // Now and then one is stored, which tells whether the limit is another now.
    clock.advance(5_000);
    void accept(ATTACKER, undefined, "popular");
    expect(storing(ATTACKER)).toBe(3);
  });
});
