import { systemClock } from "../../src/runtime/clock.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import type { Database } from "../../src/store/db/database.ts";
import { Writers, type WritersOptions } from "../../src/store/writes/writers.ts";

/** The queues of writes as the engine opens them, silent. */
export function openWriters(database: Database, options: Partial<WritersOptions> = {}): Writers {
  return new Writers({
    database,
    clock: systemClock,
    random: () => 0.5,
    log: createLog({ level: "silent", format: "json" }),
    stopTimeoutMs: 5_000,
    isDatabaseAway: () => false,
    inlineResultBytesMax: 262_144,
    ...options,
  });
}
