/*
 * One answer is no verdict on a credential: a bot challenge, a resource that one job may not see, and
 * a bad moment look like a refused key. It takes another job, or the same one again, to confirm it,
 * with no job answered well in between. A pause is lifted by a probe, so a wrong one costs a minute.
 */

/** Refusals since the last job that was answered well. */
export interface Suspicion {
  readonly refusals: number;
  /** The job that met the first one. */
  readonly firstJob: number;
  readonly isOneJob: boolean;
  readonly sinceMs: number;
  readonly lastAtMs: number;
}

const CONFIRMED_AFTER_MS = 5_000;
const REFUSALS_OF_SEVERAL_JOBS = 2;
const REFUSALS_OF_ONE_JOB = 3;

export function afterRefusedCredential(
  before: Suspicion | null,
  job: number,
  nowMs: number,
): Suspicion {
  return before === null
    ? { refusals: 1, firstJob: job, isOneJob: true, sinceMs: nowMs, lastAtMs: nowMs }
    : {
        ...before,
        refusals: before.refusals + 1,
        isOneJob: before.isOneJob && before.firstJob === job,
        lastAtMs: nowMs,
      };
}

/** A job was answered well by a poll that began then; one that began before the refusal is no news. */
export function afterGoodAnswer(before: Suspicion | null, beganAtMs: number): Suspicion | null {
  return before !== null && beganAtMs < before.lastAtMs ? before : null;
}

/**
 * Whether the connection is to be paused.
 * @param isPlain the answer is the upstream's own and says that the key is wrong
 * @param hasAnswered the credential has worked before, as far as this node knows
 */
export function isRefusalConfirmed(
  suspicion: Suspicion,
  { isPlain, hasAnswered }: { readonly isPlain: boolean; readonly hasAnswered: boolean },
): boolean {
  if (isPlain && !hasAnswered) return true;
  const needed = suspicion.isOneJob ? REFUSALS_OF_ONE_JOB : REFUSALS_OF_SEVERAL_JOBS;
  const forMs = suspicion.lastAtMs - suspicion.sinceMs;
  return suspicion.refusals >= needed && forMs >= CONFIRMED_AFTER_MS;
}
