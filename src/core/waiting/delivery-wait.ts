import type { DeliveryStatus } from "../delivery/delivery-outcome.ts";
import type { Waiting } from "./job-wait.ts";
import type { LaneStatus } from "./lane-status.ts";

/** Why a pending delivery has not been taken. A closed list. */
export const DELIVERY_WAITS = [
  // The time of its next attempt: its retry schedule, or what the receiver asked for.
  "schedule",
  // Its origin fails: only a probe is sent now and then.
  "origin_failing",
  // Its origin answered 429: nothing is sent there for a while.
  "origin_paused",
  // Nothing can be sent there: no name server answers, or the connections are used up.
  "cannot_send",
  // The rate of callbacks to its origin is used up.
  "rate_limit",
  // An older event of its subscription is being sent.
  "older_event",
  // It is being sent.
  "sending",
  // It is due and waits behind others that go to the same origin.
  "turn",
] as const;
export type DeliveryWait = (typeof DELIVERY_WAITS)[number];

/** The state of a delivery in the memory of the node that sends it. */
export type HeldState = "waiting" | "blocked" | "sending";

interface DeliveryFacts {
  readonly status: DeliveryStatus;
  readonly nextAttemptAtMs: number | null;
  /** Null when it is not in memory, or in that of another node. */
  readonly held: HeldState | null;
  /** The lane to its origin on the node that sends it. */
  readonly lane: LaneStatus;
  readonly nowMs: number;
}

/** The cause that a delivery waits for; null once it has ended. */
export function decideDeliveryWait(facts: DeliveryFacts): Waiting<DeliveryWait> | null {
  const { status, held, lane, nowMs } = facts;
  if (status !== "pending") return null;
  if (held === "sending") return { for: "sending", notBeforeMs: null };
  if (held === "blocked") return { for: "older_event", notBeforeMs: null };
  const dueAtMs = facts.nextAttemptAtMs ?? nowMs;
  const blocked = blockedByLane(lane);
  if (blocked !== null && (blocked.notBeforeMs ?? nowMs) >= dueAtMs) return blocked;
  if (dueAtMs > nowMs) return { for: "schedule", notBeforeMs: dueAtMs };
  if (blocked !== null) return blocked;
  return { for: lane.hold === "rate" ? "rate_limit" : "turn", notBeforeMs: dueAtMs };
}

function blockedByLane({
  breaker,
  probeAtMs,
  pausedUntilMs,
  pauseCause,
}: LaneStatus): Waiting<DeliveryWait> | null {
  if (breaker !== "closed") return { for: "origin_failing", notBeforeMs: probeAtMs };
  if (pausedUntilMs === null) return null;
  const cause = pauseCause === "unsent" ? "cannot_send" : "origin_paused";
  return { for: cause, notBeforeMs: pausedUntilMs };
}
