import type { OwnedShards } from "../runtime/owned-shards.ts";
import { compareUuids, type PackedUuids } from "../core/ids/packed-uuids.ts";
import { Repeater } from "../runtime/repeater.ts";
import { checkpointJobs, type JobCheckpoint } from "../store/writes/checkpoint-jobs.ts";
import type { Database } from "../store/db/database.ts";
import { loadLiveJobIds, type LiveJob } from "../store/jobs/load-jobs.ts";
import type { JobLoader } from "../polling/job-loader.ts";
import type { Runtime } from "../runtime/runtime.ts";

/**
 * A round covers every shard once, a slice at a time, so that the load is even. Shards without
 * activity are compared only in every tenth round.
 */
const SLICES = 30;
const SLICE_INTERVAL_MS = 1000;
const ROUNDS_PER_QUIET_SHARD = 10;
const ROWS_PER_STATEMENT_MAX = 1000;
/** Checkpoints are for display: they never take more of the database than this. */
const CHECKPOINTS_PER_SLICE_MAX = 2000;
const CHECKPOINTS_AT_STOP_MAX = 5000;

/** The jobs in memory, for the sweep to compare. */
export interface HeldJobs {
  heldIds(shardId: number): PackedUuids;
  holds(shardId: number, id: string): boolean;
  watch(job: LiveJob, firstPoll: "spread"): void;
  unwatch(shardId: number, id: string): void;
  inspectShard(shardId: number, checkpointsMax: number): JobCheckpoint[];
}

export interface SweepOptions {
  readonly database: Database;
  readonly shards: Pick<OwnedShards, "list" | "has">;
  readonly watches: HeldJobs;
  /**
   * True when nothing has happened to a shard's jobs for some rounds, as far as this node knows.
   */
  readonly activity?: { isQuiet(shardId: number): boolean };
  readonly jobs: Pick<JobLoader, "load">;
}

/**
 * Anti-entropy: every 30 s each owned shard's live jobs are compared with those in memory, or every
 * 5 minutes where nothing has happened since. That repairs every missed hand-over. On the way,
 * checkpoints are written and deadlines that have come near get their alarms.
 */
export class Sweep extends Repeater {
  readonly #runtime: Runtime;
  readonly #options: SweepOptions;
  #slice = 0;
  #round = 0;

  constructor(runtime: Runtime, options: SweepOptions) {
    super(runtime, {
      name: "sweep",
      intervalMs: SLICE_INTERVAL_MS,
      task: () => this.#sweepSlice(),
    });
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Stores what polling has learned since the last round. */
  override async stop(): Promise<void> {
    await super.stop();
    await this.#checkpoint(this.#options.shards.list, CHECKPOINTS_AT_STOP_MAX);
  }

  async #sweepSlice(): Promise<void> {
    this.#slice = (this.#slice + 1) % SLICES;
    if (this.#slice === 1) this.#round += 1;
    const { activity } = this.#options;
    const isTurnOfQuiet = this.#round % ROUNDS_PER_QUIET_SHARD === 0;
    const shardIds = this.#options.shards.list.filter((id) => id % SLICES === this.#slice);
    await this.#checkpoint(shardIds, CHECKPOINTS_PER_SLICE_MAX);
    for (const shardId of shardIds) {
      if (isTurnOfQuiet || activity?.isQuiet(shardId) !== true) await this.#compare(shardId);
    }
  }

  async #checkpoint(shardIds: readonly number[], rowsMax: number): Promise<void> {
    const checkpoints: JobCheckpoint[] = [];
    for (const shardId of shardIds) {
      checkpoints.push(
        ...this.#options.watches.inspectShard(shardId, rowsMax - checkpoints.length),
      );
    }
    for (let from = 0; from < checkpoints.length; from += ROWS_PER_STATEMENT_MAX) {
      const page = checkpoints.slice(from, from + ROWS_PER_STATEMENT_MAX);
      await checkpointJobs(this.#options.database, page);
    }
  }

  async #compare(shardId: number): Promise<void> {
    const { log } = this.#runtime;
    const { database, watches } = this.#options;
    // Read before the rows, so that jobs accepted in between are not taken for surplus ones.
    const heldBefore = watches.heldIds(shardId);
    const live = await loadLiveJobIds(database, shardId);
    const { onlyLeft: gone, onlyRight: added } = compareUuids(heldBefore, live);
    for (const id of gone) watches.unwatch(shardId, id);
    const missing = added.filter((id) => !watches.holds(shardId, id));
    if (missing.length === 0) return;
    log.info({ shardId, jobs: missing.length }, "the sweep found jobs that were not watched");
    for (let from = 0; from < missing.length; from += ROWS_PER_STATEMENT_MAX) {
      const page = missing.slice(from, from + ROWS_PER_STATEMENT_MAX);
      const jobs = await this.#options.jobs.load(page.map((id) => ({ shardId, id })));
      if (!this.#options.shards.has(shardId)) return;
      for (const job of jobs) watches.watch(job, "spread");
    }
  }
}
