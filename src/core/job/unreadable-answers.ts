/**
 * Answers to the polls of one job that were over a limit, documents, or redirects that are not followed, with no readable one in between.
 * Damaged ones are not counted: the job may end well, and saying that it failed would be false.
 */
export interface UnreadableStreak {
  readonly count: number;
  readonly sinceMs: number;
}

/**
 * Both must be passed before a job ends for it: whatever garbles answers for a while, such as a
 * deployment or a proxy, gets the time to go away. With the back-off of a job that is about 11 polls.
 */
const UNREADABLE_ANSWERS_MIN = 8;
const UNREADABLE_MS_MIN = 5 * 60_000;

export function oneMoreUnreadable(
  before: UnreadableStreak | null | undefined,
  nowMs: number,
): UnreadableStreak {
  return { count: (before?.count ?? 0) + 1, sinceMs: before?.sinceMs ?? nowMs };
}

export function isUnreadableForGood({ count, sinceMs }: UnreadableStreak, nowMs: number): boolean {
  return count >= UNREADABLE_ANSWERS_MIN && nowMs - sinceMs >= UNREADABLE_MS_MIN;
}

/** Shown to people while the job is still polled. */
export function unreadableSoFar(reason: string, { count }: UnreadableStreak): string {
  return (
    `${reason} (${count} in a row; after ${UNREADABLE_ANSWERS_MIN}, over at least ` +
    `${UNREADABLE_MS_MIN / 60_000} minutes, the job ends as failed)`
  );
}

/** The error of a job that ends for it. */
export function unreadableError(
  reason: string,
  { count, sinceMs }: UnreadableStreak,
  nowMs: number,
): string {
  const minutes = Math.round((nowMs - sinceMs) / 60_000);
  return (
    `The upstream's answers could not be read, ${count} in a row over ${minutes} minutes, so how ` +
    "the job ended is not known here: look it up at the upstream. If its other jobs answer so " +
    "too, change the provider's definition to ask for a smaller answer, in JSON, or the " +
    "connection's base_url if the answers redirect elsewhere. " +
    `Last answer: ${reason}`
  );
}
