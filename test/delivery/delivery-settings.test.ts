import { describe, expect, test } from "vitest";
import { REQUESTS_PER_SECOND_MIN } from "../../src/core/limits/poll-ceilings.ts";
import {
  callbackLimits,
  type DeliverySettings,
  deliverySettings,
  scheduleOfDelivery,
  signaturesOfDelivery,
} from "../../src/delivery/delivery-settings.ts";
import { Outbox } from "../../src/delivery/outbox/outbox.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { owed } from "./owed.ts";
import { testRuntime } from "../support/runtime.ts";

const GATEWAY: DeliverySettings = {
  retryScheduleMs: [5000, 30_000],
  signatures: ["v1"],
  limits: callbackLimits(32, 100),
};

describe("how a project's callbacks are delivered", () => {
  test("a project without delivery settings uses those of the gateway", () => {
    expect(deliverySettings({}, GATEWAY)).toEqual(GATEWAY);
  });

  test("a project's delivery settings apply within what the gateway allows", () => {
    const asked = {
      retry_schedule_s: [0.5],
      signatures: ["v1", "v1a"],
      callback_concurrency: 4,
      callback_requests_per_second: 25,
    } as const;
    expect(deliverySettings(asked, GATEWAY)).toEqual({
      retryScheduleMs: [500],
      signatures: ["v1", "v1a"],
      limits: callbackLimits(4, 25),
    });
    const tooMuch = { callback_concurrency: 64, callback_requests_per_second: 101 };
    expect(deliverySettings(tooMuch, GATEWAY).limits).toEqual(GATEWAY.limits);
    const unlimited = { ...GATEWAY, limits: callbackLimits(32, null) };
    expect(deliverySettings(tooMuch, unlimited).limits).toEqual(callbackLimits(32, 101));
  });

  test("a stored rate of callbacks, slower than can be set today, becomes the slowest that can", () => {
    const { limits } = deliverySettings({ callback_requests_per_second: 0.0001 }, GATEWAY);
    expect(limits.requestsPerSecond).toBe(REQUESTS_PER_SECOND_MIN);
  });

  test("a subscription's delivery settings take precedence over the project's", () => {
    const { delivery } = owed(0);
    expect(scheduleOfDelivery(delivery, GATEWAY)).toBe(GATEWAY.retryScheduleMs);
    expect(scheduleOfDelivery({ ...delivery, retrySchedule: "[]" }, GATEWAY)).toEqual([]);
    expect(scheduleOfDelivery({ ...delivery, retrySchedule: "[0.01,60]" }, GATEWAY)).toEqual([
      10, 60_000,
    ]);
    expect(signaturesOfDelivery(delivery, GATEWAY)).toEqual(["v1"]);
    expect(signaturesOfDelivery({ ...delivery, signatures: 2 }, GATEWAY)).toEqual(["v1a"]);
  });
});

test.each([
  [5, 50],
  [100, 1000],
])(
  "at %i a second, an origin gets no more than %i in ten seconds after the first",
  (perSecond, most) => {
    const clock = new FakeClock();
    let sent = 0;
    const outbox: Outbox = new Outbox(testRuntime({ clock }), {
      limitsOf: () => callbackLimits(32, perSecond),
      send(callback) {
        sent += 1;
        clock.setTimer(1, () => outbox.finish(callback, { kind: "healthy" }));
      },
      onRoom: () => undefined,
      onOriginChange: () => undefined,
    });
    for (let number = 0; number < 2000; number += 1) outbox.admit(owed(clock.now()));
    const burst = sent;
    clock.advance(10_000);
    expect(burst).toBeLessThanOrEqual(Math.max(1, perSecond / 10));
    expect(sent - burst).toBeLessThanOrEqual(most);
    expect(sent - burst).toBeGreaterThan(0.9 * most);
  },
);
