import type { OriginGate } from "./origin-gate.ts";
import type { RateLimits } from "./rate-limit.ts";

export interface LaneLimits extends RateLimits {
  /** Items under way at once. */
  readonly concurrency: number;
}

export interface LaneOptions<Item> {
  readonly limits: LaneLimits;
  readonly gate: OriginGate;
  /**
   * Begins work on an item; whoever does the work calls `settle` exactly once.
   * @param generation to be handed back to `settle`
   */
  readonly start: (item: Item, generation: number) => void;
  /** False for an entry that was rescheduled or dropped since it was queued. */
  readonly isCurrent: (item: Item, dueAtMs: number) => boolean;
}
