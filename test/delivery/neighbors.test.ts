import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { LaneVerdict } from "../../src/core/job/job.ts";
import { callbackLimits } from "../../src/delivery/delivery-settings.ts";
import { Outbox } from "../../src/delivery/outbox/outbox.ts";
import type { PendingDelivery } from "../../src/delivery/outbox/pending-delivery.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { ORIGIN, owed } from "./owed.ts";
import { testRuntime } from "../support/runtime.ts";

const SERVER_ERROR: LaneVerdict = { kind: "faulty", reach: "answered" };
const VERDICTS: readonly LaneVerdict[] = [
  { kind: "healthy" },
  SERVER_ERROR,
  { kind: "faulty", reach: "unknown" },
  { kind: "rate_limited", retryAfterMs: null },
];

const act = fc.record({
  projectId: fc.constantFrom("loud 1", "loud 2", "loud 3"),
  count: fc.integer({ min: 1, max: 60 }),
  at: fc.nat({ max: 30 }),
  what: fc.constantFrom("owe here", "owe elsewhere", "end", "fail", "retry", "hang", "delete"),
  verdict: fc.constantFrom(...VERDICTS),
  waitMs: fc.integer({ min: 0, max: 3000 }),
});

test("whatever other projects owe, and however it ends, a quiet one's callbacks go out when they are due", () => {
  fc.assert(
    fc.property(
      fc.array(act, { minLength: 20, maxLength: 120 }),
      fc.boolean(),
      (acts, isAllFailing) => {
        const clock = new FakeClock();
        const inProgress: PendingDelivery[] = [];
        const sentAtMs: number[] = [];
        const outbox: Outbox = new Outbox(testRuntime({ clock }), {
          limitsOf: () => callbackLimits(4, null),
          onOriginChange: () => undefined,
          onRoom: () => undefined,
          send(callback) {
            if (callback.delivery.projectId !== "quiet") return void inProgress.push(callback);
            sentAtMs.push(clock.now());
            clock.setTimer(20, () => outbox.finish(callback, { kind: "healthy" }));
          },
        });
        const dueAtMs: number[] = [];
        for (const [index, { projectId, count, at, what, waitMs, ...of }] of acts.entries()) {
          const verdict: LaneVerdict = isAllFailing ? SERVER_ERROR : of.verdict;
          const ending: LaneVerdict =
            what === "end" && !isAllFailing ? { kind: "healthy" } : verdict;
          for (let one = 0; one < count; one += 1) {
            const callbackOrigin =
              what === "owe here" ? ORIGIN : `https://receiver-${at + one}.test`;
            const callback = inProgress[at];
            if (what === "owe here" || what === "owe elsewhere") {
              outbox.admit(owed(clock.now(), { projectId, callbackOrigin }));
            } else if (callback !== undefined && what !== "hang") {
              inProgress.splice(at, 1);
              if (what === "retry") outbox.retry(callback, clock.now() + waitMs, verdict);
              else outbox.finish(callback, ending);
              if (what === "delete") outbox.dropSubscription(callback.delivery.subscriptionId);
            }
          }
          // Seldom, so that what the others meet is not interrupted by its successes.
          if (index % 20 === 19) {
            dueAtMs.push(clock.now());
            expect(outbox.admit(owed(clock.now(), { projectId: "quiet" }))).toBe(true);
          }
          clock.advance(Math.max(50, waitMs));
        }
        expect(sentAtMs).toEqual(dueAtMs);
      },
    ),
    { numRuns: 100 },
  );
});
