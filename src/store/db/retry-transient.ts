import type { Runtime } from "../../runtime/runtime.ts";
import { retryDelayMs } from "./commit-outcome.ts";
import { isTransient } from "./errors.ts";

/** As long as a start waits for a database to answer at all. */
const RETRY_FOR_MS = 30_000;

/** Runs a step that may be repeated, and repeats it after transient errors. */
export type RetryTransient = <T>(name: string, step: () => Promise<T>) => Promise<T>;

/**
 * For steps of a start, which no connection that is cut at the wrong moment should end. Each is
 * tried again for 30 s after its first failure; then its error is the caller's, as any other error is at once.
 * @param signal gives up when aborted
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
        await new Promise<void>((resolve) => {
          clock.setTimer(retryDelayMs(failures, random()), resolve);
        });
      }
    }
  };
}
