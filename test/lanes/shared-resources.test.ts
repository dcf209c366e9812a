import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ClientConnections } from "../../src/api/client-connections.ts";
import { PagedBodies } from "../../src/api/http/paged-body.ts";
import { inboxPageTurns } from "../../src/api/inboxes/reader.ts";
import { BodyBudget } from "../../src/api/request/body-budget.ts";
import { ListTurns } from "../../src/api/request/list-turns.ts";
import { RequestAdmission } from "../../src/api/request/request-admission.ts";
import { WaitingRequests } from "../../src/api/request/waiting-requests.ts";
import { ApiKeyDirectory } from "../../src/cluster/api-key-directory.ts";
import { HEALTHY } from "../../src/core/job/job.ts";
import { OutboxSpace } from "../../src/delivery/outbox/outbox-space.ts";
import { egressTurns } from "../../src/gateway/egress.ts";
import { acceptingTurns } from "../../src/intake/acceptor.ts";
import { EqualShares } from "../../src/lanes/equal-shares.ts";
import type { FairSemaphore } from "../../src/lanes/fair-semaphore.ts";
import type { MemoryBudget } from "../../src/lanes/memory-budget.ts";
import { ReadingTime } from "../../src/lanes/reading-time.ts";
import type { SharedResource } from "../../src/lanes/shared-resources.ts";
import { Turns } from "../../src/lanes/turns.ts";
import { answerThreadTurns } from "../../src/polling/request/body-reader.ts";
import { answerBudget } from "../../src/polling/request/status-fetcher.ts";
import { downloadTurns } from "../../src/polling/result/fetcher.ts";
import { databaseTurns } from "../../src/store/db/bounded-calls.ts";
import { GroupCommit } from "../../src/store/writes/group-commit.ts";
import { heldAnswersBudget } from "../../src/via/via.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { TestLimits } from "../support/project-limits.ts";
import { testRuntime } from "../support/runtime.ts";
import { newOrigin, setLane } from "./lane-harness.ts";

/*
 * One property for everything that projects compete for: no sequence of requests of some changes the turn
 * of another by more than their share. A resource that is not in the record below does not compile.
 */

const LOUD = ["loud 1", "loud 2", "loud 3", "loud 4", "loud 5"];
const QUIET = "quiet";
const MIB = 2 ** 20;
/** Of these resources, one that asks gets its part at once, whatever the others have. */
const AT_ONCE = 0;
/** Of these, each of the others gets one more at most before it. */
const A_TURN_EACH = LOUD.length;

/** A resource, as those who compete for it see it. */
interface Contest {
  /** @param granted called once, when `who` has what it asks for; never when it is refused */
  ask(who: string, granted: () => void): void;
  /** Ends the use that `who` began first, if there is any. */
  end(who: string): void;
  /** What ends by itself, or time. */
  pass?(): void;
  /** How many requests of others may be granted between a request of the quiet one and its grant. */
  readonly othersMax: number;
  /** How many requests each of the loud ones begins with: more than there is. */
  readonly crowd: number;
}

/** What each of them holds, in the order in which it got it. */
class Held<Use> {
  readonly #uses = new Map<string, Use[]>();

  add(who: string, use: Use): void {
    const uses = this.#uses.get(who);
    if (uses === undefined) this.#uses.set(who, [use]);
    else uses.push(use);
  }

  take(who: string): Use | undefined {
    return this.#uses.get(who)?.shift();
  }
}

function semaphore(turns: FairSemaphore, crowd = 100): Contest {
  return {
    othersMax: A_TURN_EACH,
    crowd,
    ask(who, granted) {
      void turns.acquire(who).then((acquisition) => acquisition === "acquired" && granted());
    },
    end(who) {
      if (turns.heldBy(who) > 0) turns.release(who);
    },
  };
}

interface Holder {
  readonly projectId: string;
}

