import type { OriginGate } from "./origin-gate.ts";
import type { RateLimits } from "./rate-limit.ts";

export interface LaneLimits extends RateLimits {
  /** Items in progress at the same time. */
  readonly concurrency: number;
}

export interface LaneOptions<Item> {
  readonly limits: LaneLimits;
  readonly gate: OriginGate;
  /**
   * Starts work on an item; the worker calls `settle` exactly once.
   * @param generation to be passed to `settle`
   */
  readonly start: (item: Item, generation: number) => void;
  /** False for an entry that was rescheduled or dropped since it was queued. */
  readonly isCurrent: (item: Item, dueAtMs: number) => boolean;
}
