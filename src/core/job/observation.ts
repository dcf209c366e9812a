import type { Absence, AbsenceLimits } from "./absence.ts";
import type { RawResult } from "../json/raw-result.ts";

/** Why a poll gave no information about the job. It decides whom the fault counts against. */
export type RetryCause =
  /** The upstream does not know the job yet; normal just after submission. */
  | "not_visible_yet"
  /** Outage, timeout, network error: backs off the job and counts towards the lane's breaker. */
  | "upstream_fault"
  /** Nothing was sent, for reasons of this side's: backs off the job, and says nothing of the upstream. */
  | "not_sent"
  /** The connection's budget is used up: pauses the whole lane. */
  | "rate_limited"
  /** An answer that no rule understands (a web page, an unexpected 4xx), or that was damaged. */
  | "unusable_answer"
  /** An answer that can't be read at all, and asking again will hardly help: over a limit, a document, a redirect. */
  | "unreadable_answer";

/** The job's own times as the upstream spelled them. */
export interface UpstreamTimes {
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
}

/**
 * The meaning of the answer to one poll. A closed list: an unknown upstream status is `running`
 * with `unknownStatus` set, never an error.
 */
export type Observation =
  | {
      readonly kind: "running";
      readonly phase: "pending" | "processing";
      /** Raw JSON text of the upstream's progress, or null. */
      readonly progress: string | null;
      /** A floor for the time to the next poll that the upstream asked for, or null. */
      readonly hintMs: number | null;
      /** How that floor is written, where it can't be meant so; shown to people. */
      readonly waitNote?: string;
      /** A status that no rule knows; shown to people. */
      readonly unknownStatus: string | null;
      /** The URL that the upstream names for the next poll, if it does. */
      readonly nextUrl?: string;
      /** Values that rules for later answers can use. */
      readonly remember?: string;
      readonly times: UpstreamTimes;
    }
  | {
      readonly kind: "completed";
      /** As the upstream wrote it; `null` (the text) when it gave none. */
      readonly result: RawResult;
      readonly times: UpstreamTimes;
    }
  | {
      readonly kind: "failed" | "canceled" | "expired";
      readonly error: string;
      readonly times: UpstreamTimes;
    }
  /** The job, or the result of a completed one, is not there. One such answer proves nothing. */
  | {
      readonly kind: "absent";
      readonly of: Absence["of"];
      /** One line for a person. */
      readonly reason: string;
      readonly confirmedBy: AbsenceLimits;
      readonly retryAfterMs: number | null;
      /** How the job ends once it is confirmed. */
      readonly ending:
        | { readonly status: "expired"; readonly error: string }
        | { readonly status: "completed"; readonly result: RawResult };
      readonly times: UpstreamTimes;
    }
  | {
      readonly kind: "retry";
      readonly cause: RetryCause;
      /** One line for a person. */
      readonly reason: string;
      readonly retryAfterMs: number | null;
    }
  | {
      readonly kind: "credential_rejected";
      readonly reason: string;
      /** Whether the answer is the upstream's own and says that the key is wrong. */
      readonly isPlain: boolean;
    };
