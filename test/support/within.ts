import { setTimeout as sleep } from "node:timers/promises";
import type { Api } from "./api-client.ts";

const TICK_MS = 20;

/**
 * Waits for at most this much of the time that the gateways got to live: it counts in ticks, and a
 * tick is over when each of them has answered from its database. So a machine that is too busy for them
 * slows the clock as well, and only a gateway that takes its time is late.
 */
export async function within<T>(
  livedMs: number,
  gateways: readonly { readonly api: Api }[],
  expectation: () => T | Promise<T>,
): Promise<T> {
  for (let lived = 0; ; lived += TICK_MS) {
    try {
      return await expectation();
    } catch (error) {
      if (lived >= livedMs) throw error;
    }
    await Promise.all([sleep(TICK_MS), ...gateways.map(({ api }) => api("GET", "/v1/project"))]);
  }
}
