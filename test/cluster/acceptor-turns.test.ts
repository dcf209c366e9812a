import { beforeEach, describe, expect, test } from "vitest";
import { Acceptor, type AcceptOutcome } from "../../src/cluster/acceptor.ts";
import { createLog } from "../../src/runtime/log.ts";
import { RequestDeadline } from "../../src/runtime/request-deadline.ts";
import type { AcceptedRow } from "../../src/store/accept-row.ts";
import { NotBegunInTimeError } from "../../src/store/transient-error.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { TestLimits } from "../support/project-limits.ts";
import { acceptRow, uuids } from "../support/rows.ts";
import { noLimit } from "./no-limit.ts";

const PER_PROJECT = 100;
const ATTACKER = "00000000-0000-7000-8000-00000000000a";
const NEIGHBOR = "00000000-0000-7000-8000-00000000000b";

let clock: FakeClock;
let limits: TestLimits;
let acceptor: Acceptor;
/** What is being stored, in order: the project, and how to answer. */
let writing: { readonly projectId: string; readonly store: () => void }[];

beforeEach(() => {
  clock = new FakeClock();
  limits = new TestLimits({ subscriptions_accepting: PER_PROJECT });
  writing = [];
  acceptor = new Acceptor({
    ...noLimit,
    limits,
    clock,
    uuids,
    log: createLog({ level: "silent", format: "json" }),
    owns: () => false,
    write: ({ projectId }) =>
      new Promise<AcceptedRow>((resolve) => {
        writing.push({ projectId, store: () => resolve({ kind: "key_used" }) });
      }),
    findUsedKey: async () => ({ requestHash: "", subscriptionId: "" }),
    watch: () => undefined,
    deliver: () => Promise.resolve(),
    post: () => Promise.resolve(),
  });
});

let jobs = 0;

function accept(projectId: string, deadline?: RequestDeadline): Promise<AcceptOutcome> {
  jobs += 1;
  const key = { idempotencyKey: `key-${jobs}`, requestHash: "of another" };
  return acceptor.accept(acceptRow(`job-${jobs}`, { projectId, ...key }), deadline);
}

const storing = (projectId: string) => writing.filter((row) => row.projectId === projectId).length;

describe("a project that sends ten thousand subscriptions at once", () => {
  test("has a few of them stored at a time; another's is stored without waiting for the rest", async () => {
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

  test("is refused what is beyond all patience", async () => {
    void Array.from({ length: PER_PROJECT + 20_000 }, () => accept(ATTACKER));
    expect(await accept(ATTACKER)).toEqual({ kind: "too_many_at_once" });
    expect(limits.refusals).toEqual(["subscriptions_accepting"]);
    void accept(NEIGHBOR);
    expect(storing(NEIGHBOR)).toBe(1);
  });

  test("waits no longer than its request may take, and then has stored nothing", async () => {
    void Array.from({ length: PER_PROJECT }, () => accept(ATTACKER));
    const late = accept(ATTACKER, new RequestDeadline(clock, 5_000));
    clock.advance(5_000);
    await expect(late).rejects.toThrow(NotBegunInTimeError);
    expect(storing(ATTACKER)).toBe(PER_PROJECT);
  });
});
