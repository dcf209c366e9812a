/**
 * A lane's breaker. Closed: all pass. Failures in a row without one success open it: nothing
 * passes until a time. Then half open: one probe passes; its success closes the breaker, its
 * failure opens it for longer.
 *
 *   closed ──failures in a row──▶ open ──time──▶ half_open ──success──▶ closed
 *                                  ▲                 │
 *                                  └─────failure─────┘
 */
export type Breaker =
  | { readonly state: "closed"; readonly failuresInRow: number }
  | { readonly state: "open"; readonly untilMs: number; readonly opensInRow: number }
  | { readonly state: "half_open"; readonly opensInRow: number };

export interface BreakerLimits {
  readonly failuresInRowMax: number;
  readonly openMsInitial: number;
  readonly openMsMax: number;
}

export const BREAKER_CLOSED: Breaker = { state: "closed", failuresInRow: 0 };

export function afterSuccess(): Breaker {
  return BREAKER_CLOSED;
}

export function afterFailure(breaker: Breaker, limits: BreakerLimits, nowMs: number): Breaker {
  switch (breaker.state) {
    case "closed": {
      const failuresInRow = breaker.failuresInRow + 1;
      if (failuresInRow < limits.failuresInRowMax) return { state: "closed", failuresInRow };
      return { state: "open", untilMs: nowMs + limits.openMsInitial, opensInRow: 1 };
    }
    // What was under way when it opened: the decision is already taken.
    case "open":
      return breaker;
    case "half_open": {
      const openMs = Math.min(limits.openMsMax, limits.openMsInitial * 2 ** breaker.opensInRow);
      return { state: "open", untilMs: nowMs + openMs, opensInRow: breaker.opensInRow + 1 };
    }
  }
}

/** Lets time pass: an open breaker whose time is up lets one probe through. */
export function afterTime(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.state !== "open" || nowMs < breaker.untilMs) return breaker;
  return { state: "half_open", opensInRow: breaker.opensInRow };
}
