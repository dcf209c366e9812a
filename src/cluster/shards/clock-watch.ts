import type { ClockReading, DatabaseClock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/process/log.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** A larger difference is reported, although nothing here depends on it. */
const OFF_MS_MAX = 5_000;

/**
 * Sets the clock by each reading of the database's, and warns of clocks that are wrong: this
 * machine's when it differs, which affects its log lines, and the database's when it jumps.
 */
export class ClockWatch {
  readonly #clock: DatabaseClock;
  readonly #log: Log;
  #isOff = false;

  constructor({ log }: Pick<Runtime, "log">, clock: DatabaseClock) {
    this.#clock = clock;
    this.#log = log;
  }

  set(reading: ClockReading): void {
    const movedMs = this.#clock.set(reading);
    if (Math.abs(movedMs) > OFF_MS_MAX) {
      this.#log.warn(
        { movedS: seconds(movedMs) },
        "the database's clock was moved; deadlines and retries follow it",
      );
    }
    const aheadMs = this.#clock.systemAheadMs();
    const isOff = Math.abs(aheadMs) > OFF_MS_MAX;
    if (isOff === this.#isOff) return;
    this.#isOff = isOff;
    const fields = { aheadS: seconds(aheadMs) };
    if (isOff) {
      this.#log.warn(
        fields,
        "this machine's clock differs from the database's, whose time is used; log lines carry the wrong one",
      );
    } else this.#log.info(fields, "this machine's clock matches the database's again");
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
