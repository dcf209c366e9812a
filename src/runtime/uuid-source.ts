import { randomFillSync } from "node:crypto";
import { UUID_RANDOM_BYTES, uuidV7 } from "../core/ids/ids.ts";

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
