import { describe, expect, test } from "vitest";
import type { LaneVerdict } from "../../src/core/job/job.ts";
import { callbackLimits } from "../../src/delivery/delivery-settings.ts";
import { type OriginChange, Outbox } from "../../src/delivery/outbox/outbox.ts";
import type { PendingDelivery } from "../../src/delivery/outbox/pending-delivery.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { ORIGIN, owed } from "./owed.ts";
import { testRuntime } from "../support/runtime.ts";

const HEALTHY: LaneVerdict = { kind: "healthy" };
const FAULTY: LaneVerdict = { kind: "faulty" };
const RESERVED = 32;

/** An outbox whose receiver fails until told otherwise, a second after each attempt begins. */
function setUp() {
  const clock = new FakeClock();
  const attempts: PendingDelivery[] = [];
  const changes: OriginChange[] = [];
  const receiver = { verdict: FAULTY };
  const asked = { forMore: 0 };
  const outbox = new Outbox(testRuntime({ clock }), {
    limitsOf: () => callbackLimits(4, null),
    send(callback) {
      attempts.push(callback);
      clock.setTimer(1000, () => outbox.finish(callback, receiver.verdict));
    },
    onRoom: () => void (asked.forMore += 1),
    onOriginChange: (change) => changes.push(change),
  });
  const admit = (count: number, origin = ORIGIN): PendingDelivery[] =>
    Array.from({ length: count }, (_, number) => {
      const callback = owed(clock.now() + number, { callbackOrigin: origin });
      outbox.admit(callback);
      return callback;
    });
  return { clock, outbox, attempts, changes, receiver, asked, admit };
}

describe("an origin that goes on failing", () => {
  test("a failing origin is probed with one delivery at a time, less and less often, but at least once a minute", () => {
    const { clock, outbox, attempts, changes, admit } = setUp();
    admit(200);
    clock.advance(12_000);
    expect(changes).toMatchObject([{ origin: ORIGIN, isFailing: true }]);
    const before = attempts.length;
    const gapsMs: number[] = [];
    let lastMs = clock.now();
    while (gapsMs.length < 8) {
      const count = attempts.length;
      clock.advance(100);
      if (attempts.length > count) {
        expect(attempts).toHaveLength(count + 1);
        gapsMs.push(clock.now() - lastMs);
        lastMs = clock.now();
      }
    }
    expect(before).toBeLessThanOrEqual(48);
    expect(gapsMs.slice(1).every((ms, at) => ms >= (gapsMs[at] ?? 0) - 200)).toBe(true);
    expect(gapsMs.at(-1)).toBeLessThanOrEqual(61_200);
    expect(outbox.failingOrigins).toHaveLength(1);
  });

  test("a failing origin holds only its reserve in memory; the rest is its backlog, earliest first", () => {
    const { clock, outbox, attempts, admit } = setUp();
    const all = admit(500);
    clock.advance(12_000);
    expect(outbox.size).toBe(RESERVED);
    const waiting = all.filter(({ state }) => state === "waiting");
    expect(waiting).toEqual(all.slice(attempts.length, attempts.length + RESERVED));
    const [queue] = outbox.failingOrigins;
    expect(queue?.takeBacklog()?.nextAttemptAtMs).toBe(
      all[attempts.length + RESERVED]?.delivery.nextAttemptAtMs,
    );
    queue?.endReading(null);
    expect(admit(10).map(({ delivery }) => outbox.holds(delivery.id))).toEqual(
      Array(10).fill(false),
    );
  });

  test("a failing origin delays no other origin", () => {
    const { clock, attempts, receiver, admit } = setUp();
    admit(200);
    clock.advance(12_000);
    receiver.verdict = HEALTHY;
    const other = admit(3, "https://other.test");
    clock.advance(10);
    expect(attempts.slice(-3)).toEqual(other);
  });

  test("a recovered origin gets its backlog as soon as a probe succeeds, oldest first, and more is read", () => {
    const { clock, attempts, changes, receiver, asked, admit, outbox } = setUp();
    admit(100);
    clock.advance(12_000);
    receiver.verdict = HEALTHY;
    const askedBefore = asked.forMore;
    clock.advance(60_000);
    expect(changes.map(({ isFailing }) => isFailing)).toEqual([true, false]);
    expect(asked.forMore).toBeGreaterThan(askedBefore);
    expect(outbox.size).toBe(0);
    const due = attempts.map(({ dueAtMs }) => dueAtMs);
    expect(due).toEqual(due.toSorted((a, b) => a - b));
  });

  test("a failing origin is remembered while nothing waits for it", () => {
    const { clock, outbox, attempts, admit } = setUp();
    admit(44);
    clock.advance(12_000);
    expect(outbox.size).toBe(0);
    expect(outbox.originCount).toBe(1);
    const before = attempts.length;
    admit(10);
    clock.advance(1);
    expect(attempts.length - before).toBeLessThanOrEqual(1);
  });
});

