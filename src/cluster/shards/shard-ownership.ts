import type { ChangeSignal } from "../../runtime/change-signal.ts";
import type { OwnedShards } from "../../runtime/owned-shards.ts";
import type { DatabaseClock, Timer } from "../../runtime/clock.ts";
import { isProvenDead, type ProcessIdentity } from "../../runtime/process/process-identity.ts";
import { Repeater } from "../../runtime/repeater.ts";
import type { Database } from "../../store/db/database.ts";
import {
  claimShards,
  type ClusterRow,
  endLease,
  forgetDeadNodes,
  leaveCluster,
  releaseShards,
  renewLease,
  viewCluster,
} from "../../store/nodes.ts";
import { timed } from "../../store/db/read-clock.ts";
import { ClockWatch } from "./clock-watch.ts";
import { type ClusterView, type LiveNode, planShards } from "./shard-plan.ts";
import type { Runtime, Service } from "../../runtime/runtime.ts";

const LEASE_MS = 12_000;
const RENEW_INTERVAL_MS = 3_000;
/** Also how soon other nodes take over shards that a node leaves. */
const BALANCE_INTERVAL_MS = 1_000;
/** Few enough that a failure repeats little, many enough that empty shards cost no time. */
const SHARDS_PER_LOAD = 32;
/** A longer renewal is given up, so that the next one can be tried within the lease. */
const RENEW_TIMEOUT_MS = 2_500;

/** A shard that this node has taken over. */
export interface ClaimedShard {
  readonly shardId: number;
  /** How long its jobs have not been polled; Infinity when that is not known. */
  readonly unservedMs: number;
}

interface ShardOwnershipOptions {
  /** Signals that shards may have to change hands. */
  readonly changes?: ChangeSignal | undefined;
  readonly database: Database;
  /** The same as the runtime's; every renewal of the lease sets it. */
  readonly databaseClock: DatabaseClock;
  /** Identifies this process start; a restarted process is another node. */
  readonly nodeId: string;
  readonly address: string;
  readonly identity: ProcessIdentity;
  readonly shards: OwnedShards;
  readonly work: ShardWork;
}

/** Work that starts and ends with shards. Tests use a double. */
export interface ShardWork {
  /** Loads the contents of the shards; they count as owned while it runs. */
  claimed(shards: readonly ClaimedShard[]): Promise<void>;
  /** Drops everything of a shard. */
  dropped(shardId: number): void;
  /** How many live jobs of each project this node watches, to be published to the other nodes. */
  liveJobs(): ReadonlyMap<string, number>;
  /** Receives the counts of the other nodes. */
  liveJobsElsewhere(counts: ReadonlyMap<string, number>): void;
  /** This node owns another share of all shards, and so polls another share of the jobs. */
  shareChanged(share: number): void;
}

/**
 * Decides which shards are this node's. The lease is an optimization: while it lasts no other node
 * takes the shards, so jobs are polled once. Safety never depends on it: every ending and attempt
 * is recorded by compare-and-set, so a node that believes in its lease too long only does work
 * twice.
 */
export class ShardOwnership implements Service {
  readonly #runtime: Runtime;
  readonly #options: ShardOwnershipOptions;
  readonly #shards: OwnedShards;
  /**
   * The monotonic time since which this node has seen each shard without a live owner, for those of
   * which the database does not know it.
   */
  readonly #freeSinceMs = new Map<number, number>();
  /**
   * The monotonic time since which shards that were dropped with the lease have not been polled.
   */
  #unservedSinceMs = 0;
  #noReleaseUntilMs = 0;
  readonly #renewer: Repeater;
  readonly #balancer: Repeater;
  #leaseTimer: Timer | null = null;
  #hasLease = false;
  #stopping = false;
  readonly #clockWatch: ClockWatch;
  #stopped: Promise<void> | null = null;

