import {
  type HeaderValues,
  parseRetryAfter,
  parseWaitHeader,
  RETRY_AFTER_MS_MAX,
} from "../job/retry-after.ts";

/** A receiver's request in an answer that does not take the callback. */
export interface ReceiverAsks {
  /** `ringback-retry: no`: this delivery is not to be tried again. */
  readonly stop: boolean;
  /** `ringback-retry-after`: how long to wait, whatever the schedule says; bounded to a day. */
  readonly waitMs: number | null;
  /** `Retry-After`: the least wait, where the status is one that this header is meant for. */
  readonly retryAfterMs: number | null;
}

export const ASKS_NOTHING: ReceiverAsks = { stop: false, waitMs: null, retryAfterMs: null };

/** Reads what the headers of an answer ask for; what can't be understood counts as absent. */
export function readReceiverAsks(headers: HeaderValues, nowMs: number): ReceiverAsks {
  return {
    stop: saysNo(headers["ringback-retry"]),
    waitMs: parseWaitHeader(headers, "ringback-retry-after", "s", {
      nowMs,
      maxMs: RETRY_AFTER_MS_MAX,
      // Written for us and no one else: however long, it is an order to wait.
      meantMsMax: Number.POSITIVE_INFINITY,
    }),
    retryAfterMs: parseRetryAfter(headers, nowMs),
  };
}

function saysNo(value: HeaderValues[string]): boolean {
  return typeof value === "string" && value.trim().toLowerCase() === "no";
}
