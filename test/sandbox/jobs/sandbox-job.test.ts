import * as fc from "fast-check";
import { expect, test } from "vitest";
import { OUTCOMES } from "../../../src/sandbox/jobs/job-request.ts";
import { jobState, type SandboxJob } from "../../../src/sandbox/jobs/sandbox-job.ts";

const CREATED_AT = Date.UTC(2026, 0, 1);
const RANK = { pending: 0, processing: 1, completed: 2, failed: 2, canceled: 2, expired: 2 };

const jobs = fc.record({
  durationMs: fc.nat(86_400_000),
  outcome: fc.constantFrom(...OUTCOMES),
});

function jobOf({
  durationMs,
  outcome,
}: {
  durationMs: number;
  outcome: (typeof OUTCOMES)[number];
}) {
  const job: SandboxJob = {
    id: "sandbox-1",
    request: {
      durationMs,
      outcome,
      result: null,
      resultBytes: 0,
      misbehaviour: "none",
      pointer: false,
    },
    createdAtMs: CREATED_AT,
    canceledAtMs: null,
    requests: 0,
    firstCredential: null,
    downloaded: false,
  };
  return job;
}

test("a job never goes back, and its progress neither shrinks nor reaches the total", () => {
  fc.assert(
    fc.property(jobs, fc.array(fc.nat(100_000_000), { minLength: 2 }), (given, agesMs) => {
      const job = jobOf(given);
      const states = agesMs
        .toSorted((a, b) => a - b)
        .map((ageMs) => jobState(job, CREATED_AT + ageMs));
      const ranks = states.map(({ status }) => RANK[status]);
      expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      const steps = states.flatMap((s) =>
        s.status === "processing" ? [s.progress.completed] : [],
      );
      expect(steps).toEqual(steps.toSorted((a, b) => a - b));
      expect(Math.max(0, ...steps)).toBeLessThan(10);
    }),
  );
});

test("a job has its outcome from the end of its duration on, and not before", () => {
  fc.assert(
    fc.property(jobs, fc.nat(1_000_000_000), (given, pastMs) => {
      fc.pre(given.outcome !== "never");
      const job = jobOf(given);
      const endsAt = CREATED_AT + given.durationMs;
      expect(jobState(job, endsAt + pastMs).status).toBe(given.outcome);
      fc.pre(given.durationMs >= 1);
      expect(RANK[jobState(job, endsAt - 1).status]).toBeLessThan(2);
    }),
  );
});

test("a job that never ends stays processing", () => {
  const job = jobOf({ durationMs: 1000, outcome: "never" });
  expect(jobState(job, CREATED_AT + 1e12)).toMatchObject({
    status: "processing",
    progress: { total: 10, completed: 9, failed: 0 },
  });
});
