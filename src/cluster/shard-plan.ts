import { fairShare } from "../core/ids/shard.ts";

/** A node whose lease lasts, as the database shows it. */
export interface LiveNode {
  /** How many shards name it as their owner. */
  readonly held: number;
  /** From its start to the last renewal of its lease: it may be dead since. */
  readonly livedMs: number;
  readonly sinceRenewalMs: number;
  /** Processes on its host that died lately without leaving. */
  readonly crashes: number;
}

/** One look at the cluster, from one node. */
export interface ClusterView {
  readonly self: LiveNode;
  /** The other live nodes. */
  readonly others: readonly LiveNode[];
  /** Shards whose owner is this node. */
  readonly mine: readonly number[];
  /** Shards that no live node owns, and for how long this node has seen each of them so. */
  readonly free: readonly { readonly shardId: number; readonly freeForMs: number }[];
  /** Not while this node makes up for one that did not take what was left to it. */
  readonly mayRelease: boolean;
}

/** The shards that a node should claim and release. */
export interface ShardPlan {
  readonly claim: readonly number[];
  readonly release: readonly number[];
  /** Whether it claims above its share, since no other node has claimed them. */
  readonly isCovering: boolean;
}

/** A node proves itself by a renewal so long after its start, twice for each death on its host. */
const PROVEN_AFTER_MS = 5_000;
const CRASHES_COUNTED_MAX = 6;
/** A node that was silent for longer may be dead, so nothing is left to it. */
const FRESH_MS = 5_000;
/** A shard that was free for so long is claimed by whoever sees it, whatever is fair. */
const COVER_AFTER_MS = 2_500;

/**
 * Coverage comes before fairness. A free shard is claimed at once by those that it is due to, and
 * soon by anyone. Only nodes that have proven themselves are counted and left to, so that one that
 * dies again and again takes nothing from the healthy ones; it has shards only where they don't.
 * @param random uniform in [0, 1): where in the free shards to begin, so that nodes that look at
 *   the same time seldom reach for the same ones
 */
export function planShards(view: ClusterView, random: number): ShardPlan {
  const proven = view.others.filter(isProven);
  const isNewcomer = proven.length > 0 && !isProven(view.self);
  // Nodes that start together have no older node to wait for, and share among themselves.
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
    .filter(({ sinceRenewalMs }) => sinceRenewalMs <= FRESH_MS)
    .reduce((sum, { held }) => sum + Math.max(0, share - held), 0);
  const surplus = Math.max(0, Math.min(mine.length - share, lacking));
  return mine.slice(mine.length - surplus);
}

/** Whether it lives on beyond its start: only then others make room for it. */
export function isProven({ livedMs, crashes }: LiveNode): boolean {
  const doublings = Math.min(crashes, CRASHES_COUNTED_MAX);
  return livedMs >= PROVEN_AFTER_MS * 2 ** doublings;
}

function rotated<Item>(items: readonly Item[], random: number): readonly Item[] {
  const from = Math.floor(random * items.length);
  return [...items.slice(from), ...items.slice(0, from)];
}
