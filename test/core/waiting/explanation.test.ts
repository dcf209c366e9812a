import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { decideDeliveryWait, DELIVERY_WAITS } from "../../../src/core/waiting/delivery-wait.ts";
import { explain, REASONS } from "../../../src/core/waiting/explanation.ts";
import { decideJobWait, JOB_WAITS } from "../../../src/core/waiting/job-wait.ts";
import { LANE_FREE, mergeOriginStatuses } from "../../../src/core/waiting/lane-status.ts";

const NOW = 1_767_225_600_000;

test("every reason and everything that is waited for is explained in the documentation", () => {
  const page = readFileSync(new URL("../../../docs/delivery.md", import.meta.url), "utf8");
  const words = [...REASONS, ...JOB_WAITS, ...DELIVERY_WAITS];
  expect(words.filter((word) => !page.includes(`\`${word}\``))).toEqual([]);
});

test("an event in an inbox is explained as one that is to be read", () => {
  const job = {
    provider: "pulse",
    connection: "default",
    pausedReason: null,
    wait: null,
    lastError: null,
    acceptedAtMs: NOW,
    deadlineAtMs: NOW,
    ending: "completed",
  } as const;
  const explained = explain({
    status: "delivered",
    events: ["job.completed"],
    callbackOrigin: "the inbox orders",
    inbox: "orders",
    job,
    delivery: { wait: null, attemptCount: 0, lastAttempt: null },
    nowMs: NOW,
  });
  expect(explained.summary).toBe("The event was stored in the inbox orders.");
  expect(explained.action).toContain("ringback inbox read orders");
});

describe("a delivery", () => {
  const due = {
    status: "pending",
    nextAttemptAtMs: NOW - 1,
    held: null,
    lane: LANE_FREE,
    nowMs: NOW,
  } as const;

  it("a delivery waits for whichever is over last, its schedule or its origin", () => {
    const open = { ...LANE_FREE, breaker: "open", probeAtMs: NOW + 20 } as const;
    const wait = (nextAttemptAtMs: number) =>
      decideDeliveryWait({ ...due, nextAttemptAtMs, lane: open });
    expect(wait(NOW + 10)).toEqual({ for: "origin_failing", notBeforeMs: NOW + 20 });
    expect(wait(NOW + 30)).toEqual({ for: "schedule", notBeforeMs: NOW + 30 });
    expect(wait(NOW - 30)).toEqual({ for: "origin_failing", notBeforeMs: NOW + 20 });
  });

  it("a delivery waits for the probe that is in progress, whose end is not known", () => {
    const lane = { ...LANE_FREE, breaker: "half_open" } as const;
    expect(decideDeliveryWait({ ...due, lane })).toEqual({
      for: "origin_failing",
      notBeforeMs: null,
    });
  });

  it("a delivery waits for nothing once it is over", () => {
    for (const status of ["delivered", "exhausted", "canceled", "gone", "superseded"] as const) {
      expect(decideDeliveryWait({ ...due, status })).toBeNull();
    }
  });
});

describe("a job", () => {
  const running = {
    connection: { state: "active", probeAtMs: null },
    pollCount: 3,
    outcome: "running",
    nextPollAtMs: NOW + 500,
    isEnding: false,
    lane: LANE_FREE,
    nowMs: NOW,
  } as const;

  it("a job waits no less than its connection, whatever its own next poll is", () => {
    const pausedUntilMs = NOW + 40_000;
    const lane = { ...LANE_FREE, pausedUntilMs, pauseCause: "rate" } as const;
    expect(decideJobWait({ ...running, lane })).toEqual({
      for: "rate_limit",
      notBeforeMs: pausedUntilMs,
    });
    const connection = { state: "paused", probeAtMs: NOW + 15_000 } as const;
    expect(decideJobWait({ ...running, lane, connection })).toEqual({
      for: "connection_paused",
      notBeforeMs: NOW + 15_000,
    });
  });

  it("a job is running when a node that has just come to poll it knows nothing but that it was polled", () => {
    expect(decideJobWait({ ...running, outcome: null }).for).toBe("job_running");
    expect(decideJobWait({ ...running, outcome: null, pollCount: 0 }).for).toBe("first_poll");
  });
});

test("the worst of several nodes' views of an origin is shown, with the earliest probe, the latest failure and the lowest rate", () => {
  const failure = (atMs: number) => ({ code: "connect_refused", message: null, atMs });
  const known = { pausedUntilMs: null, failure: null } as const;
  expect(
    mergeOriginStatuses([
      { ...known, breaker: "half_open", probeAtMs: null, failure: failure(5), perSecond: 4 },
      { ...known, breaker: "open", probeAtMs: 30, failure: failure(9), perSecond: 2 },
      { ...known, breaker: "open", probeAtMs: 20, failure: failure(7), perSecond: null },
    ]),
  ).toEqual({
    breaker: "open",
    pausedUntilMs: null,
    probeAtMs: 20,
    failure: failure(9),
    perSecond: 2,
  });
});
