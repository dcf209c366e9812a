import type { AnsweredRequest, RequestOutcome } from "../../outbound/exchange/request-outcome.ts";
import type { AffinityCookies } from "../request/affinity.ts";
import type {
  Interpretation,
  ResultWanted,
  RunningObservation,
} from "../../providers/answer/interpret.ts";

/**
 * State that the responses about a job leave for its next request. In memory only: after a restart
 * the job is asked about as if for the first time. Most providers need none.
 */
export interface AnswerMemory {
  /** The tag of the response that is still valid, and its meaning. */
  readonly etag: string | null;
  readonly unchanged: RunningObservation | null;
  /** The URL that the upstream named for the next status request. */
  readonly nextUrl: string | null;
  /** The value that a rule remembered for later responses. */
  readonly remembered: string | null;
  /** The result to request before the next status request. */
  readonly wanted: ResultWanted | null;
  /** The cookies that keep the job at the server that knows it. */
  readonly affinity: AffinityCookies | null;
}

export const NO_MEMORY: AnswerMemory = Object.freeze({
  etag: null,
  unchanged: null,
  nextUrl: null,
  remembered: null,
  wanted: null,
  affinity: null,
});

// RFC 9110 8.8.3, with a bound: a tag is held as long as its job.
const ETAG = /^(?:W\/)?"[\x21\x23-\x7e]{1,200}"$/;

/** The memory after a status response. */
export function memoryAfterStatus(
  before: AnswerMemory,
  interpretation: Interpretation,
  outcome: RequestOutcome,
): AnswerMemory {
  switch (interpretation.kind) {
    case "running": {
      const nextUrl = interpretation.nextUrl ?? before.nextUrl;
      // A tag belongs to the URL that it came from.
      const etag = nextUrl === before.nextUrl ? etagOf(before, outcome) : null;
      const unchanged = etag === null ? null : interpretation;
      const remembered = interpretation.remember ?? before.remembered;
      return { ...before, etag, unchanged, nextUrl, remembered, wanted: null };
    }
    case "result_wanted": {
      return { ...before, etag: null, unchanged: null, wanted: interpretation };
    }
    case "completed":
    case "failed":
    case "canceled":
    case "expired":
    case "absent":
    case "retry":
    case "credential_rejected":
      return before;
  }
}

function etagOf(before: AnswerMemory, outcome: RequestOutcome): string | null {
  if (outcome.kind === "failed") return null;
  const { etag } = outcome.headers;
  if (typeof etag === "string" && ETAG.test(etag)) return etag;
  return isUnchanged(outcome) ? before.etag : null;
}

function isUnchanged({ status }: AnsweredRequest): boolean {
  return status === 304;
}