/** Loud ones ask for much and for little in turns, the quiet one for little. */
function memory(budget: MemoryBudget<Holder>, bytesMax: number): Contest {
  const held = new Held<Holder>();
  let asked = 0;
  return {
    othersMax: A_TURN_EACH,
    crowd: 20,
    ask(projectId, granted) {
      const holder = { projectId };
      const part = projectId === QUIET ? 0.1 : ([0.1, 0.45, 0.25][(asked += 1) % 3] ?? 0);
      budget.enter(holder, bytesMax * part, () => {
        held.add(projectId, holder);
        granted();
      });
    },
    end(who) {
      const holder = held.take(who);
      if (holder !== undefined) budget.leave(holder);
    },
  };
}

function equalShares(resource: SharedResource): Contest {
  const shares = new EqualShares(resource, 128);
  return {
    othersMax: AT_ONCE,
    crowd: 128,
    ask: (who, granted) => void (shares.tryTake(who) && granted()),
    end(who) {
      if (shares.takenBy(who) > 0) shares.giveBack(who);
    },
  };
}

/** Rows that are written in batches, the oldest batch first. */
function rows(resource: SharedResource, rowsPerBatchMax: number, batchesInFlightMax = 1): Contest {
  const commits: (() => void)[] = [];
  const queue = new GroupCommit<Holder, null>({
    resource,
    rowsPerBatchMax,
    batchesInFlightMax,
    groupOf: ({ projectId }) => projectId,
    commit: (batch) =>
      new Promise((resolve) => {
        commits.push(() => resolve(batch.map(() => null)));
      }),
    compare: () => 0,
    failureOf: () => "refused",
    clock: new FakeClock(),
    random: () => 0.5,
    batchDelayMs: 0,
  });
  return {
    // Those in flight, and those of its own batch or with turns before it.
    othersMax: batchesInFlightMax * rowsPerBatchMax + Math.max(rowsPerBatchMax, LOUD.length),
    crowd: 5 * rowsPerBatchMax,
    ask: (projectId, granted) => void queue.write({ projectId }).then(granted),
    end: () => undefined,
    pass: () => commits.shift()?.(),
  };
}

function origin(resource: SharedResource, concurrency: number): Contest {
  const clock = new FakeClock();
  const shared = newOrigin(clock, { resource, concurrency });
  const lanes = new Map(
    [...LOUD, QUIET].map((who) => {
      const started: { name: string; atMs: number }[] = [];
      const lane = setLane({}, { clock, gate: shared.gateOf(who), started });
      return [who, { ...lane, started, grants: new Array<() => void>(), seen: 0, settled: 0 }];
    }),
  );
  let asked = 0;
  const notice = (): void => {
    for (const lane of lanes.values()) {
      while (lane.seen < lane.started.length) lane.grants[lane.seen++]?.();
    }
  };
  return {
    othersMax: A_TURN_EACH,
    crowd: 40,
    ask(who, granted) {
      const lane = lanes.get(who);
      lane?.grants.push(granted);
      lane?.push(`${(asked += 1)}`);
      notice();
    },
    end(who) {
      const lane = lanes.get(who);
      const first = lane?.started[lane.settled];
      if (lane === undefined || first === undefined) return;
      lane.settled += 1;
      lane.settle(first.name, HEALTHY);
      notice();
    },
    pass: () => {
      clock.advance(1);
      notice();
    },
  };
}

const egress = (perProject: number) =>
  egressTurns(() => perProject, { upstream: 40, callback: 40, listener: 40 });

