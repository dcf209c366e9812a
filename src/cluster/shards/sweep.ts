import type { OwnedShards } from "../../runtime/owned-shards.ts";
import { compareUuids, packUuids, type PackedUuids } from "../../core/ids/packed-uuids.ts";
import { Repeater } from "../../runtime/repeater.ts";
import { checkpointJobs, type JobCheckpoint } from "../../store/writes/checkpoint-jobs.ts";
import type { Database } from "../../store/db/database.ts";
import { loadLiveJobIds, type LiveJob } from "../../store/jobs/load-jobs.ts";
import type { JobLoader } from "../../polling/job-loader.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/**
 * A round covers every shard once, a slice at a time, so that the load is even. Shards without
 * activity are compared only in every tenth round.
 */
const SLICES = 30;
const SLICE_INTERVAL_MS = 1000;
const ROUNDS_PER_QUIET_SHARD = 10;
const ROWS_PER_STATEMENT_MAX = 1000;
/** Ids of four words that are compared with one statement; those of one shard may be more. */
const WORDS_PER_COMPARISON_MAX = 32_768;
const NO_IDS = packUuids([]);
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

interface SweepOptions {
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
    const due = shardIds.filter((id) => isTurnOfQuiet || activity?.isQuiet(id) !== true);
    for (const shards of this.#grouped(due)) await this.#compare(shards);
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

  /** Few shards with many jobs, many with few: a statement for each would cost an idle gateway most. */
  *#grouped(shardIds: readonly number[]): Generator<Map<number, PackedUuids>> {
    let group = new Map<number, PackedUuids>();
    let words = 0;
    for (const shardId of shardIds) {
      const held = this.#options.watches.heldIds(shardId);
      if (group.size > 0 && words + held.length > WORDS_PER_COMPARISON_MAX) {
        yield group;
        group = new Map();
        words = 0;
      }
      group.set(shardId, held);
      words += held.length;
    }
    if (group.size > 0) yield group;
  }

  /** @param heldBefore read before the rows, so that jobs accepted in between are not taken for surplus ones */
  async #compare(heldBefore: ReadonlyMap<number, PackedUuids>): Promise<void> {
    const liveIds = await loadLiveJobIds(this.#options.database, [...heldBefore.keys()]);
    for (const [shardId, held] of heldBefore) {
      if (this.#options.shards.has(shardId))
        await this.#compareShard(shardId, held, liveIds.get(shardId) ?? NO_IDS);
    }
  }

  async #compareShard(shardId: number, held: PackedUuids, live: PackedUuids): Promise<void> {
    const { log } = this.#runtime;
    const { watches } = this.#options;
    const { onlyLeft: gone, onlyRight: added } = compareUuids(held, live);
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
