import type FlatQueue from "flatqueue";
import type { LaneStatus } from "../core/waiting/lane-status.ts";

/** Load of a lane on this node. */
export interface LaneLoad extends LaneStatus {
  readonly inFlight: number;
  /** Due and not started. */
  readonly waiting: number;
  /** How long the first of them has been due. */
  readonly behindMs: number;
  /** This node's rate, as configured or as learned; null for no limit. */
  readonly requestsPerSecond: number | null;
}

/**
 * Counts the due items of a queue. A heap holds them at its top, so only they and those just below
 * are visited.
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
