/*
 * An answer that says that something is not there may be a passing one: another replica answered, or
 * the file was being written. So it takes several in a row, over some time, before it is believed.
 */

/** When a job, or the result of a completed one, counts as gone. */
export interface AbsenceLimits {
  /** So many answers in a row must say so. */
  readonly answers: number;
  /** And the last of them so long after the first. */
  readonly overMs: number;
}

/** Answers in a row that say that something is not there. */
export interface Absence {
  readonly of: "job" | "result";
  readonly answers: number;
  /** When the first of them came. */
  readonly sinceMs: number;
}

const BACKOFF_MS_INITIAL = 1000;
const BACKOFF_MS_MAX = 60_000;

/** One more answer says so. */
export function afterAbsence(before: Absence | null, of: Absence["of"], nowMs: number): Absence {
  return before?.of === of
    ? { of, answers: before.answers + 1, sinceMs: before.sinceMs }
    : { of, answers: 1, sinceMs: nowMs };
}

export function isConfirmed(absence: Absence, limits: AbsenceLimits, nowMs: number): boolean {
  return absence.answers >= limits.answers && nowMs - absence.sinceMs >= limits.overMs;
}

/**
 * How long to wait before asking again: longer each time, never so long that a job which is asked
 * about once an hour takes hours to be confirmed as gone, and with the last question as soon as that
 * can be.
 * @param scheduledMs what the job's schedule says
 */
export function confirmationWaitMs(
  absence: Absence,
  limits: AbsenceLimits,
  scheduledMs: number,
  nowMs: number,
): number {
  const doublings = Math.min(absence.answers - 1, 16);
  const backoffMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_INITIAL * 2 ** doublings);
  const evenMs = Math.max(BACKOFF_MS_INITIAL, limits.overMs / Math.max(1, limits.answers - 1));
  const leftMs = Math.max(BACKOFF_MS_INITIAL, absence.sinceMs + limits.overMs - nowMs);
  return Math.min(Math.max(backoffMs, scheduledMs), evenMs, leftMs);
}

/** One line for a person: how far the confirmation is. */
export function describeAbsence(reason: string, absence: Absence, limits: AbsenceLimits): string {
  const what = absence.of === "job" ? "the job" : "the result";
  return (
    `${reason} (${absence.answers} such answers in a row; ${what} counts as gone after ` +
    `${limits.answers} over ${limits.overMs / 1000} s)`
  );
}
