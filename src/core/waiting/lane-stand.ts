import type { Breaker } from "../pace/breaker.ts";

/**
 * The cause that due items of a lane wait for: the end of a pause, an upstream or receiver that refused because
 * of the rate, others of the lane that are in progress, the rate, or the origin (its breaker, or its
 * other lanes). A closed list.
 */
export const LANE_HOLDS = ["pause", "refusal", "concurrency", "rate", "origin"] as const;
export type LaneHold = (typeof LANE_HOLDS)[number];

export type PauseCause = "rate" | "unsent";

/** The causes that hold a lane back on one node. Times in epoch milliseconds. */
export interface LaneStand {
  /** Null when nothing is due, or nothing holds it back. */
  readonly hold: LaneHold | null;
  /** Null while not paused, or paused until somebody lifts the pause. */
  readonly pausedUntilMs: number | null;
  /** Why it is paused: it was refused because of the rate, or nothing could be sent; null while it is not. */
  readonly pauseCause: PauseCause | null;
  readonly breaker: Breaker["state"];
  /** When an open breaker lets its next probe through. */
  readonly probeAtMs: number | null;
}

export const LANE_FREE: LaneStand = Object.freeze({
  hold: null,
  pausedUntilMs: null,
  pauseCause: null,
  breaker: "closed",
  probeAtMs: null,
});

/** Whether the lane sends as it likes. */
export function isFree({ hold, pausedUntilMs, breaker }: LaneStand): boolean {
  return hold === null && pausedUntilMs === null && breaker === "closed";
}
