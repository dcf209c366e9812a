import type { DeliveryEngine } from "../../delivery/delivery-engine.ts";
import type { LiveJobs } from "../../intake/live-jobs.ts";
import type { JobLoader } from "../../polling/job-loader.ts";
import type { Poller } from "../../polling/poller.ts";
import type { OwnedShards } from "../../runtime/owned-shards.ts";
import type { ClaimedShard, ShardWork } from "./shard-ownership.ts";
import { SHARD_COUNT } from "../../core/ids/ids.ts";
import type { Clock } from "../../runtime/clock.ts";

interface NodeShardWorkOptions {
  readonly shards: OwnedShards;
  readonly jobs: JobLoader;
  readonly poller: Pick<Poller, "watches" | "observed">;
  readonly delivery: DeliveryEngine;
  readonly liveJobs: LiveJobs;
}

/** Starts polling and delivering claimed shards, and stops when they are released. */
export class NodeShardWork implements ShardWork {
  readonly #options: NodeShardWorkOptions;

  constructor(options: NodeShardWorkOptions) {
    this.#options = options;
  }

  async claimed(claimed: readonly ClaimedShard[]): Promise<void> {
    const { shards, jobs, poller, delivery } = this.#options;
    const unservedMs = new Map(claimed.map((shard) => [shard.shardId, shard.unservedMs]));
    for await (const page of jobs.loadShards([...unservedMs.keys()])) {
      for (const job of page) {
        if (!shards.has(job.shardId)) continue;
        poller.watches.watch(job, { unservedMs: unservedMs.get(job.shardId) ?? Infinity });
      }
    }
    delivery.loop.reload();
  }

  dropped(shardId: number): void {
    const { watches, observed } = this.#options.poller;
    for (const id of watches.dropShard(shardId)) observed.release(id);
    this.#options.delivery.loop.outbox.dropShard(shardId);
  }

  liveJobs(): ReadonlyMap<string, number> {
    return this.#options.liveJobs.here;
  }

  liveJobsElsewhere(counts: ReadonlyMap<string, number>): void {
    this.#options.liveJobs.learn(counts);
  }

  shareChanged(share: number): void {
    this.#options.poller.watches.upstreams.setShare(share);
    this.#options.delivery.loop.outbox.setShare(share);
  }
}

/** Longer than any work on a shard can take: storing a subscription, handing it over. */
const QUIET_AFTER_MS = 120_000;

/**
 * Remembers when this node last did something that may make memory and database differ: stored a
 * subscription, took a command, or had a call fail with an unknown outcome.
 */
export class ShardActivity {
  readonly #clock: Clock;
  readonly #touchedAtMs = new Float64Array(SHARD_COUNT).fill(-Infinity);

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  touch(shardId: number): void {
    this.#touchedAtMs[shardId] = this.#clock.monotonic();
  }

  touchAll(): void {
    this.#touchedAtMs.fill(this.#clock.monotonic());
  }

  /** True when the last activity was so long ago that a comparison since then has covered it. */
  isQuiet(shardId: number): boolean {
    const touchedAtMs = this.#touchedAtMs[shardId] ?? Infinity;
    return this.#clock.monotonic() - touchedAtMs > QUIET_AFTER_MS;
  }
}
