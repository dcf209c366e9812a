import { expect, test, vi } from "vitest";
import { DatabaseTimeoutError } from "../../../src/store/db/errors.ts";
import { retryTransient } from "../../../src/store/db/retry-transient.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testRuntime } from "../../support/runtime.ts";

const CUT = new DatabaseTimeoutError("the connection was cut");

test("a step of a start that fails with a transient error is tried again until it succeeds", async () => {
  const clock = new FakeClock();
  const step = vi.fn<() => Promise<string>>(() => Promise.resolve("done"));
  step.mockRejectedValueOnce(CUT).mockRejectedValueOnce(CUT);
  const outcome = retryTransient(testRuntime({ clock }))("step", step);
  await clock.advanceSettling(1_000);
  expect(await outcome).toBe("done");
  expect(step).toHaveBeenCalledTimes(3);
});

test("a step of a start that fails for 30 s rejects with its last error", async () => {
  const clock = new FakeClock();
  const outcome = retryTransient(testRuntime({ clock }))("step", () => Promise.reject(CUT));
  const ended = vi.fn<() => void>();
  const rejected = expect(outcome.finally(ended)).rejects.toBe(CUT);
  await clock.advanceSettling(29_000);
  expect(ended).not.toHaveBeenCalled();
  await clock.advanceSettling(7_000);
  await rejected;
});

test("a step of a start that fails with any other error is not tried again", async () => {
  const wrong = new Error("wrong password");
  const step = vi.fn<() => Promise<never>>(() => Promise.reject(wrong));
  await expect(retryTransient(testRuntime())("step", step)).rejects.toBe(wrong);
  expect(step).toHaveBeenCalledTimes(1);
});

test("an abort ends the wait before the next try", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const step = vi.fn<() => Promise<never>>(() => Promise.reject(CUT));
  const outcome = retryTransient(testRuntime({ clock }), stop.signal)("step", step);
  const rejected = expect(outcome).rejects.toThrow("stopped");
  await clock.advanceSettling(0);
  stop.abort(new Error("stopped"));
  await rejected;
  expect(step).toHaveBeenCalledTimes(1);
});
