import { systemClock } from "../../src/runtime/clock.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { createLog } from "../../src/runtime/process/log.ts";
import { type Runtime, createUuidSource } from "../../src/runtime/runtime.ts";

/** A runtime on real time that logs nothing and always draws 0.5, but for the given parts. */
export function testRuntime(parts: Partial<Runtime> = {}): Runtime {
  return {
    clock: systemClock,
    random: () => 0.5,
    log: createLog({ level: "silent", format: "json" }),
    uuids: createUuidSource(),
    metrics: new Metrics(),
    ...parts,
  };
}
