/** A row that waits to be committed, with its waiting writer. */
export interface Entry<Row, Result> {
  readonly row: Row;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * How long a commit may take, including waiting for locked rows: as long as any statement, or only
 * long enough to learn that one of its rows is stuck.
 */
export type Patience = "patient" | "brief";

export type CommitOutcome<Result> =
  | { readonly kind: "committed"; readonly results: readonly Result[] }
  /** Another transaction holds the lock of at least one of the rows. */
  | { readonly kind: "locked"; readonly error: unknown }
  /** Took too long, perhaps because of one of the rows, on a database that responds. */
  | { readonly kind: "timed_out"; readonly error: unknown }
  /** The connection was lost during the commit, perhaps because it carries no batch of this size. */
  | { readonly kind: "lost"; readonly error: unknown }
  /** May succeed later with the same rows: no connection, deadlock. */
  | { readonly kind: "transient"; readonly error: unknown }
  /** Failed permanently: one of the rows is bad. */
  | { readonly kind: "refused"; readonly error: unknown }
  /** Failed independently of the rows: out of time, stopped, or a broken commit. */
  | { readonly kind: "failed"; readonly error: unknown };

/** Why a commit failed, by its error. */
export type CommitFailure = "locked" | "timed_out" | "lost" | "transient" | "refused";

const RETRY_DELAY_MS_FIRST = 50;
const RETRY_DELAY_MS_MAX = 5_000;

/** Doubles from 50 ms to 5 s, with jitter down to half of it, so that nodes don't retry in step. */
export function commitRetryDelayMs(failures: number, random: number): number {
  const fullMs = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_FIRST * 2 ** failures);
  return fullMs * (0.5 + 0.5 * random);
}

/** Answers the writers: each with the result of its own row, or all with the error. */
export function answer<Row, Result>(
  entries: readonly Entry<Row, Result>[],
  outcome: Exclude<CommitOutcome<Result>, { kind: "locked" | "timed_out" | "lost" | "transient" }>,
): void {
  if (outcome.kind === "committed") {
    for (const [index, entry] of entries.entries()) entry.resolve(outcome.results[index] as Result);
  } else {
    for (const entry of entries) entry.reject(outcome.error);
  }
}
