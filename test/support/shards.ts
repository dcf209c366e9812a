import type { OwnedShards } from "../../src/runtime/owned-shards.ts";

/** Owned shards that a test may change at any time. */
export function shardsIn(read: () => readonly number[]): Pick<OwnedShards, "list" | "has"> {
  return {
    get list() {
      return read();
    },
    has: (shardId) => read().includes(shardId),
  };
}
