import type { Runtime } from "../../runtime/runtime.ts";
import { commitRetryDelayMs } from "./commit-outcome.ts";
import { isTransient } from "./errors.ts";

/** As long as a start waits for a database to answer at all. */
const RETRY_FOR_MS = 30_000;

/** Runs a step that may be repeated, and repeats it after transient errors. */
export type RetryTransient = <T>(name: string, step: () => Promise<T>) => Promise<T>;

/**
 * For the steps of a start, so that one connection that is cut at the wrong moment does not end it. A
 * step that fails with a transient error is tried again until 30 s after its first failure; its promise
 * then rejects with the last error. It rejects at once with any other error, and when `signal` is aborted.
 */
export function retryTransient(
  { clock, log, random }: Pick<Runtime, "clock" | "log" | "random">,
  signal?: AbortSignal,
): RetryTransient {
  return async (name, step) => {
    let failedFirstAtMs: number | null = null;
    for (let failures = 0; ; failures += 1) {
      try {
        return await step();
      } catch (error) {
        signal?.throwIfAborted();
        const nowMs = clock.monotonic();
        failedFirstAtMs ??= nowMs;
        if (!isTransient(error) || nowMs - failedFirstAtMs >= RETRY_FOR_MS) throw error;
        log.warn({ step: name, err: error }, "a step of the start failed; trying again");
        await waitUnlessAborted(clock, commitRetryDelayMs(failures, random()), signal);
        signal?.throwIfAborted();
      }
    }
  };
}

/** Resolves after the time, or when the signal is aborted. */
async function waitUnlessAborted(
  clock: Runtime["clock"],
  delayMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(delayMs, resolve);
  const end = (): void => resolve();
  signal?.addEventListener("abort", end, { once: true });
  await promise;
  timer.cancel();
  signal?.removeEventListener("abort", end);
}
