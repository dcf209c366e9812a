import { randomFillSync } from "node:crypto";
import { UUID_RANDOM_BYTES, uuidV7 } from "../core/ids/ids.ts";
import type { Clock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";
import type { Log } from "./process/log.ts";

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

/** Makes UUIDv7s that carry a shard. */
export type UuidSource = (nowMs: number, shard: number) => string;

const POOLED_UUIDS = 512;

/**
 * Draws randomness for many UUIDs at once: one system call for each would cost more than the rest.
 */
export function createUuidSource(): UuidSource {
  const pool = new Uint8Array(POOLED_UUIDS * UUID_RANDOM_BYTES);
  let offset = pool.length;
  return (nowMs, shard) => {
    if (offset === pool.length) {
      randomFillSync(pool);
      offset = 0;
    }
    const uuid = uuidV7(nowMs, shard, pool, offset);
    offset += UUID_RANDOM_BYTES;
    return uuid;
  };
}

/**
 * A long-lived part. `start` and `stop` may be called more than once; `stop` resolves only when
 * nothing that the service began is still running.
 */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}
