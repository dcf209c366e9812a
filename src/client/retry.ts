import type { RingbackError } from "./ringback-error.ts";

const FIRST_WAIT_MS = 500;
const WAIT_MS_MAX = 8_000;
/** A gateway that asks for more is not waited for: the caller decides. */
const RETRY_AFTER_S_MAX = 60;

/**
 * How long to wait before a request is sent again, in ms; null when it is not. Only what can't be
 * done twice by that is sent again.
 * @param tries how often it was sent, 1 or more
 * @param isRepeatable whether to send it twice is the same as once
 * @param random between 0 and 1
 */
export function retryWaitMs(
  error: RingbackError,
  tries: number,
  isRepeatable: boolean,
  random: number,
): number | null {
  if (!mayRepeat(error, isRepeatable)) return null;
  const afterS = error.retryAfterS ?? 0;
  if (afterS > RETRY_AFTER_S_MAX) return null;
  const backoffMs = Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * 2 ** (tries - 1));
  // Between half and all of it, so that clients that failed together come back apart.
  return Math.max(afterS * 1000, backoffMs * (0.5 + random / 2));
}

function mayRepeat({ status, code, problem }: RingbackError, isRepeatable: boolean): boolean {
  switch (status) {
    case null:
      return isRepeatable && (code === "network_error" || code === "request_timed_out");
    case 409:
      // Another try of the same request is still being carried out.
      return code === "idempotency_key_in_use";
    case 429:
      return true;
    case 503:
      // The gateway says whether it may have done something.
      return isRepeatable || problem?.["outcome"] === "none";
    case 502:
    case 504:
      return isRepeatable;
    default:
      return false;
  }
}
