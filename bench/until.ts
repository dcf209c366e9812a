import { setTimeout as wait } from "node:timers/promises";

const LOOK_INTERVAL_MS = 20;
const WAIT_MS_MAX = 120_000;

/** Looks until something holds. @throws when it does not within two minutes */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > WAIT_MS_MAX) {
      throw new Error(`Waited ${WAIT_MS_MAX / 1000} s in vain until ${what}.`);
    }
    await wait(LOOK_INTERVAL_MS);
  }
}
