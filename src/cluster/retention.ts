import type { OwnedShards } from "../runtime/owned-shards.ts";
import { REMOVAL_ROWS_FIRST, removalRestMs, removalRows } from "../core/pace/steps.ts";
import { Pauses } from "../runtime/stopping.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Database } from "../store/db/database.ts";
import {
  findOldRows,
  type OldRows,
  type RemovalStep,
  type RemovedStep,
  removeEndedJobs,
} from "../store/jobs/remove-ended-jobs.ts";
import {
  removeEvents,
  removeRedeliveries,
  removeResultParts,
} from "../store/events/remove-events.ts";
import type { Runtime } from "../runtime/runtime.ts";

const ROUND_INTERVAL_MS = 5 * 60_000;
const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";

type Removal = (database: Database, step: RemovalStep) => Promise<RemovedStep>;

/** In this order: rows that belong to a job are removed once the job is gone. */
const REMOVALS: readonly {
  readonly table: Exclude<keyof OldRows, "shardId">;
  readonly remove: Removal;
}[] = [
  { table: "jobs", remove: removeEndedJobs },
  { table: "resultParts", remove: removeResultParts },
  { table: "events", remove: removeEvents },
  { table: "redeliveries", remove: removeRedeliveries },
];

export interface RetentionOptions {
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  /** How long finished jobs are kept after their last activity. */
  readonly keptForMs: number;
}

/**
 * Removes jobs that ended long ago, with everything that belongs to them. A round goes through the
 * owned shards in steps of a few rows with rests in between; the rest is left to the next round. It
 * stores no progress, and repeating it is harmless.
 */
export class Retention extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: RetentionOptions;
  readonly #pauses: Pauses;
  #rows = REMOVAL_ROWS_FIRST;

  constructor(runtime: Runtime, options: RetentionOptions) {
    super(runtime, {
      name: "remove what is past its retention",
      intervalMs: ROUND_INTERVAL_MS,
      task: () => this.round(),
    });
    this.#runtime = runtime;
    this.#options = options;
    this.#pauses = new Pauses(runtime.clock);
  }

  override stop(): Promise<void> {
    this.#pauses.close();
    return super.stop();
  }

  /** Goes once through all owned shards. */
  async round(): Promise<void> {
    const { clock, log } = this.#runtime;
    const { database, keptForMs, shards } = this.#options;
    const activeSinceMs = clock.now() - keptForMs;
    let removed = 0;
    for (const old of await findOldRows(database, shards.list, activeSinceMs)) {
      for (const { table, remove } of REMOVALS) {
        if (old[table])
          removed += await this.#clear(remove, { shardId: old.shardId, activeSinceMs });
      }
    }
    if (removed > 0) log.info({ rows: removed }, "removed jobs past their retention");
  }

  async #clear(
    removal: Removal,
    of: { readonly shardId: number; readonly activeSinceMs: number },
  ): Promise<number> {
    const { clock } = this.#runtime;
    const { database, shards } = this.#options;
    let afterId: string | null = BEFORE_ALL;
    let removed = 0;
    while (afterId !== null && !this.#pauses.isClosed && shards.has(of.shardId)) {
      const startedAtMs = clock.monotonic();
      const step: RemovedStep = await removal(database, { ...of, afterId, limit: this.#rows });
      const tookMs = clock.monotonic() - startedAtMs;
      this.#rows = removalRows(this.#rows, tookMs);
      removed += step.removed;
      afterId = step.nextAfterId;
      if (afterId !== null || step.removed > 0) await this.#pauses.pause(removalRestMs(tookMs));
    }
    return removed;
  }
}
