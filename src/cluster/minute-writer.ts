import { Repeater } from "../runtime/repeater.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/db/database.ts";
import { putProjectMinutes } from "../store/projects/project-minutes.ts";

const INTERVAL_MS = 60_000;
/**
 * Projects whose minutes a node stores in one round, which bounds the table: a day has 1,440 rounds.
 * With more active projects, a row of each covers several minutes.
 */
const PROJECTS_PER_ROUND_MAX = 200;
const ROWS_AT_STOP_MAX = 2000;

/** Stores what `Runtime.metrics.minutes` has counted, once a minute, if there is anything. */
export class MinuteWriter extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: { readonly database: Database; readonly nodeId: string };

  constructor(runtime: Runtime, options: { readonly database: Database; readonly nodeId: string }) {
    super(runtime, {
      name: "store the counts of minutes",
      intervalMs: INTERVAL_MS,
      task: () => this.#store(PROJECTS_PER_ROUND_MAX),
    });
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Also stores the present minute. */
  override async stop(): Promise<void> {
    await super.stop();
    try {
      await this.#store(ROWS_AT_STOP_MAX, true);
    } catch (error) {
      this.#runtime.log.warn({ err: error }, "the last minutes' counts could not be stored");
    }
  }

  async #store(max: number, isLast = false): Promise<void> {
    const { clock, metrics } = this.#runtime;
    const taken = metrics.minutes.take(clock.now(), max, isLast);
    if (taken.length === 0) return;
    const { database, nodeId } = this.#options;
    await putProjectMinutes(database, nodeId, taken);
    metrics.minutes.stored(taken);
  }
}
