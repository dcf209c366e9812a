import type { ConnectionLoad } from "../../polling/upstream/upstreams.ts";

const BY_TROUBLE = ["closed", "half_open", "open"] as const;

/**
 * The load of a connection over its nodes: numbers add up, and where it is held back the node that is
 * most behind says why.
 */
export function totalLoad(loads: readonly ConnectionLoad[]): ConnectionLoad | null {
  const [first, ...others] = loads;
  if (first === undefined) return null;
  return others.reduce(added, first);
}

function added(a: ConnectionLoad, b: ConnectionLoad): ConnectionLoad {
  const further = b.behindMs > a.behindMs || a.hold === null ? b : a;
  const isWorse = BY_TROUBLE.indexOf(b.breaker) > BY_TROUBLE.indexOf(a.breaker);
  return {
    hold: further.hold ?? a.hold,
    pauseCause: a.pauseCause ?? b.pauseCause,
    pausedUntilMs: either(Math.max, a.pausedUntilMs, b.pausedUntilMs),
    probeAtMs: either(Math.min, a.probeAtMs, b.probeAtMs),
    breaker: isWorse ? b.breaker : a.breaker,
    jobs: a.jobs + b.jobs,
    inFlight: a.inFlight + b.inFlight,
    waiting: a.waiting + b.waiting,
    behindMs: Math.max(a.behindMs, b.behindMs),
    requestsPerSecond:
      a.requestsPerSecond === null || b.requestsPerSecond === null
        ? null
        : a.requestsPerSecond + b.requestsPerSecond,
  };
}

function either(
  choose: (a: number, b: number) => number,
  a: number | null,
  b: number | null,
): number | null {
  return a === null ? b : b === null ? a : choose(a, b);
}
