import { fairShare } from "../core/shard.ts";
import type { ClusterView } from "../store/node-leases.ts";

/** What a node should do about its shards, from one look at the cluster. */
export interface ShardPlan {
  readonly claim: readonly number[];
  readonly release: readonly number[];
}

/**
 * A node takes free shards up to its fair share and gives back what it has above that, so that
 * any number of nodes settles within a round or two.
 * @param random uniform in [0, 1): where in the free shards to begin, so that nodes that look at
 *   the same time seldom reach for the same ones
 */
export function planShards(view: ClusterView, random: number): ShardPlan {
  const share = fairShare(view.liveNodes);
  const missing = Math.max(0, share - view.mine.length);
  const from = Math.floor(random * view.free.length);
  const rotated = [...view.free.slice(from), ...view.free.slice(0, from)];
  return { claim: rotated.slice(0, missing), release: view.mine.slice(share) };
}