const CONTESTS: Readonly<Record<SharedResource, () => Contest>> = {
  answer_bytes: () => memory(answerBudget(100 * MIB, new TestLimits()), 100 * MIB),
  answer_thread: () => semaphore(answerThreadTurns()),
  attempt_rows: () => rows("attempt_rows", 10),
  attempts_unrecorded: () => equalShares("attempts_unrecorded"),
  callback_connections: () => semaphore(egress(16).callbackConnections),
  callback_connections_opening: () => semaphore(egress(128).callbackOpening, 150),
  callback_requests: () => ({ ...origin("callback_requests", Infinity), othersMax: AT_ONCE }),
  client_connections() {
    const open = new Held<{ isOpen: boolean; destroy: () => void }>();
    const connections = new ClientConnections<{ destroy(): void }>({
      connectionsMax: 100,
      connectionsPerAddressMax: 100,
    });
    return {
      othersMax: AT_ONCE,
      crowd: 50,
      ask(address, granted) {
        const connection = { isOpen: true, destroy: () => void (connection.isOpen = false) };
        connections.opened(connection, address);
        if (!connection.isOpen) return;
        if (address !== QUIET) connections.began(connection);
        open.add(address, connection);
        granted();
      },
      end(address) {
        const connection = open.take(address);
        if (connection?.isOpen === true) connections.closed(connection);
      },
    };
  },
  database_calls: () => semaphore(databaseTurns({ connectionsMax: 12, callsPerGroupMax: () => 3 })),
  downloads: () => semaphore(downloadTurns(new TestLimits())),
  event_rows: () => rows("event_rows", 10),
  fan_outs() {
    const turns = new Turns<() => void>("fan_outs");
    return {
      othersMax: A_TURN_EACH,
      crowd: 16,
      ask: (who, granted) => turns.add(who, granted),
      end: () => undefined,
      pass: () => turns.take()?.(),
    };
  },
  held_answer_bytes: () => memory(heldAnswersBudget(100 * MIB), 100 * MIB),
  inbox_pages: () => semaphore(inboxPageTurns()),
  key_lookups() {
    const perSource = 32;
    const lookups: ((error: Error) => void)[] = [];
    const run = () => new Promise<never>((_, reject) => void lookups.push(reject));
    const database = { run, transaction: run };
    const directory = new ApiKeyDirectory(testRuntime({ clock: new FakeClock() }), {
      database: { ...database, within: () => database },
    });
    let keys = 0;
    return {
      // All that wait now, and as many that are looked up together with its own.
      othersMax: 2 * LOUD.length * perSource,
      crowd: 100,
      ask(source, granted) {
        const found = directory.lookUp(`key ${(keys += 1)}`, source, perSource);
        void found?.then(granted, granted);
      },
      end: () => undefined,
      pass: () => lookups.shift()?.(new Error("looked up")),
    };
  },
  large_event_rows: () => rows("large_event_rows", 10),
  lists() {
    const turns = new ListTurns(new TestLimits(), new FakeClock());
    const held = new Held<() => void>();
    return {
      othersMax: A_TURN_EACH,
      crowd: 40,
      ask(who, granted) {
        void turns.answer(who, () => {
          granted();
          return new Promise((resolve) => {
            held.add(who, () => resolve({ status: 204, headers: {}, body: null }));
          });
        });
      },
      end: (who) => held.take(who)?.(),
    };
  },
  name_lookups: () => semaphore(egress(16).lookups),
  outbox() {
    const space = new OutboxSpace();
    const bytes = MIB / 4;
    const held = new Held<number>();
    return {
      othersMax: AT_ONCE,
      crowd: 1_000,
      ask(who, granted) {
        if (space.leftFor(who) === "none") return;
        space.take(who, bytes);
        held.add(who, bytes);
        granted();
      },
      end(who) {
        const taken = held.take(who);
        if (taken !== undefined) space.giveBack(who, taken);
      },
    };
  },
  reading_time() {
    const time = new ReadingTime(() => 500);
    const begun = new Held<true>();
    let nowMs = 0;
    return {
      othersMax: AT_ONCE,
      crowd: 500,
      ask(who, granted) {
        const share = time.of(who);
        if (!share.mayBegin(nowMs)) return;
        share.begin();
        begun.add(who, true);
        granted();
      },
      end(who) {
        if (begun.take(who) === undefined) return;
        time.of(who).end();
        time.of(who).charge(40, nowMs);
      },
      pass: () => void (nowMs += 10),
    };
  },
  refusals_held: () => equalShares("refusals_held"),
  request_bytes() {
    const bodyBytes = MIB;
    // With what bodies are parsed to, a few of them.
    const budget = new BodyBudget(100 * bodyBytes, new TestLimits(), new FakeClock());
    const request = new Request("http://gateway", {
      headers: { "content-length": `${bodyBytes}` },
    });
    const held = new Held<() => void>();
    return {
      othersMax: A_TURN_EACH,
      crowd: 100,
      ask(who, granted) {
        void budget.admit(request, who, bodyBytes).then((leave) => {
          if (leave === null) return;
          held.add(who, leave);
          granted();
        });
      },
      end: (who) => held.take(who)?.(),
    };
  },
  requests() {
    const limits = new TestLimits({ requests_per_second: 1_000_000 });
    const admission = new RequestAdmission(limits, new FakeClock());
    const begunPerTurn = 16;
    return {
      othersMax: begunPerTurn + LOUD.length,
      crowd: 100,
      ask: (who, granted) => void Promise.resolve(admission.admit(who)).then(granted),
      end: () => undefined,
    };
  },
  requests_waiting() {
    const limits = new TestLimits({ requests_waiting: 10 });
    const requests = new WaitingRequests(limits, new FakeClock(), 20);
    const held = new Held<true>();
    return {
      othersMax: A_TURN_EACH,
      crowd: 40,
      ask(who, granted) {
        void requests.enter(who, new AbortController().signal).then((refusal) => {
          if (refusal !== null) return;
          held.add(who, true);
          granted();
        });
      },
      end(who) {
        if (held.take(who) !== undefined) requests.leave(who);
      },
    };
  },
  result_readers() {
    const bodies = new PagedBodies(new TestLimits(), new FakeClock());
    const held = new Held<() => void>();
    let results = 0;
    return {
      othersMax: AT_ONCE,
      crowd: 60,
      ask(projectId, granted) {
        const body = bodies.admit({ projectId, eventId: `${(results += 1)}` });
        if (typeof body === "string") return;
        held.add(projectId, () => body.end("read"));
        granted();
      },
      end: (who) => held.take(who)?.(),
    };
  },
  result_rows: () => rows("result_rows", 1, 2),
  subscription_rows: () => rows("subscription_rows", 10, 2),
  subscriptions_accepting: () => semaphore(acceptingTurns(new TestLimits()), 1_000),
  upstream_connections: () => semaphore(egress(16).upstreamConnections),
  upstream_connections_opening: () => semaphore(egress(128).upstreamOpening, 150),
  upstream_requests: () => origin("upstream_requests", 16),
};

