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
