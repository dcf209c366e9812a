/**
 * The upper bounds of the buckets in which times from an ending to its callback are counted, in
 * milliseconds. Longer times are counted in one more bucket.
 */
const TOOK_BOUNDS_MS = [
  25, 50, 100, 200, 350, 500, 750, 1000, 1500, 2500, 5000, 10_000, 30_000, 60_000, 300_000,
  1_800_000, 10_800_000, 86_400_000, 259_200_000,
] as const;

export const TOOK_BUCKETS = TOOK_BOUNDS_MS.length + 1;

/** The counts of a project. `delivered` callbacks and failed attempts are all its attempts. */
export const COUNTED_FACTS = [
  "endings",
  "completed",
  "delivered",
  "failedAttempts",
  "exhausted",
  "gone",
] as const;

type CountedFact = (typeof COUNTED_FACTS)[number];

/** Counts of a project over some time. */
export type MinuteCount = Record<CountedFact, number> & {
  /** Callbacks by the time from the ending to the receiver's 2xx, in {@link TOOK_BUCKETS} buckets. */
  readonly took: number[];
};

export function nothingCounted(): MinuteCount {
  return {
    endings: 0,
    completed: 0,
    delivered: 0,
    failedAttempts: 0,
    exhausted: 0,
    gone: 0,
    took: Array.from({ length: TOOK_BUCKETS }, () => 0),
  };
}

/** Adds `more` to `count`. */
export function addCount(count: MinuteCount, more: Readonly<MinuteCount>): void {
  for (const fact of COUNTED_FACTS) count[fact] += more[fact];
  for (const [bucket, callbacks] of more.took.entries()) {
    count.took[bucket] = (count.took[bucket] ?? 0) + callbacks;
  }
}

export function countEnding(count: MinuteCount, isCompleted: boolean): void {
  count.endings += 1;
  if (isCompleted) count.completed += 1;
}

/**
 * @param status of the delivery after the attempt
 * @param tookMs from the ending to a callback that was taken; null for one that says nothing about it
 */
export function countAttempt(
  count: MinuteCount,
  status: "delivered" | "pending" | "exhausted" | "gone",
  tookMs: number | null,
): void {
  switch (status) {
    case "delivered": {
      count.delivered += 1;
      if (tookMs === null) return;
      const bucket = bucketOf(tookMs);
      count.took[bucket] = (count.took[bucket] ?? 0) + 1;
      return;
    }
    case "pending":
      count.failedAttempts += 1;
      return;
    case "exhausted":
      count.failedAttempts += 1;
      count.exhausted += 1;
      return;
    case "gone":
      count.failedAttempts += 1;
      count.gone += 1;
  }
}

function bucketOf(tookMs: number): number {
  const bucket = TOOK_BOUNDS_MS.findIndex((bound) => tookMs <= bound);
  return bucket === -1 ? TOOK_BOUNDS_MS.length : bucket;
}

/**
 * A quantile of the times from ending to callback in milliseconds, linear within its bucket; null
 * without callbacks. Times in the last bucket count as its lower bound.
 * @param part between 0 and 1; 0.5 for the median
 */
export function tookQuantileMs({ took }: Readonly<MinuteCount>, part: number): number | null {
  const total = took.reduce((sum, callbacks) => sum + callbacks, 0);
  if (total === 0) return null;
  let left = part * total;
  for (const [bucket, callbacks] of took.entries()) {
    if (callbacks > 0 && left <= callbacks) {
      const from = TOOK_BOUNDS_MS[bucket - 1] ?? 0;
      const to = TOOK_BOUNDS_MS[bucket] ?? from;
      return Math.round(from + ((to - from) * left) / callbacks);
    }
    left -= callbacks;
  }
  return TOOK_BOUNDS_MS.at(-1) ?? null;
}

/** The part of finished deliveries that were taken; null when none was finished. */
export function successRate({ delivered, exhausted, gone }: Readonly<MinuteCount>): number | null {
  const finished = delivered + exhausted + gone;
  return finished === 0 ? null : delivered / finished;
}

/** How many rows there are of each status. */
export interface Counted {
  /** Counted from a sample, since there are many rows. */
  readonly isEstimated: boolean;
  /** Statuses without rows are left out. */
  readonly byStatus: Readonly<Record<string, number>>;
}

export const COUNTED_OBJECTS = ["jobs", "subscriptions", "deliveries"] as const;
export type CountedObject = (typeof COUNTED_OBJECTS)[number];

/** A project's objects, by kind and status. */
export type StatusCounts = Readonly<Record<CountedObject, Counted>>;

/**
 * Counted beside the statuses of jobs: live ones that have used nine tenths of the time until their
 * deadline.
 */
export const NEAR_DEADLINE = "near_deadline";
