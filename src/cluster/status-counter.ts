import type { ChangeSignal } from "../runtime/change-signal.ts";
import type { OwnedShards } from "../runtime/owned-shards.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { countProjectStats } from "../store/projects/project-stats.ts";

const COUNT_INTERVAL_MS_MIN = 5_000;
/** Counting takes at most a hundredth of the time. */
const PAUSE_PER_COUNTING = 100;
/** Its owner counts for all nodes. */
const COUNTING_SHARD = 0;

/**
 * Counts the rows of each status for `GET /v1/stats`, on one node for all, however often it is
 * requested.
 */
export function createStatusCounter(
  runtime: Runtime,
  options: {
    readonly database: Database;
    readonly shards: Pick<OwnedShards, "has">;
    /** Tells when rows may have been written. */
    readonly changes: ChangeSignal;
  },
): Repeater {
  const { clock } = runtime;
  let nextAtMs = -Infinity;
  return new Repeater(runtime, {
    name: "count by status",
    intervalMs: COUNT_INTERVAL_MS_MIN,
    changes: options.changes,
    async task() {
      const startedAtMs = clock.monotonic();
      if (!options.shards.has(COUNTING_SHARD) || startedAtMs < nextAtMs) return;
      const handled = options.changes.beginReading();
      await countProjectStats(options.database);
      handled();
      nextAtMs = clock.monotonic() + PAUSE_PER_COUNTING * (clock.monotonic() - startedAtMs);
    },
  });
}
