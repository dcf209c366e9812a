import { expect, test, vi } from "vitest";
import { DeadlinePassedError, RequestDeadline } from "../../src/runtime/request-deadline.ts";
import { FakeClock } from "../support/fake-clock.ts";

function deadlineOf(forMs: number) {
  const clock = new FakeClock();
  return { clock, deadline: new RequestDeadline(clock, forMs) };
}

test("everything that waits is told once the deadline has passed, and what comes later at once", async () => {
  const { clock, deadline } = deadlineOf(100);
  const listeners = [vi.fn<() => void>(), vi.fn<() => void>()];
  for (const listener of listeners) deadline.onPassed(listener);
  const raced = deadline.race(new Promise<never>(() => {}));
  clock.advance(99);
  for (const listener of listeners) expect(listener).not.toHaveBeenCalled();
  clock.advance(1);
  for (const listener of listeners) expect(listener).toHaveBeenCalledOnce();
  await expect(raced).rejects.toThrow(DeadlinePassedError);
  await expect(deadline.race(new Promise<never>(() => {}))).rejects.toThrow(DeadlinePassedError);
  expect(deadline.hasPassed).toBe(true);
});

test("work that settles in time keeps its outcome", async () => {
  const { clock, deadline } = deadlineOf(100);
  await expect(deadline.race(Promise.resolve("done"))).resolves.toBe("done");
  await expect(deadline.race(Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  const listener = vi.fn<() => void>();
  deadline.onPassed(listener);
  deadline.end();
  clock.advance(1_000);
  expect(listener).not.toHaveBeenCalled();
});

test("a pause does not count", async () => {
  const { clock, deadline } = deadlineOf(100);
  const work = Promise.withResolvers<void>();
  const paused = deadline.pausedDuring(work.promise);
  clock.advance(500);
  work.resolve();
  await paused;
  clock.advance(99);
  expect(deadline.hasPassed).toBe(false);
  clock.advance(1);
  expect(deadline.hasPassed).toBe(true);
});
