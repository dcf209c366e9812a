/** Whether the database can be used. A closed list; `ok` is the only good one. */
export type DatabaseCondition = "ok" | "unreachable" | "read_only" | "full";

/**
 * Why a node should get no requests: the code that programs read, and the text that people read.
 * A closed list; a code never changes its meaning.
 */
export const UNREADINESS_REASONS = {
  stopping: "This node is stopping; the other nodes, or the next start, go on with its jobs.",
  database_unreachable: "The database can't be reached, or does not answer.",
  database_read_only: "The database is read-only: nothing can be stored.",
  database_full: "The database's disk is full: nothing can be stored.",
  lease_lost: "The lease in the database could not be renewed.",
  events_unrecorded: "Events have been waiting to be recorded for too long.",
} as const;

type UnreadinessReason = keyof typeof UNREADINESS_REASONS;

/** Events wait for a batch or a retry, which takes seconds at worst. */
const EVENTS_UNRECORDED_MS_MAX = 15_000;

export interface NodeState {
  readonly isStopping: boolean;
  readonly database: DatabaseCondition;
  readonly hasLease: boolean;
  /** How long the event that has waited longest to be recorded has done so; 0 when none waits. */
  readonly oldestUnrecordedEventMs: number;
}

type ReadinessCheck = "process" | "database" | "lease" | "events";

export interface Readiness {
  /** Empty for a node that is ready. */
  readonly reasons: readonly UnreadinessReason[];
  /** `ok`, or what is wrong. */
  readonly checks: Readonly<Record<ReadinessCheck, string>>;
}

/** Judges whether a node should get requests, and names everything that speaks against it. */
export function readinessOf(state: NodeState): Readiness {
  const found: Readonly<Record<ReadinessCheck, UnreadinessReason | null>> = {
    process: state.isStopping ? "stopping" : null,
    database: state.database === "ok" ? null : `database_${state.database}`,
    lease: state.hasLease ? null : "lease_lost",
    events: state.oldestUnrecordedEventMs > EVENTS_UNRECORDED_MS_MAX ? "events_unrecorded" : null,
  };
  const textOf = (reason: UnreadinessReason | null): string =>
    reason === null ? "ok" : UNREADINESS_REASONS[reason];
  return {
    reasons: Object.values(found).filter((reason) => reason !== null),
    checks: {
      process: textOf(found.process),
      database: textOf(found.database),
      lease: textOf(found.lease),
      events: textOf(found.events),
    },
  };
}
