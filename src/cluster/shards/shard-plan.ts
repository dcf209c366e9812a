import { fairShare } from "../../core/ids/ids.ts";

/** A node with a valid lease, as the database shows it. */
export interface LiveNode {
  /** Number of shards that name it as their owner. */
  readonly held: number;
  /** From its start to the last renewal of its lease; it may have died since. */
  readonly livedMs: number;
  readonly sinceRenewalMs: number;
  /** Recent deaths of processes on its host without a clean stop. */
  readonly crashes: number;
}

/** A snapshot of the cluster, from one node. */
export interface ClusterView {
  readonly self: LiveNode;
  /** The other live nodes. */
  readonly others: readonly LiveNode[];
  /** Shards owned by this node. */
  readonly mine: readonly number[];
  /** Shards without a live owner, and how long each has been without one. */
  readonly free: readonly { readonly shardId: number; readonly freeForMs: number }[];
  /** False while this node covers for one that did not take its share. */
  readonly mayRelease: boolean;
}

/** The shards that a node should claim and release. */
interface ShardPlan {
  readonly claim: readonly number[];
  readonly release: readonly number[];
  /** True when it claims above its share, since no other node has claimed these shards. */
  readonly isCovering: boolean;
}

/**
 * A node proves itself by a renewal this long after its start, doubled for each death on its host.
 */
const PROVEN_AFTER_MS = 5_000;
const CRASHES_COUNTED_MAX = 6;
/** A node that was silent for longer may be dead, so nothing is left for it. */
const FRESH_MS = 5_000;
/** A shard that was free for this long is claimed by any node that sees it. */
const COVER_AFTER_MS = 2_500;

/**
 * Coverage comes before fairness. A free shard is claimed at once by nodes below their share, and
 * soon by any node. Only nodes that have proven themselves count for shares, so that one that dies
 * again and again takes nothing from the healthy ones; it gets shards only where they claim none.
 * @param random uniform in [0, 1): where in the free shards to begin, so that nodes that look at
 *   the same time seldom choose the same ones
 */
export function planShards(view: ClusterView, random: number): ShardPlan {
  const proven = view.others.filter(isProven);
  // One that is silent may be dead, and then claims nothing.
  const isNewcomer = proven.some(isFresh) && !isProven(view.self);
  // Nodes that start together have no older node to wait for, and divide the shards among
  // themselves.
  const sharers = proven.length > 0 ? proven : view.others;
  const missing = Math.max(0, fairShare(1 + sharers.length) - view.mine.length);
  const shareAfterMs = isNewcomer ? COVER_AFTER_MS : 0;
  const due = view.free.filter(({ freeForMs }) => freeForMs >= shareAfterMs);
  const left = view.free.filter(({ freeForMs }) => freeForMs >= shareAfterMs + COVER_AFTER_MS);
  const rest = due.filter((shard) => !left.includes(shard));
  const claim = [...left, ...rotated(rest, random).slice(0, Math.max(0, missing - left.length))];
  return {
    claim: claim.map(({ shardId }) => shardId),
    release: view.mayRelease && view.free.length === 0 ? releasable(view.mine, proven) : [],
    isCovering: claim.length > missing,
  };
}

/** The shards above this node's share that others lack. */
function releasable(mine: readonly number[], proven: readonly LiveNode[]): readonly number[] {
  const share = fairShare(1 + proven.length);
  const lacking = proven
    .filter(isFresh)
    .reduce((sum, { held }) => sum + Math.max(0, share - held), 0);
  const surplus = Math.max(0, Math.min(mine.length - share, lacking));
  return mine.slice(mine.length - surplus);
}

function isFresh({ sinceRenewalMs }: LiveNode): boolean {
  return sinceRenewalMs <= FRESH_MS;
}

/** True when it has outlived its start; only then do others release shards for it. */
export function isProven({ livedMs, crashes }: LiveNode): boolean {
  const doublings = Math.min(crashes, CRASHES_COUNTED_MAX);
  return livedMs >= PROVEN_AFTER_MS * 2 ** doublings;
}

function rotated<Item>(items: readonly Item[], random: number): readonly Item[] {
  const from = Math.floor(random * items.length);
  return [...items.slice(from), ...items.slice(0, from)];
}