const ACT = fc.record({
  who: fc.constantFrom(...LOUD),
  does: fc.constantFrom("ask", "end", "pass"),
  times: fc.integer({ min: 1, max: 20 }),
});
const ACTS = fc.array(ACT, { maxLength: 30 });
/** By then, everything that was asked for has ended. */
const ROUNDS_MAX = 10_000;

test.each(Object.entries(CONTESTS))(
  "%s: whatever others ask for and hold, another's turn comes after their share at most",
  async (_resource, open) => {
    await fc.assert(
      fc.asyncProperty(ACTS, ACTS, async (before, after) => {
        const contest = open();
        let isWaiting = false;
        let others = 0;
        const ask = (who: string): void => {
          contest.ask(who, () => {
            if (isWaiting) others += 1;
          });
        };
        const act = async ({ who, does, times }: (typeof before)[number]): Promise<void> => {
          for (let time = 0; time < times; time += 1) {
            if (does === "ask") ask(who);
            else if (does === "end") contest.end(who);
            else contest.pass?.();
          }
          await nextTurn();
        };
        for (const who of LOUD) await act({ who, does: "ask", times: contest.crowd });
        for (const one of before) await act(one);
        // Whatever has ended, there is a crowd again.
        for (const who of LOUD) await act({ who, does: "ask", times: contest.crowd });
        isWaiting = true;
        contest.ask(QUIET, () => (isWaiting = false));
        await nextTurn();
        for (const one of after) await act(one);
        for (let round = 0; isWaiting && round < ROUNDS_MAX; round += 1) {
          for (const who of LOUD) contest.end(who);
          contest.pass?.();
          await nextTurn();
        }
        expect(isWaiting).toBe(false);
        expect(others).toBeLessThanOrEqual(contest.othersMax);
      }),
      { numRuns: 10 },
    );
  },
);
