import type { OriginGate } from "./origin-gate.ts";
import type { PaceLimits } from "./pace.ts";

export interface LaneLimits extends PaceLimits {
  /** Items under way at once. */
  readonly concurrency: number;
}

export interface LaneOptions<Item> {
  readonly limits: LaneLimits;
  readonly gate: OriginGate;
  /**
   * Begins work on an item; whoever does the work calls `settle` exactly once.
   * @param era to be handed back to `settle`
   */
  readonly start: (item: Item, era: number) => void;
  /** False for an entry that was rescheduled or dropped since it was queued. */
  readonly isCurrent: (item: Item, dueAtMs: number) => boolean;
}
