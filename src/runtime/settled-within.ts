import type { Clock } from "./clock.ts";

/** Waits for `work`, but no longer than `timeoutMs`; true when it settled. Never rejects. */
export async function settledWithin(
  clock: Clock,
  work: Promise<unknown>,
  timeoutMs: number,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.setTimer(timeoutMs, () => resolve(false));
  void work.then(
    () => resolve(true),
    () => resolve(true),
  );
  const settled = await promise;
  timer.cancel();
  return settled;
}
