import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inboxPageTurns } from "../../../src/api/inboxes/reader.ts";
import { OutboxSpace } from "../../../src/delivery/outbox/outbox-space.ts";
import { egressTurns } from "../../../src/gateway/egress.ts";
import { acceptingTurns } from "../../../src/intake/acceptor.ts";
import type { SharedResource } from "../../../src/lanes/shares/shared-resources.ts";
import { answerBudget } from "../../../src/polling/request/status-fetcher.ts";
import { downloadTurns } from "../../../src/polling/result/fetcher.ts";
import { databaseTurns } from "../../../src/store/db/bounded-calls.ts";
import { heldAnswersBudget } from "../../../src/via/held-answer.ts";
import { TestLimits } from "../../support/project-limits.ts";
import * as api from "./contests/api.ts";
import {
  A_TURN_EACH,
  AT_ONCE,
  type Contest,
  Held,
  limitedMemory,
  LOUD,
  memory,
  MIB,
  QUIET,
  semaphore,
} from "./contests/contest.ts";
import * as cluster from "./contests/cluster.ts";
import * as delivery from "./contests/delivery.ts";
import * as polling from "./contests/polling.ts";
import * as store from "./contests/store.ts";

/*
 * One property for everything that projects compete for: no sequence of requests of some changes the turn
 * of another by more than their share. A resource that is not in the record below does not compile. Each
 * is driven through the code that the gateway uses, so that a limit or a turn that is missing there fails
 * here.
 */

const egress = (perProject: number) =>
  egressTurns(() => perProject, { upstream: 40, callback: 40, listener: 40 });

/** @param heldMax as many callbacks each may have */
function outbox(heldMax = Infinity): Contest {
  const space = new OutboxSpace();
  space.keepTo(new TestLimits({ outbox_deliveries: heldMax }));
  const bytes = MIB / 4;
  const held = new Held<number>();
  return {
    othersMax: AT_ONCE,
    crowd: 1_000,
    heldMax,
    ask(who, granted) {
      if (space.leftFor(who) === "none") return;
      space.take(who, bytes);
      held.add(who, bytes);
      granted();
    },
    end(who) {
      const taken = held.take(who);
      if (taken === undefined) return false;
      space.giveBack(who, taken);
      return true;
    },
  };
}

const MEMORY = 100 * MIB;
const LIMITED = { bytesEach: 5 * MIB, heldMax: 2 };
const TEN_MIB = 10 * MIB;

const CONTESTS: Readonly<Record<SharedResource, readonly (() => Contest)[]>> = {
  answer_bytes: [
    () => memory(answerBudget(MEMORY, new TestLimits()), MEMORY),
    () => limitedMemory(answerBudget(MEMORY, new TestLimits({ answer_bytes: TEN_MIB })), LIMITED),
  ],
  answer_thread: [polling.answerThread],
  attempt_rows: [store.attemptRows],
  attempts_beginning: [delivery.attemptsBeginning],
  attempts_unrecorded: [delivery.attemptsUnrecorded],
  callback_connections: [() => semaphore(egress(16).callbackConnections, 16)],
  callback_connections_opening: [() => semaphore(egress(128).callbackOpening, 128, 150)],
  callback_requests: [delivery.callbackRequests],
  client_connections: [api.clientConnections],
  database_calls: [
    () => semaphore(databaseTurns({ connectionsMax: 12, callsPerGroupMax: () => 3 }), 3),
  ],
  downloads: [() => semaphore(downloadTurns(new TestLimits({ downloads_running: 10 })), 10)],
  event_rows: [store.eventRows],
  fan_outs: [delivery.fanOuts],
  held_answer_bytes: [
    () => memory(heldAnswersBudget(MEMORY, new TestLimits({ via_answer_bytes: MEMORY })), MEMORY),
    () =>
      limitedMemory(
        heldAnswersBudget(MEMORY, new TestLimits({ via_answer_bytes: TEN_MIB })),
        LIMITED,
      ),
  ],
  inbox_pages: [() => semaphore(inboxPageTurns(new TestLimits({ inbox_pages_running: 1 })), 1)],
  inspections: [cluster.inspections],
  key_lookups: [api.keyLookups],
  lane_reports: [cluster.laneReports],
  large_event_rows: [store.largeEventRows],
  lists: [api.lists],
  name_lookups: [() => semaphore(egress(16).lookups, 16)],
  outbox: [() => outbox(), () => outbox(100)],
  reading_time: [polling.readingTime],
  refusals_held: [api.refusalsHeld],
  request_bytes: [
    () => api.requestBytes({ each: 1_000, inAll: 6 }, A_TURN_EACH),
    () => api.requestBytes({ each: 2, inAll: 40 }, AT_ONCE),
  ],
  request_reading: [api.requestReading],
  requests: [api.requests, api.requestsWithinRates],
  requests_waiting: [api.requestsWaiting],
  result_readers: [api.resultReaders],
  result_rows: [store.resultRows],
  status_questions: [cluster.statusQuestions],
  subscription_rows: [store.subscriptionRows],
  subscriptions_accepting: [
    () => semaphore(acceptingTurns(new TestLimits()), 1_000, 1_000),
    () => semaphore(acceptingTurns(new TestLimits({ subscriptions_accepting: 20 })), 20, 50),
  ],
  upstream_connections: [() => semaphore(egress(16).upstreamConnections, 16)],
  upstream_connections_opening: [() => semaphore(egress(128).upstreamOpening, 128, 150)],
  upstream_requests: [
    () => polling.upstreamRequests(16, { crowd: 20, othersMax: A_TURN_EACH }),
    () => polling.upstreamRequests(128, { crowd: 80, othersMax: AT_ONCE }),
  ],
};

