import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EventType } from "../../../src/core/delivery/event.ts";
import { callbackLimits } from "../../../src/delivery/delivery-settings.ts";
import { Outbox } from "../../../src/delivery/outbox/outbox.ts";
import {
  type PendingDelivery,
  pendingDelivery,
} from "../../../src/delivery/outbox/pending-delivery.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { uuids } from "../../support/rows.ts";
import { owed } from "../owed.ts";
import { testRuntime } from "../../support/runtime.ts";

const HEALTHY = { kind: "healthy" } as const;

function setUp() {
  const clock = new FakeClock();
  const sent: PendingDelivery[] = [];
  const outbox = new Outbox(testRuntime({ clock }), {
    limitsOf: () => callbackLimits(32, null),
    send: (callback) => void sent.push(callback),
    onRoom: () => undefined,
    onOriginChange: () => undefined,
  });
  const subscriptionId = uuids(clock.now(), 7);
  const told = (type: EventType, inMs = 0): PendingDelivery => {
    clock.advance(1);
    const { delivery, event } = owed(clock.now(), {
      subscriptionId,
      wantsProgress: true,
      nextAttemptAtMs: clock.now() + inMs,
    });
    const loaded = { delivery, event: { ...event, type }, resultBytes: 0, wasTooLarge: false };
    return pendingDelivery(loaded, 0);
  };
  const tell = (type: EventType, inMs = 0): PendingDelivery => {
    const callback = told(type, inMs);
    outbox.admit(callback);
    return callback;
  };
  return { clock, outbox, sent, tell, told };
}

describe("the callbacks of a subscription that hears of progress events", () => {
  test("callbacks of a subscription with progress events wait for an older one that is being sent", () => {
    const { outbox, sent, tell } = setUp();
    const progress = tell("job.progress");
    const ending = tell("job.completed");
    expect(sent).toEqual([progress]);
    outbox.finish(progress, HEALTHY);
    expect(sent).toEqual([progress, ending]);
    outbox.finish(ending, HEALTHY);
    expect([outbox.size, outbox.originCount]).toEqual([0, 0]);
  });

  test("a progress event waiting for its retry is dropped when another event comes", () => {
    const { clock, outbox, sent, tell } = setUp();
    const progress = tell("job.progress");
    outbox.retry(progress, clock.now() + 1000, HEALTHY);
    const ending = tell("job.completed");
    clock.advance(60_000);
    expect(sent).toEqual([progress, ending]);
    expect(outbox.holds(progress.delivery.id)).toBe(false);
  });

  test("a progress event that fails while another event waits is dropped", () => {
    const { clock, outbox, sent, tell } = setUp();
    const progress = tell("job.progress");
    const ending = tell("job.completed");
    outbox.retry(progress, clock.now() + 100, HEALTHY);
    clock.advance(60_000);
    expect(sent).toEqual([progress, ending]);
    expect(outbox.size).toBe(1);
  });

  test("only the newest waiting progress event is kept", () => {
    const { outbox, sent, tell } = setUp();
    const first = tell("job.processing");
    tell("job.progress");
    const last = tell("job.progress");
    outbox.finish(first, HEALTHY);
    expect(sent).toEqual([first, last]);
    expect(outbox.size).toBe(1);
  });

  test("an ending is never dropped, nor followed by a progress event that was read late", () => {
    const { clock, outbox, sent, tell, told } = setUp();
    const late = told("job.progress");
    const ending = tell("job.failed");
    expect(outbox.admit(late)).toBe(true);
    outbox.retry(ending, clock.now() + 500, HEALTHY);
    expect(outbox.admit(told("job.completed"))).toBe(true);
    clock.advance(1000);
    expect(sent.filter((callback) => callback === ending)).toHaveLength(2);
    expect(sent).not.toContain(late);
  });

  test("callbacks continue when the one they wait for is released with its shard", () => {
    const { outbox, sent, tell } = setUp();
    const progress = tell("job.progress");
    outbox.dropShard(7);
    const ending = tell("job.completed");
    expect(sent).toEqual([progress]);
    outbox.finish(progress, HEALTHY);
    expect(sent).toEqual([progress, ending]);
  });
});

test("whatever happens, one is in progress at a time, in the order of events, and the ending is sent", () => {
  const step = fc.constantFrom("progress", "finish", "retry", "pass", "dropShard");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, outbox, sent, tell } = setUp();
      let busy = 0;
      const settleLast = (isRetry: boolean): void => {
        const callback = sent[busy];
        if (callback === undefined) return;
        busy += 1;
        if (isRetry) outbox.retry(callback, clock.now() + 50, HEALTHY);
        else outbox.finish(callback, HEALTHY);
      };
      for (const what of steps) {
        if (what === "progress") tell("job.progress");
        if (what === "finish") settleLast(false);
        if (what === "retry") settleLast(true);
        if (what === "pass") clock.advance(40);
        if (what === "dropShard") outbox.dropShard(7);
        expect(sent.length - busy).toBeLessThanOrEqual(1);
      }
      const ending = tell("job.completed");
      for (let rest = 0; rest < 3; rest += 1) {
        clock.advance(100);
        settleLast(false);
      }
      expect(sent.at(-1)).toBe(ending);
      const times = sent.map(({ event }) => event.occurredAtMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect([outbox.size, outbox.originCount]).toEqual([0, 0]);
    }),
  );
});
