/** An upstream rate limiter's verdict: the request passes, or may be retried later. */
type Verdict =
  | { readonly passes: true }
  | { readonly passes: false; readonly retryAfterMs: number };

export type RateLimiter = (nowMs: number) => Verdict;

const PASSES: Verdict = { passes: true };

/** So many requests in each window of the clock. */
export function fixedWindow(requests: number, windowMs: number): RateLimiter {
  let window = -1;
  let used = 0;
  return (nowMs) => {
    const current = Math.floor(nowMs / windowMs);
    if (current !== window) {
      window = current;
      used = 0;
    }
    used += 1;
    return used <= requests ? PASSES : refusal((current + 1) * windowMs - nowMs);
  };
}

/** Tokens that come in steadily and are saved up to a capacity. */
export function tokenBucket(perSecond: number, capacity: number): RateLimiter {
  let tokens = capacity;
  let updatedMs = 0;
  return (nowMs) => {
    tokens = Math.min(capacity, tokens + ((nowMs - updatedMs) / 1000) * perSecond);
    updatedMs = nowMs;
    if (tokens < 1) return refusal(((1 - tokens) / perSecond) * 1000);
    tokens -= 1;
    return PASSES;
  };
}

/** Retry-After counts in whole seconds. */
function refusal(waitMs: number): Verdict {
  return { passes: false, retryAfterMs: Math.ceil(waitMs / 1000) * 1000 };
}