  constructor(runtime: Runtime, options: ShardOwnershipOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#shards = options.shards;
    this.#clockWatch = new ClockWatch(runtime, options.databaseClock);
    this.#renewer = new Repeater(runtime, {
      name: "renew the lease",
      intervalMs: RENEW_INTERVAL_MS,
      task: () => this.#renew(),
    });
    this.#balancer = new Repeater(runtime, {
      name: "balance the shards",
      intervalMs: BALANCE_INTERVAL_MS,
      changes: options.changes,
      task: () => this.#balance(),
    });
  }

  get hasLease(): boolean {
    return this.#hasLease;
  }

  async start(): Promise<void> {
    await this.#renew();
    await forgetDeadNodes(this.#options.database);
    await this.#renewer.start();
    await this.#balancer.start();
    // The first claim loads everything; the API need not wait for it.
    this.#balancer.trigger();
  }

  /** Releases everything, so that other nodes take over at once. */
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
    await leaveCluster(this.#options.database, this.#options.nodeId);
  }

  async #renew(): Promise<void> {
    const { clock } = this.#runtime;
    const { database, databaseClock, nodeId, address, identity } = this.#options;
    const node = { id: nodeId, address, identity, liveJobs: this.#options.work.liveJobs() };
    const renewed = await timed(databaseClock, () =>
      renewLease(database, node, LEASE_MS, RENEW_TIMEOUT_MS),
    );
    // Counted from before the request was sent: the database can't have started the lease earlier.
    const leftMs = LEASE_MS - (clock.monotonic() - renewed.sentAtMs);
    this.#hasLease = leftMs > 0;
    this.#leaseTimer?.cancel();
    this.#leaseTimer = clock.setTimer(leftMs, () => this.#loseLease());
    this.#options.work.liveJobsElsewhere(renewed.liveJobsElsewhere);
    this.#clockWatch.set(renewed);
  }

  #loseLease(): void {
    this.#hasLease = false;
    this.#unservedSinceMs = this.#runtime.clock.monotonic();
    this.#runtime.log.error(
      { shards: this.#shards.list.length },
      "the lease was not renewed in time; releasing all shards, since other nodes may take over",
    );
    this.#dropAll();
  }

  async #balance(): Promise<void> {
    const { clock, random, log } = this.#runtime;
    const { database, nodeId } = this.#options;
    if (!this.#hasLease) return;
    const rows = await this.#lookAtCluster();
    const mine = rows.find(({ id }) => id === nodeId)?.shardIds ?? [];
    // Rows that name this node but that it does not hold, left from a lease that was lost.
    const forgotten = mine.filter((shardId) => !this.#shards.has(shardId));
    this.#dropTaken(mine);
    const plan = planShards(this.#viewOf(rows), random());
    await this.#release(plan.release);
    const claimed = plan.claim.length === 0 ? [] : await claimShards(database, nodeId, plan.claim);
    if (plan.isCovering) this.#noReleaseUntilMs = clock.monotonic() + LEASE_MS;
    const toLoad = [
      ...this.#forgottenShards(forgotten.filter((shardId) => !plan.release.includes(shardId))),
      ...claimedShards(rows, claimed),
    ].toSorted((a, b) => b.unservedMs - a.unservedMs);
    if (toLoad.length === 0 && plan.release.length === 0) return;
    const nodes = rows.filter(({ isLive }) => isLive).length;
    log.info({ claimed: toLoad.length, released: plan.release.length, nodes }, "shards balanced");
    for (let from = 0; from < toLoad.length; from += SHARDS_PER_LOAD) {
      if (!this.#hasLease || this.#stopping) return;
      await this.#take(toLoad.slice(from, from + SHARDS_PER_LOAD));
    }
  }

  /** Also ends the leases of dead processes on this machine, so that no node waits for them. */
  async #lookAtCluster(): Promise<ClusterRow[]> {
    const { log } = this.#runtime;
    const { database, nodeId, identity } = this.#options;
    const rows = await viewCluster(database);
    const dead = rows.filter(
      (row) => row.isLive && row.id !== nodeId && isDeadNeighbor(row, identity),
    );
    if (dead.length === 0) return rows;
    for (const { id, identity: other, renewals } of dead) {
      if (id === null) continue;
      await endLease(database, { id, renewals });
      log.info({ node: id, pid: other?.pid }, "a node on this machine is dead; ended its lease");
    }
    return viewCluster(database);
  }

  #viewOf(rows: readonly ClusterRow[]): ClusterView {
    const nowMs = this.#runtime.clock.monotonic();
    const { nodeId } = this.#options;
    const self = rows.find(({ id }) => id === nodeId);
    const others = rows.filter(({ id, isLive }) => isLive && id !== nodeId);
    const free = rows.filter(({ id, isLive }) => !isLive && id !== nodeId);
    this.#noteFree(
      free.flatMap(({ shardIds }) => shardIds),
      nowMs,
    );
    return {
      self: self === undefined ? UNKNOWN_NODE : liveNode(self),
      others: others.map(liveNode),
      mine: self?.shardIds ?? [],
      // Counted by the database where it can be: a node that has just started does not begin to wait again.
      free: free.flatMap(({ shardIds, freeForMs }) =>
        shardIds.map((shardId) => ({
          shardId,
          freeForMs: freeForMs ?? nowMs - (this.#freeSinceMs.get(shardId) ?? nowMs),
        })),
      ),
      mayRelease: nowMs >= this.#noReleaseUntilMs,
    };
  }

  #noteFree(freeIds: readonly number[], nowMs: number): void {
    const free = new Set(freeIds);
    for (const shardId of this.#freeSinceMs.keys()) {
      if (!free.has(shardId)) this.#freeSinceMs.delete(shardId);
    }
    for (const shardId of freeIds) {
      if (!this.#freeSinceMs.has(shardId)) this.#freeSinceMs.set(shardId, nowMs);
    }
  }

  #forgottenShards(shardIds: readonly number[]): ClaimedShard[] {
    const unservedMs = this.#runtime.clock.monotonic() - this.#unservedSinceMs;
    return shardIds.map((shardId) => ({ shardId, unservedMs }));
  }

  /**
   * Owned even before they are loaded, so that subscriptions accepted during the load are handed
   * over here.
   */
  async #take(shards: readonly ClaimedShard[]): Promise<void> {
    const shardIds = shards.map(({ shardId }) => shardId);
    this.#shards.add(shardIds);
    this.#options.work.shareChanged(this.#shards.share);
    try {
      await this.#options.work.claimed(shards);
    } catch (error) {
      // Not held, so that the next round sees them as forgotten and tries again.
      this.#drop(shardIds);
      throw error;
    }
  }

  /** Drops shards that another node has taken after this one's lease had expired. */
  #dropTaken(mine: readonly number[]): void {
    const stillMine = new Set(mine);
    this.#drop(this.#shards.list.filter((shardId) => !stillMine.has(shardId)));
  }

  async #release(shardIds: readonly number[]): Promise<void> {
    if (shardIds.length === 0) return;
    this.#drop(shardIds);
    await releaseShards(this.#options.database, this.#options.nodeId, shardIds);
  }

  #dropAll(): void {
    this.#drop(this.#shards.list);
  }

  #drop(shardIds: readonly number[]): void {
    if (shardIds.length === 0) return;
    const owned = shardIds.filter((shardId) => this.#shards.has(shardId));
    this.#shards.delete(owned);
    for (const shardId of owned) this.#options.work.dropped(shardId);
    this.#options.work.shareChanged(this.#shards.share);
  }
}

/** The state of a node that has lost its row. */
const UNKNOWN_NODE: LiveNode = { held: 0, livedMs: 0, sinceRenewalMs: 0, crashes: 0 };

function liveNode({ shardIds, livedMs, sinceSeenMs, crashes }: ClusterRow): LiveNode {
  return { held: shardIds.length, livedMs, sinceRenewalMs: sinceSeenMs ?? 0, crashes };
}

function isDeadNeighbor({ identity }: ClusterRow, own: ProcessIdentity): boolean {
  return identity !== null && isProvenDead(identity, own);
}

function claimedShards(rows: readonly ClusterRow[], shardIds: readonly number[]): ClaimedShard[] {
  const claimed = new Set(shardIds);
  return rows.flatMap(({ shardIds: held, sinceSeenMs }) =>
    held
      .filter((shardId) => claimed.has(shardId))
      .map((shardId) => ({ shardId, unservedMs: sinceSeenMs ?? Infinity })),
  );
}
