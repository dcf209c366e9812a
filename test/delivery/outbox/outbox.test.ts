import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LaneVerdict } from "../../../src/core/job/job.ts";
import { callbackLimits } from "../../../src/delivery/delivery-settings.ts";
import { Outbox } from "../../../src/delivery/outbox/outbox.ts";
import type { PendingDelivery } from "../../../src/delivery/outbox/pending-delivery.ts";
import type { OwedDelivery } from "../../../src/store/writes/record-events.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { TestLimits } from "../../support/project-limits.ts";
import { ORIGIN, owed } from "../owed.ts";
import { testRuntime } from "../../support/runtime.ts";

const HEALTHY: LaneVerdict = { kind: "healthy" };
const CONCURRENCY = 32;
const HELD_PER_ORIGIN_MAX = 25_000;
const HELD_MAX = 100_000;
const HELD_HARD_MAX = 200_000;

function setUp() {
  const clock = new FakeClock();
  const sent: PendingDelivery[] = [];
  const inProgress: PendingDelivery[] = [];
  const asked = { forMore: 0 };
  const outbox = new Outbox(testRuntime({ clock }), {
    limitsOf: () => callbackLimits(CONCURRENCY, null),
    onOriginChange: () => undefined,
    send(callback) {
      sent.push(callback);
      inProgress.push(callback);
    },
    onRoom: () => void (asked.forMore += 1),
  });
  const admit = (changes: Partial<OwedDelivery> & { readonly result?: string } = {}) => {
    const callback = owed(clock.now(), changes);
    return { callback, isIn: outbox.admit(callback) };
  };
  const fill = (count: number, origin: string): PendingDelivery[] =>
    Array.from({ length: count }, () => admit({ callbackOrigin: origin }))
      .filter(({ isIn }) => isIn)
      .map(({ callback }) => callback);
  /** Ends an attempt, for good or until a time. */
  const end = (
    callback: PendingDelivery,
    retryAtMs: number | null = null,
    verdict: LaneVerdict = HEALTHY,
  ): void => {
    inProgress.splice(inProgress.indexOf(callback), 1);
    if (retryAtMs === null) outbox.finish(callback, verdict);
    else outbox.retry(callback, retryAtMs, verdict);
  };
  /** Ends attempts until none is in progress. */
  const drain = (): void => {
    for (let next = inProgress[0]; next !== undefined; next = inProgress[0]) end(next);
  };
  return { clock, outbox, sent, inProgress, asked, admit, fill, end, drain };
}

describe("a callback", () => {
  test("a callback is sent when it is due and not before, once", () => {
    const { clock, outbox, sent, admit, end } = setUp();
    const { callback } = admit({ nextAttemptAtMs: clock.now() + 1500 });
    clock.advance(1499);
    expect(sent).toEqual([]);
    clock.advance(1);
    expect(sent).toEqual([callback]);
    clock.advance(60_000);
    end(callback);
    expect(sent).toEqual([callback]);
    expect(outbox.size).toBe(0);
  });

  test("a callback already in memory is not added again, whether it waits or is being sent", () => {
    const { clock, outbox, sent, admit, end } = setUp();
    const { callback } = admit({ nextAttemptAtMs: clock.now() + 1000 });
    const again = () => outbox.admit(owed(clock.now(), callback.delivery));
    again();
    clock.advance(1000);
    again();
    expect(outbox.size).toBe(1);
    expect(sent).toHaveLength(1);
    end(callback);
    again();
    expect(sent).toHaveLength(2);
  });

  test("a failed callback is sent again when its next attempt is due", () => {
    const { clock, outbox, sent, admit, end } = setUp();
    const { callback } = admit();
    end(callback, clock.now() + 500);
    clock.advance(499);
    expect(sent).toHaveLength(1);
    expect(outbox.holds(callback.delivery.id)).toBe(true);
    clock.advance(1);
    expect(sent).toEqual([callback, callback]);
  });
});

