import { OwnedShards } from "../../../src/runtime/owned-shards.ts";
import { expect, vi } from "vitest";
import { ShardOwnership } from "../../../src/cluster/shards/shard-ownership.ts";
import { SHARD_COUNT } from "../../../src/core/ids/ids.ts";
import { ownIdentity } from "../../../src/runtime/process/process-identity.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { uuids } from "../../support/rows.ts";
import { testRuntime } from "../../support/runtime.ts";

const BALANCE_INTERVAL_MS = 1_000;
export const ALL = Array.from({ length: SHARD_COUNT }, (_, shardId) => shardId);

/** A node reduced to its shards: `holds` is what it has loaded and not dropped. */
export class ClusterNode {
  readonly id = uuids(Date.now(), 0);
  readonly clock = new FakeClock();
  readonly holds = new Set<number>();
  readonly loads: number[] = [];
  /** For how long each was not served when it was loaded last. */
  readonly unserved = new Map<number, number>();
  share = 0;
  /** Runs while a shard is being loaded. */
  onLoad: (shardId: number) => Promise<void> | void = () => {};
  readonly shards = new OwnedShards();
  readonly ownership: ShardOwnership;

  constructor(database: Database, identity = ownIdentity()) {
    this.ownership = new ShardOwnership(testRuntime({ clock: this.clock }), {
      database,
      databaseClock: this.clock,
      nodeId: this.id,
      address: "http://node.test",
      identity,
      shards: this.shards,
      work: {
        claimed: async (shards) => {
          for (const { shardId, unservedMs } of shards) {
            this.unserved.set(shardId, unservedMs);
            this.loads.push(shardId);
            await this.onLoad(shardId);
            this.holds.add(shardId);
          }
        },
        dropped: (shardId) => this.holds.delete(shardId),
        liveJobs: () => new Map(),
        liveJobsElsewhere: () => {},
        shareChanged: (share) => void (this.share = share),
      },
    });
  }

  get owned(): readonly number[] {
    return this.shards.list;
  }

  /** The held shards must be the owned ones: nothing is polled twice, and nothing is forgotten. */
  get held(): number[] {
    expect(this.share).toBe(this.owned.length / SHARD_COUNT);
    return [...this.holds].sort((a, b) => a - b);
  }

  /** Passes the time, then waits for the rounds that fell due. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await roundsAreOver(this);
  }

  /** Lets the node look at the cluster once. */
  balance(): Promise<void> {
    return this.pass(BALANCE_INTERVAL_MS);
  }
}

export const WAIT = { timeout: 60_000, interval: 10 };

export async function holdsAll(node: ClusterNode): Promise<void> {
  await vi.waitFor(() => expect(node.held).toEqual(ALL), WAIT);
}

/** Each of the two rounds waits for its next time, and a lease that is held for its end. */
export async function roundsAreOver({ clock, ownership }: ClusterNode): Promise<void> {
  await vi.waitFor(() => expect(clock.timers).toBe(ownership.hasLease ? 3 : 2), WAIT);
}
