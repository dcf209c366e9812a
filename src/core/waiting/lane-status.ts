import type { Breaker } from "../pace/breaker.ts";

/**
 * The cause that due items of a lane wait for: the end of a pause, an upstream or receiver that refused because
 * of the rate, others of the lane that are in progress, the rate, or the origin (its breaker, or its
 * other lanes). A closed list.
 */
const LANE_HOLDS = ["pause", "refusal", "concurrency", "rate", "origin"] as const;
export type LaneHold = (typeof LANE_HOLDS)[number];

export type PauseCause = "rate" | "unsent";

/** The causes that hold a lane back on one node. Times in epoch milliseconds. */
export interface LaneStatus {
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

export const LANE_FREE: LaneStatus = Object.freeze({
  hold: null,
  pausedUntilMs: null,
  pauseCause: null,
  breaker: "closed",
  probeAtMs: null,
});

/** Whether the lane sends as it likes. */
export function isFree({ hold, pausedUntilMs, breaker }: LaneStatus): boolean {
  return hold === null && pausedUntilMs === null && breaker === "closed";
}

/** A callback origin as all nodes together know it. */
interface OriginStatus extends Omit<LaneStatus, "hold" | "pauseCause"> {
  readonly failure: {
    readonly code: string;
    readonly message: string | null;
    readonly atMs: number;
  } | null;
  /** The configured or learned rate of all nodes together; null for no limit. */
  readonly perSecond: number | null;
}

const BY_TROUBLE = ["closed", "half_open", "open"] as const;

/** The worst of what the nodes say; the earliest probe, the latest failure and the lowest rate of any. */
export function mergeOriginStatuses(statuses: readonly OriginStatus[]): OriginStatus {
  return statuses.reduce<OriginStatus>(
    (merged, status) => ({
      breaker:
        BY_TROUBLE.indexOf(status.breaker) > BY_TROUBLE.indexOf(merged.breaker)
          ? status.breaker
          : merged.breaker,
      pausedUntilMs: extreme(Math.max, merged.pausedUntilMs, status.pausedUntilMs),
      probeAtMs: extreme(Math.min, merged.probeAtMs, status.probeAtMs),
      failure:
        (status.failure?.atMs ?? -1) > (merged.failure?.atMs ?? -1)
          ? status.failure
          : merged.failure,
      perSecond: extreme(Math.min, merged.perSecond, status.perSecond),
    }),
    { breaker: "closed", pausedUntilMs: null, probeAtMs: null, failure: null, perSecond: null },
  );
}

function extreme(
  pick: (a: number, b: number) => number,
  a: number | null,
  b: number | null,
): number | null {
  return a === null || b === null ? (a ?? b) : pick(a, b);
}
