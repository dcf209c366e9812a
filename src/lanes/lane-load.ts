import type FlatQueue from "flatqueue";
import type { Breaker } from "../core/pace/breaker.ts";

/**
 * What due items wait for: the end of a pause, an upstream that refused because of the rate, others
 * of the lane that are under way, the rate, or the origin (its breaker, or its other lanes).
 */
export type LaneHold = "pause" | "refusal" | "concurrency" | "rate" | "origin";

/** How a lane stands on this node. */
export interface LaneLoad {
  readonly inFlight: number;
  /** Due and not begun. */
  readonly waiting: number;
  /** For how long the first of them has been due. */
  readonly behindMs: number;
  /** This node's, as set or as learned; null for no limit. */
  readonly requestsPerSecond: number | null;
  /** Null when nothing waits. */
  readonly hold: LaneHold | null;
  /** Epoch milliseconds. Null while not paused, or paused until a hand ends it. */
  readonly pausedUntilMs: number | null;
  readonly breaker: Breaker["state"];
}

/**
 * Counts the items of a queue that are due. A heap holds them at its top, so only they are looked
 * at, and those just below.
 */
export function countDue<Item>(
  queue: FlatQueue<Item>,
  nowMs: number,
  isCurrent: (item: Item, dueAtMs: number) => boolean,
): { readonly waiting: number; readonly oldestDueAtMs: number } {
  let waiting = 0;
  let oldestDueAtMs = nowMs;
  const open = [0];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const [item, dueAtMs] = [queue.ids[at], queue.values[at]];
    if (at >= queue.length || item === undefined || dueAtMs === undefined) continue;
    if (dueAtMs > nowMs) continue;
    open.push(2 * at + 1, 2 * at + 2);
    if (!isCurrent(item, dueAtMs)) continue;
    waiting += 1;
    oldestDueAtMs = Math.min(oldestDueAtMs, dueAtMs);
  }
  return { waiting, oldestDueAtMs };
}