const ACT = fc.record({
  who: fc.constantFrom(...LOUD),
  does: fc.constantFrom("ask", "end", "pass"),
  times: fc.integer({ min: 1, max: 20 }),
});
type Act = typeof ACT extends fc.Arbitrary<infer One> ? One : never;
const ACTS = fc.array(ACT, { maxLength: 30 });
/** By then, everything that was asked for has ended. */
const ROUNDS_MAX = 10_000;

/** A contest with what each of them has got, and what others got while the quiet one waited. */
class Observed {
  readonly #contest: Contest;
  readonly #held = new Map<string, number>();
  isWaiting = false;
  others = 0;

  constructor(contest: Contest) {
    this.#contest = contest;
  }

  get crowd(): number {
    return this.#contest.crowd;
  }

  async act({ who, does, times }: Act): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      if (does === "ask") this.#ask(who);
      else if (does === "end") this.#end(who);
      else this.#contest.pass?.();
    }
    await this.#look();
  }

  async askQuietly(): Promise<void> {
    this.isWaiting = true;
    this.#contest.ask(QUIET, () => (this.isWaiting = false));
    await this.#look();
  }

  /** Lets everybody end one use. */
  async round(): Promise<void> {
    for (const who of LOUD) this.#end(who);
    this.#contest.pass?.();
    await this.#look();
  }

  #ask(who: string): void {
    this.#contest.ask(who, () => {
      this.#held.set(who, this.#heldBy(who) + 1);
      if (this.isWaiting) this.others += 1;
    });
  }

  #end(who: string): void {
    if (this.#contest.end(who)) this.#held.set(who, this.#heldBy(who) - 1);
  }

  async #look(): Promise<void> {
    await nextTurn();
    const { heldMax = Infinity } = this.#contest;
    for (const who of LOUD) expect(this.#heldBy(who)).toBeLessThanOrEqual(heldMax);
    this.#contest.check?.();
  }

  #heldBy(who: string): number {
    return this.#held.get(who) ?? 0;
  }
}

const EVERY_CONTEST = Object.entries(CONTESTS).flatMap(([resource, contests]) =>
  contests.map((open, index) => ({ name: index === 0 ? resource : `${resource}, limited`, open })),
);

test.each(EVERY_CONTEST)(
  "$name: whatever others ask for and hold, another's turn comes after their share at most",
  async ({ open }) => {
    await fc.assert(
      fc.asyncProperty(ACTS, ACTS, async (before, after) => {
        const contest = open();
        const observed = new Observed(contest);
        const crowd = async (): Promise<void> => {
          for (const who of LOUD) await observed.act({ who, does: "ask", times: contest.crowd });
        };
        await crowd();
        for (const one of before) await observed.act(one);
        // Whatever has ended, there is a crowd again.
        await crowd();
        await observed.askQuietly();
        for (const one of after) await observed.act(one);
        for (let round = 0; observed.isWaiting && round < ROUNDS_MAX; round += 1) {
          await observed.round();
        }
        expect(observed.isWaiting).toBe(false);
        expect(observed.others).toBeLessThanOrEqual(contest.othersMax);
      }),
      { numRuns: 10, endOnFailure: true },
    );
  },
);

test("however many expensive answers projects ask for, reading them leaves part of the event loop's time to others", () => {
  const contest = polling.readingTime();
  const { clock } = contest;
  for (const who of LOUD)
    for (let ask = 0; ask < 2_000; ask += 1) contest.ask(who, () => undefined);
  const readFor = (ms: number): number => {
    const [fromMs, busyMs] = [clock.monotonic(), contest.busyMs()];
    while (clock.monotonic() - fromMs < ms) contest.pass?.();
    return (contest.busyMs() - busyMs) / (clock.monotonic() - fromMs);
  };
  readFor(10_000);
  expect(readFor(30_000)).toBeLessThan(0.85);
});