describe("bounds", () => {
  test("an origin has a bounded number of running attempts, and others have theirs", () => {
    const { sent, fill, end } = setUp();
    fill(100, ORIGIN);
    expect(sent).toHaveLength(CONCURRENCY);
    fill(1, "https://other.test");
    expect(sent).toHaveLength(CONCURRENCY + 1);
    const [first] = sent;
    if (first !== undefined) end(first);
    expect(sent).toHaveLength(CONCURRENCY + 2);
  });

  test("an origin holds a bounded number of callbacks; refused ones are read once it has drained", () => {
    const { outbox, inProgress, asked, fill, end, drain } = setUp();
    expect(fill(HELD_PER_ORIGIN_MAX + 500, ORIGIN)).toHaveLength(HELD_PER_ORIGIN_MAX);
    expect(outbox.size).toBe(HELD_PER_ORIGIN_MAX);
    expect(fill(10, "https://other.test")).toHaveLength(10);
    for (let ended = 0; ended < (HELD_PER_ORIGIN_MAX * 3) / 4 - 1; ended += 1) {
      const callback = inProgress.find(({ delivery }) => delivery.callbackOrigin === ORIGIN);
      if (callback !== undefined) end(callback);
    }
    expect(asked.forMore).toBe(0);
    expect(outbox.readableBacklogs).toEqual([]);
    drain();
    expect(asked.forMore).toBeGreaterThan(0);
    expect(outbox.readableBacklogs).toMatchObject([{ origin: ORIGIN }]);
    expect(outbox.size).toBe(0);
  });

  test("a new callback waits behind what its origin has in the database", () => {
    const { clock, outbox, sent, admit, end } = setUp();
    const { callback: first } = admit();
    outbox.noteBacklog(first.delivery.projectId, ORIGIN, clock.now() - 1000);
    const later = owed(clock.now());
    expect(outbox.offer(later)).toBe(false);
    expect(outbox.roomFor(first.delivery.projectId, ORIGIN)).toBe(0);
    const [queue] = outbox.readableBacklogs;
    if (queue === undefined) throw new Error("there is no backlog");
    expect(queue.takeBacklog()).toMatchObject({ nextAttemptAtMs: clock.now() - 1000 });
    expect(outbox.offer(later)).toBe(false);
    outbox.endReading(queue, null);
    // Offered while it was being read: who knows whether that saw it.
    expect(queue.takeBacklog()).toMatchObject({ nextAttemptAtMs: clock.now() });
    outbox.endReading(queue, null);
    expect(outbox.offer(later)).toBe(true);
    expect(sent).toEqual([first, later]);
    for (const callback of [first, later]) end(callback);
    expect(outbox.originCount).toBe(0);
  });

  test("projects have separate lanes to an origin, each with its limits", () => {
    const { outbox, sent, admit } = setUp();
    const fillFor = (projectId: string): void => {
      for (let number = 0; number < 40; number += 1) admit({ projectId });
    };
    fillFor("a");
    fillFor("b");
    expect(sent).toHaveLength(2 * CONCURRENCY);
    outbox.configure("b", callbackLimits(36, null));
    expect(sent).toHaveLength(2 * CONCURRENCY + 4);
  });

  test("nothing is read when nothing was refused", () => {
    const { asked, fill, drain } = setUp();
    fill(HELD_PER_ORIGIN_MAX, ORIGIN);
    drain();
    expect(asked.forMore).toBe(0);
  });

  test("full origins can't shut out an origin that has nothing in memory yet", () => {
    const { fill } = setUp();
    for (let origin = 0; origin < HELD_MAX / HELD_PER_ORIGIN_MAX; origin += 1) {
      expect(fill(HELD_PER_ORIGIN_MAX, `https://full-${origin}.test`)).toHaveLength(
        HELD_PER_ORIGIN_MAX,
      );
    }
    expect(fill(100, "https://late.test")).toHaveLength(CONCURRENCY);
  });

  test("results count by their size", () => {
    const { outbox, admit } = setUp();
    const result = "x".repeat(4 * 1024 * 1024);
    let letIn = 0;
    while (admit({ result }).isIn) letIn += 1;
    expect(letIn).toBeGreaterThanOrEqual(31);
    expect(letIn).toBeLessThanOrEqual(CONCURRENCY);
    expect(outbox.isFull).toBe(false);
    for (let other = 0; other < 40; other += 1) {
      admit({ result, callbackOrigin: `https://other-${other}.test` });
    }
    // Three quarters of it are one project's; another's comes in.
    expect(admit({ callbackOrigin: "https://small.test" }).isIn).toBe(false);
    expect(admit({ projectId: "another", result }).isIn).toBe(true);
  });

  test("a project holds a bounded number of callbacks over all origins, and others have room", () => {
    const { outbox, admit, fill } = setUp();
    let letIn = 0;
    for (let origin = 0; origin < HELD_HARD_MAX / CONCURRENCY + 10; origin += 1) {
      letIn += fill(CONCURRENCY, `https://origin-${origin}.test`).length;
    }
    expect(letIn).toBe((3 / 4) * HELD_HARD_MAX);
    for (let at = 0; at < 20_000; at += 1) {
      expect(admit({ projectId: "another", callbackOrigin: "https://origin-1.test" }).isIn).toBe(
        true,
      );
    }
    expect(outbox.isFull).toBe(false);
  });

  test("a project with very many receivers that are remembered pushes out none of another's", () => {
    const { outbox, admit, end } = setUp();
    const remember = (projectId: string, callbackOrigin: string): void => {
      const { callback } = admit({ projectId, callbackOrigin });
      end(callback, null, { kind: "rate_limited", retryAfterMs: 1_000 });
    };
    remember("quiet", "https://quiet.test");
    for (let number = 0; number < 6_000; number += 1) {
      remember("loud", `https://receiver-${number}.test`);
    }
    expect(outbox.queueOf("quiet", "https://quiet.test")).not.toBeNull();
    expect(outbox.queueOf("loud", "https://receiver-0.test")).toBeNull();
    expect(outbox.queueOf("loud", "https://receiver-5999.test")).not.toBeNull();
    expect(outbox.originCount).toBe(5_000);
  });

  test("the total of callbacks in memory is bounded, however many projects there are", () => {
    const { outbox, admit } = setUp();
    let letIn = 0;
    for (let project = 0; project < 300; project += 1) {
      const of = { projectId: `project-${project}` };
      for (let at = 0; at < 5000 && admit(of).isIn; at += 1) letIn += 1;
    }
    expect(letIn).toBeLessThanOrEqual(HELD_HARD_MAX);
    expect(outbox.size).toBe(letIn);
  });
});

