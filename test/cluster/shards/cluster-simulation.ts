import {
  type ClusterView,
  isProven,
  type LiveNode,
  planShards,
} from "../../../src/cluster/shards/shard-plan.ts";
import { SHARD_COUNT } from "../../../src/core/ids/ids.ts";

export const LEASE_MS = 12_000;
export const RENEW_INTERVAL_MS = 3_000;
export const LOOK_INTERVAL_MS = 1_000;
const STEP_MS = 250;
const CRASHES_REMEMBERED_MS = 600_000;
export const ALL = Array.from({ length: SHARD_COUNT }, (_, shardId) => shardId);

interface Row {
  readonly id: number;
  readonly host: string;
  readonly startedAtMs: number;
  renewedAtMs: number;
  leaseUntilMs: number;
}

interface Process {
  readonly id: number;
  readonly freeSinceMs: Map<number, number>;
  noReleaseUntilMs: number;
  renewAtMs: number;
  lookAtMs: number;
}

/** The shards that a node released, and the nodes that could take them. */
export interface Release {
  readonly atMs: number;
  readonly by: number;
  readonly count: number;
  readonly provenOthers: number;
}

/**
 * A cluster as its database sees it, on a clock of its own: processes renew, look and act as
 * `ShardOwnership` does, and die without a word. A lease lasts after its process.
 */
export class ClusterSimulation {
  nowMs = 0;
  /** Who owns which shard, as every node sees it. */
  readonly owners: (number | null)[] = ALL.map(() => null);
  readonly releases: Release[] = [];
  readonly #random: () => number;
  readonly #rows = new Map<number, Row>();
  readonly #processes = new Map<number, Process>();
  #started = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get running(): number[] {
    return [...this.#processes.keys()];
  }

  start(host: string): number {
    const id = (this.#started += 1);
    this.#rows.set(id, {
      id,
      host,
      startedAtMs: this.nowMs,
      renewedAtMs: this.nowMs,
      leaseUntilMs: this.nowMs + LEASE_MS,
    });
    this.#processes.set(id, {
      id,
      freeSinceMs: new Map(),
      noReleaseUntilMs: 0,
      renewAtMs: this.nowMs + RENEW_INTERVAL_MS,
      // The first look comes at once.
      lookAtMs: this.nowMs,
    });
    return id;
  }

  kill(id: number): void {
    this.#processes.delete(id);
  }

  /** A clean stop. */
  leave(id: number): void {
    this.#processes.delete(id);
    this.#rows.delete(id);
    for (const shardId of ALL) if (this.owners[shardId] === id) this.owners[shardId] = null;
  }

  /** Ends a dead process's lease, as a node does that sees its death. */
  endLease(id: number): void {
    const row = this.#rows.get(id);
    if (row !== undefined) row.leaseUntilMs = Math.min(row.leaseUntilMs, this.nowMs);
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (; this.nowMs < untilMs; this.nowMs += STEP_MS) {
      for (const process of this.#processes.values()) this.#run(process);
    }
  }

  heldBy(id: number): number {
    return this.owners.filter((owner) => owner === id).length;
  }

  /** Shards that no running process owns. */
  get unservedShards(): number[] {
    return ALL.filter((shardId) => {
      const owner = this.owners[shardId] ?? null;
      return owner === null || !this.#processes.has(owner);
    });
  }

  get unserved(): number {
    return this.unservedShards.length;
  }

  #run(process: Process): void {
    const row = this.#rows.get(process.id);
    if (row !== undefined && this.nowMs >= process.renewAtMs) {
      row.renewedAtMs = this.nowMs;
      row.leaseUntilMs = this.nowMs + LEASE_MS;
      process.renewAtMs = this.nowMs + RENEW_INTERVAL_MS;
    }
    if (this.nowMs < process.lookAtMs) return;
    process.lookAtMs = this.nowMs + LOOK_INTERVAL_MS;
    this.#act(process, this.#viewOf(process));
  }

  #act(process: Process, view: ClusterView): void {
    const plan = planShards(view, this.#random());
    if (plan.isCovering) process.noReleaseUntilMs = this.nowMs + LEASE_MS;
    for (const shardId of plan.release) this.owners[shardId] = null;
    if (plan.release.length > 0) {
      this.releases.push({
        atMs: this.nowMs,
        by: process.id,
        count: plan.release.length,
        provenOthers: view.others.filter(isProven).length,
      });
    }
    for (const shardId of plan.claim) {
      if (!this.#isLive(this.owners[shardId] ?? null)) this.owners[shardId] = process.id;
    }
  }

  #viewOf(process: Process): ClusterView {
    const live = [...this.#rows.values()].filter(({ id }) => this.#isLive(id));
    const free = ALL.filter((shardId) => !this.#isLive(this.owners[shardId] ?? null));
    const { freeSinceMs } = process;
    for (const shardId of freeSinceMs.keys()) {
      if (!free.includes(shardId)) freeSinceMs.delete(shardId);
    }
    for (const shardId of free) {
      if (!freeSinceMs.has(shardId)) freeSinceMs.set(shardId, this.nowMs);
    }
    const self = live.find(({ id }) => id === process.id);
    if (self === undefined) throw new Error("a running process has a lease");
    return {
      self: this.#nodeOf(self),
      others: live.filter(({ id }) => id !== process.id).map((row) => this.#nodeOf(row)),
      mine: ALL.filter((shardId) => this.owners[shardId] === process.id),
      free: free.map((shardId) => {
        const owner = this.#rows.get(this.owners[shardId] ?? 0);
        const sinceMs = owner?.leaseUntilMs ?? freeSinceMs.get(shardId) ?? this.nowMs;
        return { shardId, freeForMs: this.nowMs - sinceMs };
      }),
      mayRelease: this.nowMs >= process.noReleaseUntilMs,
    };
  }

  #nodeOf(row: Row): LiveNode {
    const crashes = [...this.#rows.values()].filter(
      (other) =>
        other.host === row.host &&
        other.id !== row.id &&
        !this.#isLive(other.id) &&
        this.nowMs - other.renewedAtMs < CRASHES_REMEMBERED_MS,
    ).length;
    return {
      held: this.heldBy(row.id),
      livedMs: row.renewedAtMs - row.startedAtMs,
      sinceRenewalMs: this.nowMs - row.renewedAtMs,
      crashes,
    };
  }

  #isLive(id: number | null): boolean {
    const row = id === null ? undefined : this.#rows.get(id);
    return row !== undefined && row.leaseUntilMs > this.nowMs;
  }
}

/** Uniform in [0, 1), from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state += 0x6d2b79f5;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
