import type { RequestFailure } from "../request-failure.ts";

/** The result of one attempt to fetch a result. */
export type DownloadAttempt =
  | { readonly kind: "answered"; readonly status: number }
  | { readonly kind: "failed"; readonly failure: RequestFailure };

type DownloadStep =
  | { readonly kind: "retry"; readonly afterMs: number; readonly reason: string }
  | { readonly kind: "give_up"; readonly reason: string };

/** The waits after the first, second, … failed attempt. Receivers wait for the ending until then. */
const WAITS_MS = [1_000, 5_000, 15_000, 45_000];

/** A server that sends for so long without an end is not asked again. */
const TRIED_FOR_MS_MAX = 5 * 60_000;

/** Not worth another attempt: where it leads, or how much there is, does not change. */
const FINAL_FAILURES: ReadonlySet<string> = new Set([
  "url_refused",
  "address_refused",
  "body_too_large",
]);

/** Whether an answer of this status is a whole result: not one that is still to come, nor a part. */
export function isWholeDownload(status: number): boolean {
  return status >= 200 && status <= 299 && status !== 202 && status !== 206;
}

/** The next step after an attempt that brought no result. */
export function decideAfterDownload(
  outcome: DownloadAttempt,
  soFar: {
    /** 1 after the first. */
    readonly attempts: number;
    /** Since the first began. */
    readonly tookMs: number;
    /** An earlier one got some of the result: a link that is good for one download may be used up by it. */
    readonly brokeOffBefore: boolean;
  },
): DownloadStep {
  const reason = reasonOf(outcome) + (soFar.brokeOffBefore ? AFTER_BREAK : "");
  const afterMs = WAITS_MS[soFar.attempts - 1];
  const isOver = afterMs === undefined || soFar.tookMs > TRIED_FOR_MS_MAX;
  if (isOver || !mayChange(outcome)) return { kind: "give_up", reason };
  return { kind: "retry", afterMs, reason };
}

const AFTER_BREAK =
  " An earlier download broke off; a link that is good for one download is used up by that.";

function reasonOf(outcome: DownloadAttempt): string {
  return outcome.kind === "failed"
    ? `${outcome.failure.message} (${outcome.failure.code})`
    : `The link answered ${outcome.status}.`;
}

function mayChange(outcome: DownloadAttempt): boolean {
  if (outcome.kind === "failed") return !FINAL_FAILURES.has(outcome.failure.code);
  const { status } = outcome;
  return status === 202 || status === 404 || status === 408 || status === 429 || status >= 500;
}