test("a project may have as many callbacks in memory as its limits say, and is told how many it has", () => {
  const { outbox, admit, drain } = setUp();
  const limits = new TestLimits({ outbox_deliveries: 3 });
  limits.own.set("few bytes", { outbox_bytes: 1 });
  outbox.keepTo(limits);
  const admitFive = (projectId: string): boolean[] =>
    Array.from({ length: 5 }, () => admit({ projectId }).isIn);
  expect(admitFive("few")).toEqual([true, true, true, false, false]);
  expect(admitFive("few bytes")).toEqual([true, false, false, false, false]);
  expect(admitFive("another")).toEqual([true, true, true, false, false]);
  expect(limits.used("few", "outbox_deliveries")).toBe(3);
  expect(limits.used("few", "outbox_bytes")).toBe(
    3 * (limits.used("few bytes", "outbox_bytes") ?? 0),
  );
  drain();
  expect(limits.used("few", "outbox_deliveries")).toBe(0);
});

describe("letting go", () => {
  test("releasing a shard drops what waits, and running attempts finish by themselves", () => {
    const { clock, outbox, sent, admit, end } = setUp();
    const { callback: sending } = admit({ shardId: 1 });
    const { callback: waiting } = admit({ shardId: 1, nextAttemptAtMs: clock.now() + 1000 });
    const { callback: other } = admit({ shardId: 2, nextAttemptAtMs: clock.now() + 1000 });
    outbox.dropShard(1);
    const held = [sending, waiting, other].map(({ delivery }) => outbox.holds(delivery.id));
    expect(held).toEqual([true, false, true]);
    // Not twice at once, should the shard come back during the attempt.
    outbox.admit(owed(clock.now(), sending.delivery));
    expect(sent).toEqual([sending]);
    end(sending, clock.now() + 100);
    expect(outbox.holds(sending.delivery.id)).toBe(false);
    clock.advance(5000);
    expect(sent).toEqual([sending, other]);
    expect(outbox.admit(owed(clock.now(), waiting.delivery))).toBe(true);
  });

  test("dropping a subscription drops only what waits for it", () => {
    const { clock, outbox, sent, admit } = setUp();
    const later = { nextAttemptAtMs: clock.now() + 1000 };
    const { callback: first } = admit(later);
    const { callback: second } = admit({ ...later, subscriptionId: first.delivery.subscriptionId });
    const { callback: other } = admit(later);
    outbox.dropSubscription(second.delivery.subscriptionId);
    clock.advance(1000);
    expect(sent).toEqual([other]);
  });

  test("after closing, the outbox begins nothing", () => {
    const { clock, outbox, sent, admit, end } = setUp();
    const { callback } = admit();
    admit({ nextAttemptAtMs: clock.now() + 1000 });
    outbox.close();
    expect(admit().isIn).toBe(false);
    end(callback, clock.now());
    clock.advance(60_000);
    expect(sent).toEqual([callback]);
  });

  test("an origin is forgotten after its last callback", () => {
    const { clock, outbox, admit, drain } = setUp();
    admit();
    admit({
      callbackOrigin: "https://waiting.test",
      nextAttemptAtMs: clock.now() + 1000,
      shardId: 3,
    });
    expect(outbox.originCount).toBe(2);
    outbox.dropShard(3);
    drain();
    expect(outbox.originCount).toBe(0);
  });
});

test("whatever happens in whatever order, nothing is in progress twice and the bounds hold", () => {
  const step = fc.record({
    what: fc.constantFrom("admit", "admitAgain", "finish", "retry", "dropShard", "pass"),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const { clock, outbox, inProgress, admit, end, drain } = setUp();
      const all: PendingDelivery[] = [];
      for (const { what, pick } of steps) {
        const known = all[pick % Math.max(1, all.length)];
        const busy = inProgress[pick % Math.max(1, inProgress.length)];
        const nowMs = clock.now();
        if (what === "admit") {
          const callbackOrigin = `https://receiver-${pick % 2}.test`;
          all.push(admit({ shardId: pick % 3, callbackOrigin }).callback);
        }
        if (what === "admitAgain" && known !== undefined) outbox.admit(owed(nowMs, known.delivery));
        if (what === "finish" && busy !== undefined) end(busy);
        if (what === "retry" && busy !== undefined) end(busy, nowMs + (pick % 500));
        if (what === "dropShard") outbox.dropShard(pick % 3);
        if (what === "pass") clock.advance(pick % 1000);
        const ids = inProgress.map(({ delivery }) => delivery.id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.length).toBeLessThanOrEqual(2 * CONCURRENCY);
        expect(ids.every((id) => outbox.holds(id))).toBe(true);
      }
      drain();
      clock.advance(1000);
      drain();
      expect([outbox.size, outbox.originCount]).toEqual([0, 0]);
    }),
  );
});
