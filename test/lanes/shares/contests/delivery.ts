import { expect } from "vitest";
import { HEALTHY } from "../../../../src/core/job/job.ts";
import { callbackLimits } from "../../../../src/delivery/delivery-settings.ts";
import { DeliveryLoop } from "../../../../src/delivery/delivery-loop.ts";
import { FanOutRunner } from "../../../../src/delivery/fan-out-runner.ts";
import { Outbox } from "../../../../src/delivery/outbox/outbox.ts";
import type { PendingDelivery } from "../../../../src/delivery/outbox/pending-delivery.ts";
import { answered } from "../../../delivery/loop-harness.ts";
import { owed } from "../../../delivery/owed.ts";
import { openBox } from "../../../polling/jobs.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { testRuntime } from "../../../support/runtime.ts";
import { shardsIn } from "../../../support/shards.ts";
import { A_TURN_EACH, AT_ONCE, type Contest, endsByItself, Held, LOUD, QUIET } from "./contest.ts";
import { SlowDatabase } from "./slow-database.ts";

/** Callbacks of all of them to one origin that answers slowly. */
export function callbackRequests(): Contest {
  const concurrency = 16;
  const clock = new FakeClock();
  const held = new Held<PendingDelivery>();
  const asks = new Map<string, () => void>();
  const outbox = new Outbox(testRuntime({ clock }), {
    limitsOf: () => callbackLimits(concurrency, null),
    onOriginChange: () => undefined,
    onRoom: () => undefined,
    send(callback) {
      const { id, projectId } = callback.delivery;
      held.add(projectId, callback);
      asks.get(id)?.();
    },
  });
  return {
    othersMax: AT_ONCE,
    crowd: 100,
    heldMax: concurrency,
    ask(projectId, granted) {
      const callback = owed(clock.now(), { projectId });
      asks.set(callback.delivery.id, granted);
      outbox.admit(callback);
    },
    end(who) {
      const callback = held.take(who);
      if (callback === undefined) return false;
      outbox.finish(callback, HEALTHY);
      return true;
    },
  };
}

const KNOWN_PER_PROJECT_MAX = 16;
const ONE_MORE_STEP = { id: null, eventId: null, goesOn: true };
const LAST_STEP = { ...ONE_MORE_STEP, goesOn: false };

/** Fan-outs that go on until they are ended, step by step. */
export function fanOuts(): Contest {
  const everyone = [...LOUD, QUIET];
  const database = new SlowDatabase();
  const ending = new Held<true>();
  const grants = new Map<string, () => void>();
  let begun = 0;
  const runner = new FanOutRunner(testRuntime({ clock: new FakeClock() }), {
    database,
    inlineResultBytesMax: 0,
    deliveryLoop: { enqueue: () => undefined },
    shards: {
      list: [],
      // Asked at each turn; each of them has a shard of its own here.
      has(shardId) {
        const who = everyone[shardId] ?? "";
        database.transactionRows = [[], [ending.take(who) ? LAST_STEP : ONE_MORE_STEP]];
        grants.get(who)?.();
        return true;
      },
    },
  });
  return {
    othersMax: A_TURN_EACH,
    crowd: 40,
    ask(projectId, granted) {
      grants.set(projectId, granted);
      const shardId = everyone.indexOf(projectId);
      const jobRowId = `${(begun += 1)}`;
      runner.begin({ shardId, jobRowId, eventType: "job.completed", projectId, occurredAtMs: 0 });
    },
    end(who) {
      ending.add(who, true);
      return true;
    },
    pass: () => database.answerOldest(),
    check: () => expect(runner.size).toBeLessThanOrEqual(KNOWN_PER_PROJECT_MAX * everyone.length),
  };
}

const UNRECORDED_MAX = 2_000;

/** Delivers to receivers that take everything; `recordAttempt` writes what came of it. */
function deliveryLoop(
  clock: FakeClock,
  recordAttempt: (row: {
    readonly deliveryId: string;
    readonly projectId: string;
  }) => Promise<boolean>,
): DeliveryLoop {
  return new DeliveryLoop(testRuntime({ clock }), {
    database: new SlowDatabase(),
    inboxFeed: { stored: () => undefined },
    secretBox: openBox,
    userAgent: "Ringback/test",
    settings: {
      of: () => ({
        retryScheduleMs: [1_000],
        signatures: ["v1"],
        limits: callbackLimits(UNRECORDED_MAX, null),
      }),
    },
    callbackTimeoutMs: 1_000,
    inlineResultBytesMax: 1_000,
    shards: shardsIn(() => []),
    resultLinks: { urlOf: () => "" },
    signingKeys: { of: () => Promise.resolve([{ scheme: "v1", key: Buffer.alloc(32) }]) },
    callbackClient: {
      send: () => Promise.resolve(answered(200)),
      hasIdleConnection: () => true,
    },
    operationalEvents: { publish: () => undefined },
    writers: { recordAttempt },
  });
}

const BEGUN_PER_TURN = 32;
/** Those of one turn of the event loop, and one of each. */
const A_LOOP_TURN = BEGUN_PER_TURN + LOUD.length;

/** Callbacks that all fall due at once, each to an origin of its own. */
export function attemptsBeginning(): Contest {
  const clock = new FakeClock();
  const asks = new Map<string, () => void>();
  const loop = deliveryLoop(clock, ({ deliveryId }) => {
    asks.get(deliveryId)?.();
    return Promise.resolve(true);
  });
  let origins = 0;
  return {
    othersMax: A_LOOP_TURN,
    crowd: 200,
    ask(projectId, granted) {
      const callbackOrigin = `https://receiver-${(origins += 1)}.example.com`;
      const callback = owed(clock.now(), { projectId, callbackOrigin });
      asks.set(callback.delivery.id, granted);
      loop.outbox.admit(callback);
    },
    end: endsByItself,
  };
}

/** Callbacks that their receivers have taken, whose records are written when they are told to be. */
export function attemptsUnrecorded(): Contest {
  const clock = new FakeClock();
  const unrecorded = new Held<() => void>();
  let count = 0;
  const asks = new Map<
    string,
    { readonly callback: PendingDelivery; readonly granted: () => void }
  >();
  const loop = deliveryLoop(clock, ({ deliveryId, projectId }) => {
    const { callback, granted } = asks.get(deliveryId) ?? {};
    asks.delete(deliveryId);
    // Its lane waits for the record.
    if (callback?.isInLane !== false) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    unrecorded.add(projectId, () => resolve(true));
    count += 1;
    granted?.();
    return promise;
  });
  return {
    othersMax: A_LOOP_TURN,
    crowd: UNRECORDED_MAX / 4,
    heldMax: UNRECORDED_MAX / 2,
    ask(projectId, granted) {
      const callback = owed(clock.now(), { projectId });
      asks.set(callback.delivery.id, { callback, granted });
      loop.outbox.admit(callback);
    },
    end(who) {
      const recorded = unrecorded.take(who);
      if (recorded === undefined) return false;
      count -= 1;
      recorded();
      return true;
    },
    check: () => expect(count).toBeLessThanOrEqual(UNRECORDED_MAX),
  };
}
