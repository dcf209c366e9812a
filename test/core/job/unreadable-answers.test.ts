import { describe, expect, test } from "vitest";
import { decideAfterPoll, type JobStep, type WatchFacts } from "../../../src/core/job/job.ts";
import type { Observation } from "../../../src/core/job/observation.ts";

const UNREADABLE: Observation = {
  kind: "retry",
  cause: "unreadable_answer",
  reason: "HTTP 200 (application/pdf): the body can't be read.",
  retryAfterMs: null,
};
const OUTAGE: Observation = { ...UNREADABLE, cause: "upstream_fault", reason: "HTTP 503" };
const RUNNING: Observation = {
  kind: "running",
  phase: "processing",
  progress: null,
  hintMs: null,
  unknownStatus: null,
  times: { createdAt: null, updatedAt: null },
};
const MINUTE = 60_000;

/** The last step after observations that come so many minutes apart. */
function after(observations: readonly Observation[], minutesApart: number): JobStep {
  const facts = {
    acceptedAtMs: 0,
    deadlineAtMs: 10 ** 9,
    phase: "pending",
    progress: null,
    failuresInRow: 0,
    absence: null,
    unreadable: null,
  } satisfies WatchFacts;
  let step: JobStep | null = null;
  for (const [index, observation] of observations.entries()) {
    const nowMs = index * minutesApart * MINUTE;
    const schedule = { kind: "fixed", intervalMs: 1000 } as const;
    step = decideAfterPoll({ facts, observation, schedule, nowMs, random: 0 });
    if (step.kind === "keep_watching") Object.assign(facts, step);
  }
  if (step === null) throw new Error("nothing was observed");
  return step;
}

const times = (count: number, observation: Observation) =>
  Array<Observation>(count).fill(observation);

describe("a job whose answers can't be read", () => {
  test("a job with many unreadable answers over some minutes fails, with the reason and what to do", () => {
    expect(after(times(8, UNREADABLE), 1)).toMatchObject({
      kind: "end",
      ending: {
        status: "failed",
        error: expect.stringMatching(
          /could not be read, 8 in a row over 7 minutes.*application\/pdf/,
        ),
      },
    });
  });

  test("a job continues after a few unreadable answers, or many within a short time, and shows the count", () => {
    expect(after(times(7, UNREADABLE), 10)).toMatchObject({
      kind: "keep_watching",
      lastError: expect.stringContaining("(7 in a row;"),
    });
    expect(after(times(20, UNREADABLE), 0.2)).toMatchObject({ kind: "keep_watching" });
  });

  test("the count of unreadable answers restarts after a readable one", () => {
    const interrupted = [...times(7, UNREADABLE), RUNNING, ...times(7, UNREADABLE)];
    expect(after(interrupted, 10)).toMatchObject({ kind: "keep_watching" });
  });

  test("an outage in between does not change the count of unreadable answers", () => {
    const interrupted = [...times(7, UNREADABLE), ...times(50, OUTAGE), UNREADABLE];
    expect(after(interrupted, 10)).toMatchObject({ kind: "end" });
    expect(after(times(100, OUTAGE), 10)).toMatchObject({ kind: "keep_watching" });
  });
});
