import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Database } from "../store/database.ts";
import { forgetOldIdempotencyKeys } from "../store/find-idempotency-key.ts";
import { forgetDeadNodes } from "../store/node-leases.ts";

const INTERVAL_MS = 60_000;
const STATEMENTS_PER_ROUND_MAX = 20;

/** Removes rows whose time is over, a bounded number a round. */
export function createHousekeeping(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly ownedShards: () => readonly number[];
}): Repeater {
  const { database, clock, log, ownedShards } = options;
  return new Repeater({
    name: "housekeeping",
    intervalMs: INTERVAL_MS,
    async task() {
      await forgetDeadNodes(database);
      for (let statement = 0; statement < STATEMENTS_PER_ROUND_MAX; statement += 1) {
        const shardIds = ownedShards();
        if (shardIds.length === 0) return;
        if ((await forgetOldIdempotencyKeys(database, shardIds)) === 0) return;
      }
    },
    clock,
    log,
  });
}
