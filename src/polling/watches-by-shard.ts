import type { Watch } from "./watch.ts";

const NONE: ReadonlyMap<string, Watch> = new Map();

/** Watches by shard, so that a lost shard is dropped in one move. */
export class WatchesByShard {
  readonly #byShard = new Map<number, Map<string, Watch>>();
  readonly #onCount: (watch: Watch, change: 1 | -1) => void;
  #size = 0;

  /** @param onCount told of every watch that is added or dropped */
  constructor(onCount: (watch: Watch, change: 1 | -1) => void) {
    this.#onCount = onCount;
  }

  get size(): number {
    return this.#size;
  }

  get(shardId: number, id: string): Watch | null {
    return this.#byShard.get(shardId)?.get(id) ?? null;
  }

  /** The watches of a shard; live, so don't hold on to it. */
  ofShard(shardId: number): ReadonlyMap<string, Watch> {
    return this.#byShard.get(shardId) ?? NONE;
  }

  *all(): Generator<Watch> {
    for (const shard of this.#byShard.values()) yield* shard.values();
  }

  add(watch: Watch): void {
    const shard = this.#byShard.get(watch.shardId) ?? new Map<string, Watch>();
    this.#byShard.set(watch.shardId, shard);
    shard.set(watch.id, watch);
    this.#size += 1;
    this.#onCount(watch, 1);
  }

  /** Forgets a watch; harmless when it is gone already. */
  drop(watch: Watch): void {
    watch.state = "dropped";
    // A newer watch of the same job stays.
    if (this.get(watch.shardId, watch.id) !== watch) return;
    this.#byShard.get(watch.shardId)?.delete(watch.id);
    this.#size -= 1;
    this.#onCount(watch, -1);
  }

  dropShard(shardId: number): void {
    for (const watch of this.ofShard(shardId).values()) this.drop(watch);
    this.#byShard.delete(shardId);
  }
}
