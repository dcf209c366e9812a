import type { Clock } from "../../src/runtime/clock.ts";
import type { Database } from "../../src/store/db/database.ts";
import { testRuntime } from "./runtime.ts";
import { Writers, type WritersOptions } from "../../src/store/writes/writers.ts";

/** The queues of writes as the engine opens them, silent. */
export function openWriters(
  database: Database,
  { clock, ...options }: Partial<WritersOptions> & { readonly clock?: Clock } = {},
): Writers {
  return new Writers(testRuntime(clock && { clock }), {
    database,
    stopTimeoutMs: 5_000,
    isDatabaseAway: () => false,
    inlineResultBytesMax: 262_144,
    ...options,
  });
}
