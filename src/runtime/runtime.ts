import type { Clock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";
import type { Log } from "./process/log.ts";
import type { UuidSource } from "./uuid-source.ts";

/** Uniform in [0, 1). Passed in wherever a decision has jitter, so that tests can fix it. */
export type Random = () => number;

export const systemRandom: Random = Math.random;

/**
 * The sources of effects that nearly every part needs, made once by the gateway and passed as the
 * first argument. Decisions in `core` get times and random numbers instead.
 */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly uuids: UuidSource;
  readonly metrics: Metrics;
}
