import { SHARD_COUNT } from "../core/shard.ts";
import type { DatabaseClock, Timer } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { Repeater } from "../runtime/repeater.ts";
import type { Service } from "../runtime/service.ts";
import type { Database } from "../store/database.ts";
import {
  claimShards,
  forgetDeadNodes,
  leaveCluster,
  releaseShards,
  renewLease,
  viewCluster,
} from "../store/node-leases.ts";
import { timed } from "../store/read-clock.ts";
import { ClockWatch } from "./clock-watch.ts";
import { planShards } from "./shard-plan.ts";

const LEASE_MS = 15_000;
const RENEW_INTERVAL_MS = 5_000;
const BALANCE_INTERVAL_MS = 1_500;
/** Few enough that a failure repeats little, many enough that empty shards cost no time. */
const SHARDS_PER_LOAD = 32;
/** A renewal that takes longer is given up, so that the next can be tried within the lease. */
const RENEW_TIMEOUT_MS = 4_000;

export interface ShardOwnershipPorts {
  readonly database: Database;
  readonly clock: DatabaseClock;
  readonly random: Random;
  readonly log: Log;
  /** This process start; a restarted process is another node. */
  readonly nodeId: string;
  readonly address: string;
  /** Loads what the shards hold; they count as owned while it runs. */
  claimed(shardIds: readonly number[]): Promise<void>;
  /** Forgets all of a shard. */
  dropped(shardId: number): void;
  /** How many live jobs of each project this node watches: the others are told. */
  liveJobs(): ReadonlyMap<string, number>;
  /** And how many the others do. */
  liveJobsElsewhere(counts: ReadonlyMap<string, number>): void;
  /** This node owns another part of all shards, and so polls another part of the jobs. */
  shareChanged(share: number): void;
}

/**
 * Which shards are this node's. The lease is an optimisation: while it lasts nobody else takes the
 * shards, so jobs are polled once. Safety never rests on it: every ending and attempt is recorded
 * by compare-and-set, so a node that believes too long only does work twice.
 */
export class ShardOwnership implements Service {
  readonly name = "shard ownership";
  readonly #ports: ShardOwnershipPorts;
  readonly #owned = new Set<number>();
  readonly #renewer: Repeater;
  readonly #balancer: Repeater;
  #ownedList: readonly number[] = [];
  #leaseTimer: Timer | null = null;
  #hasLease = false;
  #stopping = false;
  readonly #clockWatch: ClockWatch;
  #stopped: Promise<void> | null = null;

  constructor(ports: ShardOwnershipPorts) {
    this.#ports = ports;
    this.#clockWatch = new ClockWatch(ports);
    const { clock, log } = ports;
    this.#renewer = new Repeater({
      name: "renew the lease",
      intervalMs: RENEW_INTERVAL_MS,
      task: () => this.#renew(),
      clock,
      log,
    });
    this.#balancer = new Repeater({
      name: "balance the shards",
      intervalMs: BALANCE_INTERVAL_MS,
      task: () => this.#balance(),
      clock,
      log,
    });
  }

  /** The shards whose jobs this node polls. */
  get owned(): readonly number[] {
    return this.#ownedList;
  }

  get hasLease(): boolean {
    return this.#hasLease;
  }

  owns(shardId: number): boolean {
    return this.#owned.has(shardId);
  }

  async start(): Promise<void> {
    await this.#renew();
    await forgetDeadNodes(this.#ports.database);
    await this.#renewer.start();
    await this.#balancer.start();
    // The first claim loads everything there is; the API need not wait for it.
    this.#balancer.trigger();
  }

  /** Lets go of everything, so that other nodes take over at once. */
  stop(): Promise<void> {
    this.#stopped ??= this.#leave();
    return this.#stopped;
  }

  async #leave(): Promise<void> {
    this.#stopping = true;
    await this.#balancer.stop();
    await this.#renewer.stop();
    this.#leaseTimer?.cancel();
    if (!this.#hasLease) return;
    this.#hasLease = false;
    this.#dropAll();
    await leaveCluster(this.#ports.database, this.#ports.nodeId);
  }

  async #renew(): Promise<void> {
    const { database, clock, nodeId, address } = this.#ports;
    const node = { id: nodeId, address, liveJobs: this.#ports.liveJobs() };
    const renewed = await timed(clock, () =>
      renewLease(database, node, LEASE_MS, RENEW_TIMEOUT_MS),
    );
    // Counted from before the request left: the database can't have begun the lease earlier.
    const leftMs = LEASE_MS - (clock.monotonic() - renewed.sentAtMs);
    this.#hasLease = leftMs > 0;
    this.#leaseTimer?.cancel();
    this.#leaseTimer = clock.setTimer(leftMs, () => this.#loseLease());
    this.#ports.liveJobsElsewhere(renewed.liveJobsElsewhere);
    this.#clockWatch.set(renewed);
  }

  #loseLease(): void {
    this.#hasLease = false;
    this.#ports.log.error(
      { shards: this.#owned.size },
      "the lease could not be renewed in time; other nodes may take over, so everything is let go",
    );
    this.#dropAll();
  }

  async #balance(): Promise<void> {
    const { database, nodeId, random, log } = this.#ports;
    if (!this.#hasLease) return;
    const view = await viewCluster(database, nodeId);
    // Rows that name this node which it does not hold: left from a lease that was lost meanwhile.
    const forgotten = view.mine.filter((shardId) => !this.owns(shardId));
    this.#dropTaken(view.mine);
    const plan = planShards(view, random());
    await this.#release(plan.release);
    const claimed = plan.claim.length === 0 ? [] : await claimShards(database, nodeId, plan.claim);
    const toLoad = [...forgotten.filter((shardId) => !plan.release.includes(shardId)), ...claimed];
    if (toLoad.length === 0 && plan.release.length === 0) return;
    log.info(
      { claimed: toLoad.length, released: plan.release.length, nodes: view.liveNodes },
      "shards balanced",
    );
    for (let from = 0; from < toLoad.length; from += SHARDS_PER_LOAD) {
      if (!this.#hasLease || this.#stopping) return;
      await this.#take(toLoad.slice(from, from + SHARDS_PER_LOAD));
    }
  }

  /** Owned from before they are loaded, so that what is accepted meanwhile is handed over here. */
  async #take(shardIds: readonly number[]): Promise<void> {
    for (const shardId of shardIds) this.#owned.add(shardId);
    this.#listOwned();
    try {
      await this.#ports.claimed(shardIds);
    } catch (error) {
      // Not held, so that the next round sees them as forgotten and tries again.
      this.#drop(shardIds);
      throw error;
    }
  }

  /** Another node has taken them while this one's lease had run out. */
  #dropTaken(mine: readonly number[]): void {
    const stillMine = new Set(mine);
    this.#drop(this.#ownedList.filter((shardId) => !stillMine.has(shardId)));
  }

  async #release(shardIds: readonly number[]): Promise<void> {
    if (shardIds.length === 0) return;
    this.#drop(shardIds);
    await releaseShards(this.#ports.database, this.#ports.nodeId, shardIds);
  }

  #dropAll(): void {
    this.#drop(this.#ownedList);
  }

  #drop(shardIds: readonly number[]): void {
    if (shardIds.length === 0) return;
    for (const shardId of shardIds) {
      if (this.#owned.delete(shardId)) this.#ports.dropped(shardId);
    }
    this.#listOwned();
  }

  #listOwned(): void {
    this.#ownedList = [...this.#owned].sort((a, b) => a - b);
    this.#ports.shareChanged(this.#owned.size / SHARD_COUNT);
  }
}
