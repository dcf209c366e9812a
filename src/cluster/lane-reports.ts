import { Turns } from "../lanes/shares/turns.ts";
import type { LaneName, LaneState } from "../store/lane-states.ts";

/** A node with more lanes in trouble reports only some of them. */
const REPORTED_LANES_MAX = 5_000;
/** Changes that one report stores in a transaction; the others follow with the next reports. */
const CHANGES_PER_REPORT_MAX = 200;

interface LaneChanges {
  readonly put: readonly LaneState[];
  readonly removed: readonly LaneState[];
}

/**
 * The states of a node's lanes as they are stored, and the next changes. Projects take turns, so a
 * project with thousands of lanes in trouble delays the report of no other.
 */
export class LaneReports {
  readonly #stored = new Map<string, LaneState>();

  get size(): number {
    return this.#stored.size;
  }

  all(): Iterable<LaneState> {
    return this.#stored.values();
  }

  /** The lane's state as it is stored. */
  find(lane: LaneName): LaneState | undefined {
    return this.#stored.get(keyOf(lane));
  }

  /**
   * The changes to store next: lanes that are no longer in trouble, those that have come to be, then
   * the others that have changed, those first that were stored longest ago.
   * @param lanes all that are in trouble now
   */
  changes(lanes: readonly LaneState[]): LaneChanges {
    const now = new Map(inTurns(lanes, REPORTED_LANES_MAX).map((lane) => [keyOf(lane), lane]));
    const stored = [...this.#stored];
    const gone = stored.flatMap(([key, lane]) => (now.has(key) ? [] : [lane]));
    const come = [...now].flatMap(([key, lane]) => (this.#stored.has(key) ? [] : [lane]));
    const changed = stored.flatMap(([key, before]) => {
      const lane = now.get(key);
      return lane === undefined || isSame(before, lane) ? [] : [lane];
    });
    const next = new Set(inTurns([...gone, ...come, ...changed], CHANGES_PER_REPORT_MAX));
    return {
      put: [...come, ...changed].filter((lane) => next.has(lane)),
      removed: gone.filter((lane) => next.has(lane)),
    };
  }

  /** These changes were stored. */
  store({ put, removed }: LaneChanges): void {
    for (const lane of removed) this.#stored.delete(keyOf(lane));
    for (const lane of put) {
      // At the end: the order is that in which they were stored.
      this.#stored.delete(keyOf(lane));
      this.#stored.set(keyOf(lane), lane);
    }
  }

  clear(): void {
    this.#stored.clear();
  }
}

/** At most so many of them, one of each project in turn. */
function inTurns<Item extends { readonly projectId: string }>(
  items: readonly Item[],
  max: number,
): readonly Item[] {
  if (items.length <= max) return items;
  const turns = new Turns<Item>("lane_reports");
  for (const item of items) turns.add(item.projectId, item);
  return Array.from({ length: max }, () => turns.take()).filter((item) => item !== null);
}

function keyOf({ projectId, kind, name }: LaneName): string {
  return `${kind} ${projectId} ${name}`;
}

/**
 * True when a lane is already stored in this state; its times change by themselves only in trouble.
 */
function isSame(a: LaneState, b: LaneState): boolean {
  return (
    a.hold === b.hold &&
    a.breaker === b.breaker &&
    a.pauseCause === b.pauseCause &&
    isNear(a.pausedUntilMs, b.pausedUntilMs) &&
    isNear(a.probeAtMs, b.probeAtMs) &&
    isSameRate(a.perSecond, b.perSecond) &&
    a.failure?.atMs === b.failure?.atMs
  );
}

/** A learned rate grows all the time. */
const SAME_RATE = 0.1;

function isSameRate(a: number | null, b: number | null): boolean {
  return a === b || (a !== null && b !== null && Math.abs(a - b) < SAME_RATE * Math.max(a, b));
}

/** Converting a time from the monotonic clock changes it by a fraction each time. */
const SAME_TIME_MS = 50;

function isNear(a: number | null, b: number | null): boolean {
  return a === b || (a !== null && b !== null && Math.abs(a - b) < SAME_TIME_MS);
}