describe("projects that call back to one origin", () => {
  /** Two projects at one receiver; each attempt takes a second, and ends as its project is told. */
  function setUpTwo(verdicts: Readonly<Record<string, LaneVerdict>>) {
    const clock = new FakeClock();
    const attempts: PendingDelivery[] = [];
    const changes: OriginChange[] = [];
    const outbox = new Outbox(testRuntime({ clock }), {
      limitsOf: () => callbackLimits(4, null),
      send(callback) {
        attempts.push(callback);
        const verdict = verdicts[callback.delivery.projectId] ?? HEALTHY;
        clock.setTimer(1000, () => outbox.finish(callback, verdict));
      },
      onRoom: () => undefined,
      onOriginChange: (change) => changes.push(change),
    });
    const admit = (projectId: string, count: number): void => {
      for (let number = 0; number < count; number += 1) {
        outbox.admit(owed(clock.now() + number, { projectId }));
      }
    };
    const attemptsOf = (projectId: string): number =>
      attempts.filter(({ delivery }) => delivery.projectId === projectId).length;
    return { clock, outbox, changes, admit, attemptsOf };
  }

  test("projects with the same origin are not delayed by what one of them is answered there", () => {
    const serverError: LaneVerdict = { kind: "faulty", reach: "answered" };
    const { clock, outbox, changes, admit, attemptsOf } = setUpTwo({ loud: serverError });
    admit("loud", 200);
    clock.advance(15_000);
    expect(changes).toMatchObject([{ projectId: "loud", isFailing: true }]);
    admit("quiet", 40);
    clock.advance(10_000);
    expect(attemptsOf("quiet")).toBe(40);
    expect(outbox.failingOrigins.map(({ projectId }) => projectId)).toEqual(["loud"]);
    clock.advance(60_000);
    expect(changes).toHaveLength(1);
  });

  test("projects with the same origin probe it together while it is unreachable", () => {
    const dead: LaneVerdict = { kind: "faulty", reach: "unreachable" };
    const projects = Array.from({ length: 300 }, (_, at) => `project-${at}`);
    const verdicts: Record<string, LaneVerdict> = {};
    for (const project of projects) verdicts[project] = dead;
    const { clock, outbox, changes, admit, attemptsOf } = setUpTwo(verdicts);
    for (const project of projects) admit(project, 80);
    clock.advance(120_000);
    expect(changes).toHaveLength(300);
    expect(outbox.size).toBeLessThanOrEqual(300 * RESERVED);
    const total = (): number => projects.reduce((sum, project) => sum + attemptsOf(project), 0);
    const before = total();
    clock.advance(600_000);
    expect(total() - before).toBeLessThanOrEqual(11);
    for (const project of projects) verdicts[project] = HEALTHY;
    clock.advance(90_000);
    expect(changes.filter(({ isFailing }) => !isFailing)).toHaveLength(300);
    expect(outbox.size).toBe(0);
  });
});

test("failures within a moment are no reason to stop, nor is one that was never sent", () => {
  const { clock, outbox, attempts, changes, receiver, admit } = setUp();
  admit(36);
  clock.advance(9_100);
  expect(attempts).toHaveLength(36);
  receiver.verdict = { kind: "inconclusive" };
  admit(100);
  clock.advance(60_000);
  expect(attempts).toHaveLength(136);
  expect(changes).toEqual([]);
  expect(outbox.failingOrigins).toEqual([]);
});
