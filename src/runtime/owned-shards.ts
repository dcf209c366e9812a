import { SHARD_COUNT } from "../core/ids/ids.ts";

/**
 * The shards whose jobs and deliveries this node owns. Shard ownership, which claims and releases
 * them, writes it; everything that works on shards reads it.
 */
export class OwnedShards {
  readonly #ids: Set<number>;
  #list: readonly number[] = [];

  constructor(shardIds: Iterable<number> = []) {
    this.#ids = new Set(shardIds);
    this.#sort();
  }

  /** In ascending order; a new array after every change. */
  get list(): readonly number[] {
    return this.#list;
  }

  /** This node's share of all shards, from 0 to 1. */
  get share(): number {
    return this.#ids.size / SHARD_COUNT;
  }

  has(shardId: number): boolean {
    return this.#ids.has(shardId);
  }

  add(shardIds: Iterable<number>): void {
    for (const shardId of shardIds) this.#ids.add(shardId);
    this.#sort();
  }

  delete(shardIds: Iterable<number>): void {
    for (const shardId of shardIds) this.#ids.delete(shardId);
    this.#sort();
  }

  #sort(): void {
    this.#list = [...this.#ids].sort((a, b) => a - b);
  }
}
