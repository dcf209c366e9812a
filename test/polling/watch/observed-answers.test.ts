import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { ObservedAnswers } from "../../../src/polling/watch/observed-answers.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const JOBS_MAX = 20_000;
const RUNNING = {
  kind: "running",
  phase: "processing",
  progress: null,
  unknownStatus: null,
  hintMs: null,
  times: { createdAt: null, updatedAt: null },
} as const;

test("a project that asks about more jobs than answers are kept of pushes out its own, and no other's", () => {
  const answers = new ObservedAnswers(new FakeClock());
  const ask = (projectId: string, jobRowId: string) => answers.ask({ projectId, jobRowId }, true);
  expect(ask("quiet", "quiet job")).toBe("first");
  answers.record("quiet job", { status: 200, headers: {}, body: Buffer.from("{}") }, RUNNING);
  for (let job = 0; job < JOBS_MAX + 10; job += 1) ask("loud", `loud job ${job}`);
  expect(ask("quiet", "quiet job")).toMatchObject({ status: 200 });
  expect(answers.isAsked("loud job 0")).toBe(false);
  expect(answers.isAsked(`loud job ${JOBS_MAX + 9}`)).toBe(true);
});

test("waits for polls leave nothing behind at a signal that outlives them", async () => {
  const clock = new FakeClock();
  const answers = new ObservedAnswers(clock);
  answers.ask({ projectId: "project", jobRowId: "job" }, true);
  const { signal } = new AbortController();
  const waits = [1, 2, 3].map(() => answers.next("job", 1_000, signal));
  expect(getEventListeners(signal, "abort")).toHaveLength(3);
  clock.advance(1_000);
  await Promise.all(waits);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
