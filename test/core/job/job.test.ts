import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decideAfterPoll,
  laneVerdict,
  timedOut,
  type WatchFacts,
} from "../../../src/core/job/job.ts";
import type { Observation } from "../../../src/core/job/observation.ts";
import type { PollSchedule } from "../../../src/core/job/poll-schedule.ts";

const SCHEDULE: PollSchedule = { kind: "fixed", intervalMs: 1000 };
const NOW = 1_000_000;
const FACTS: WatchFacts = {
  acceptedAtMs: NOW - 5000,
  deadlineAtMs: NOW + 60_000,
  phase: "pending",
  progress: null,
  failuresInRow: 0,
  absence: null,
};
const TIMES = { createdAt: null, updatedAt: null };

function decide(observation: Observation, facts: WatchFacts = FACTS) {
  return decideAfterPoll({ facts, observation, schedule: SCHEDULE, nowMs: NOW, random: 0 });
}

function running(more: Partial<Extract<Observation, { kind: "running" }>> = {}): Observation {
  return {
    kind: "running",
    phase: "processing",
    progress: null,
    hintMs: null,
    unknownStatus: null,
    times: TIMES,
    ...more,
  };
}

const anyObservation: fc.Arbitrary<Observation> = fc.oneof(
  fc.record({
    kind: fc.constant("running" as const),
    phase: fc.constantFrom("pending" as const, "processing" as const),
    progress: fc.option(fc.json()),
    hintMs: fc.option(fc.nat()),
    unknownStatus: fc.option(fc.string()),
    times: fc.constant(TIMES),
  }),
  fc.record({
    kind: fc.constant("completed" as const),
    result: fc.json(),
    times: fc.constant(TIMES),
  }),
  fc.record({
    kind: fc.constantFrom("failed" as const, "canceled" as const, "expired" as const),
    error: fc.string(),
    times: fc.constant(TIMES),
  }),
  fc.record({
    kind: fc.constant("retry" as const),
    cause: fc.constantFrom(
      "not_visible_yet" as const,
      "upstream_fault" as const,
      "rate_limited" as const,
      "unusable_answer" as const,
    ),
    reason: fc.string(),
    retryAfterMs: fc.option(fc.nat()),
  }),
  fc.record({
    kind: fc.constant("credential_rejected" as const),
    isPlain: fc.boolean(),
    reason: fc.string(),
  }),
);

describe("an ending", () => {
  test("an ending carries the result of a completed job and no error", () => {
    const step = decide({ kind: "completed", result: '{"a":1}', times: TIMES });
    expect(step).toEqual({
      kind: "end",
      ending: { status: "completed", error: null, result: '{"a":1}', times: TIMES },
    });
  });

  test.each(["failed", "canceled", "expired"] as const)(
    "an ending %s carries its error",
    (kind) => {
      const step = decide({ kind, error: "why", times: TIMES });
      expect(step).toMatchObject({
        kind: "end",
        ending: { status: kind, error: "why", result: null },
      });
    },
  );

  test("an ending by deadline says how long it waited and the last failure", () => {
    const ending = timedOut({ ...FACTS, deadlineAtMs: FACTS.acceptedAtMs + 60_000 }, "HTTP 500");
    expect(ending.status).toBe("timed_out");
    expect(ending.error).toContain("60 s");
    expect(ending.error).toContain("HTTP 500");
  });

  test("a job ends at most once and never leaves its ending, over any sequence of observations", () => {
    fc.assert(
      fc.property(fc.array(anyObservation, { maxLength: 50 }), (observations) => {
        const facts = { ...FACTS };
        let endings = 0;
        for (const observation of observations) {
          const step = decide(observation, facts);
          if (step.kind === "end") {
            endings += 1;
            break;
          }
          Object.assign(facts, step);
        }
        const firstEnding = observations.findIndex((one) =>
          ["completed", "failed", "canceled", "expired"].includes(one.kind),
        );
        expect(endings).toBe(firstEnding === -1 ? 0 : 1);
      }),
    );
  });
});

describe("a job that goes on", () => {
  test("a running job is always polled again in the future", () => {
    fc.assert(
      fc.property(anyObservation, fc.nat(1000), (observation, failuresInRow) => {
        const step = decide(observation, { ...FACTS, failuresInRow });
        if (step.kind === "keep_watching") expect(step.dueAtMs).toBeGreaterThan(NOW);
      }),
    );
  });

  test("a running job never goes back from processing to pending", () => {
    const step = decide(running({ phase: "pending" }), { ...FACTS, phase: "processing" });
    expect(step).toMatchObject({ kind: "keep_watching", phase: "processing" });
  });

  test("a running job keeps its last progress when an answer has none", () => {
    const step = decide(running(), { ...FACTS, progress: '{"done":1}' });
    expect(step).toMatchObject({ progress: '{"done":1}' });
  });

  test("a running job honors the upstream's hint as a least wait", () => {
    expect(decide(running({ hintMs: 7000 }))).toMatchObject({ dueAtMs: NOW + 7000 });
    expect(decide(running({ hintMs: 10 }))).toMatchObject({ dueAtMs: NOW + 1000 });
  });

  test("a running job with an unknown status keeps running, with a warning", () => {
    const step = decide(running({ unknownStatus: "reticulating" }));
    expect(step).toMatchObject({ kind: "keep_watching", failuresInRow: 0 });
    expect(step.kind === "keep_watching" && step.lastError).toContain("reticulating");
  });
});

describe("a poll that told nothing", () => {
  function retry(
    cause: Extract<Observation, { kind: "retry" }>["cause"],
    retryAfterMs: number | null = null,
  ): Observation {
    return { kind: "retry", cause, reason: "because", retryAfterMs };
  }

  test("a useless poll backs off the job, doubling up to a minute", () => {
    const waits = [0, 1, 2, 3, 6, 50].map((failuresInRow) => {
      const step = decide(retry("upstream_fault"), { ...FACTS, failuresInRow });
      return step.kind === "keep_watching" ? step.dueAtMs - NOW : null;
    });
    expect(waits).toEqual([1000, 2000, 4000, 8000, 60_000, 60_000]);
  });

  test("a useless poll keeps Retry-After as a least wait, and the reason", () => {
    expect(decide(retry("upstream_fault", 30_000))).toMatchObject({
      dueAtMs: NOW + 30_000,
      lastError: "because",
      sawJob: false,
    });
  });

  test.each(["rate_limited", "not_visible_yet"] as const)(
    "a useless poll for %s does not count against the job",
    (cause) => {
      expect(decide(retry(cause), { ...FACTS, failuresInRow: 4 })).toMatchObject({
        failuresInRow: 4,
        dueAtMs: NOW + 1000,
      });
    },
  );

  test("a useless poll counts against the lane only if the lane is at fault", () => {
    expect(laneVerdict(retry("upstream_fault"))).toEqual({ kind: "faulty" });
    expect(laneVerdict(retry("rate_limited", 5))).toEqual({
      kind: "rate_limited",
      retryAfterMs: 5,
    });
    expect(laneVerdict(retry("not_visible_yet"))).toEqual({ kind: "healthy" });
    expect(laneVerdict(retry("unusable_answer"))).toEqual({ kind: "healthy" });
    expect(laneVerdict(running())).toEqual({ kind: "healthy" });
  });
});
