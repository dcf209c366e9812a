import type { LaneStand } from "./lane-stand.ts";

/** A callback origin as all nodes together know it. */
export interface OriginStand extends Omit<LaneStand, "hold" | "pauseCause"> {
  readonly failure: {
    readonly code: string;
    readonly message: string | null;
    readonly atMs: number;
  } | null;
}

const BY_TROUBLE = ["closed", "half_open", "open"] as const;

/** The worst of what the nodes say; the earliest probe and the latest failure of any. */
export function mergeOriginStands(stands: readonly OriginStand[]): OriginStand {
  return stands.reduce<OriginStand>(
    (merged, stand) => ({
      breaker:
        BY_TROUBLE.indexOf(stand.breaker) > BY_TROUBLE.indexOf(merged.breaker)
          ? stand.breaker
          : merged.breaker,
      pausedUntilMs: extreme(Math.max, merged.pausedUntilMs, stand.pausedUntilMs),
      probeAtMs: extreme(Math.min, merged.probeAtMs, stand.probeAtMs),
      failure:
        (stand.failure?.atMs ?? -1) > (merged.failure?.atMs ?? -1) ? stand.failure : merged.failure,
    }),
    { breaker: "closed", pausedUntilMs: null, probeAtMs: null, failure: null },
  );
}

function extreme(
  pick: (a: number, b: number) => number,
  a: number | null,
  b: number | null,
): number | null {
  return a === null || b === null ? (a ?? b) : pick(a, b);
}
