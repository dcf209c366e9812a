/** The pace of a redelivery of many, in deliveries per second. */
export const REDELIVERIES_PER_SECOND_MIN = 0.1;
export const REDELIVERIES_PER_SECOND_MAX = 10_000;

const BATCH_MAX = 500;
/** However fast it goes and however little a step finds, the database is left alone in between. */
const STEP_MS_MIN = 10;

/** How many to take at once: about a second's worth, so that a slow pace is not a burst now and then. */
export function redeliveryBatch(perSecond: number): number {
  return Math.min(BATCH_MAX, Math.max(1, Math.floor(perSecond)));
}

/** When each of a batch is due: spread evenly from now on. */
export function redeliveryDueTimes(nowMs: number, count: number, perSecond: number): number[] {
  return Array.from({ length: count }, (_, index) => nowMs + (index * 1000) / perSecond);
}

/** How long after the beginning of a step that took `count` deliveries the next may begin. */
export function redeliveryStepMs(count: number, perSecond: number): number {
  return Math.max(STEP_MS_MIN, (count * 1000) / perSecond);
}
