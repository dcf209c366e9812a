/**
 * A lane's breaker. Closed: all pass. Failures in a row without one success, over some time, open
 * it: nothing passes until a time. Then half open: one probe passes; its success closes the breaker, its
 * failure opens it for longer.
 *
 *   closed ──failures in a row──▶ open ──time──▶ half_open ──success──▶ closed
 *                                  ▲                 │
 *                                  └─────failure─────┘
 */
export type Breaker =
  | {
      readonly state: "closed";
      readonly failuresInRow: number;
      /** When the first of them came. */
      readonly sinceMs: number;
    }
  | { readonly state: "open"; readonly untilMs: number; readonly opensInRow: number }
  | { readonly state: "half_open"; readonly opensInRow: number };

export interface BreakerLimits {
  readonly failuresInRowMax: number;
  /** How long they must have gone on, so that a burst of failures at one moment is not enough. */
  readonly failingMsMin: number;
  readonly openMsInitial: number;
  readonly openMsMax: number;
}

export const BREAKER_CLOSED: Breaker = { state: "closed", failuresInRow: 0, sinceMs: 0 };

export function afterSuccess(): Breaker {
  return BREAKER_CLOSED;
}

export function afterFailure(breaker: Breaker, limits: BreakerLimits, nowMs: number): Breaker {
  switch (breaker.state) {
    case "closed": {
      const failuresInRow = breaker.failuresInRow + 1;
      const sinceMs = breaker.failuresInRow === 0 ? nowMs : breaker.sinceMs;
      if (failuresInRow < limits.failuresInRowMax || nowMs - sinceMs < limits.failingMsMin) {
        return { state: "closed", failuresInRow, sinceMs };
      }
      return { state: "open", untilMs: nowMs + limits.openMsInitial, opensInRow: 1 };
    }
    // Requests in progress when it opened: the decision has been made.
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
