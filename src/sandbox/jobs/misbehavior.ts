import { pulseError, type PulseError } from "./pulse-error.ts";

/** How a sandbox job's status endpoint can misbehave; the text is what a person reads about it. */
export const MISBEHAVIORS = {
  none: "Answers every status request properly.",
  flaky_500: "Answers every other status request, the first included, with 500, as in an outage.",
  rate_limited:
    "Answers every third status request with 429 and Retry-After: 1, which pauses the connection for a second.",
  slow: "Takes two seconds over every answer.",
  not_found_first:
    "Answers the first two status requests with 404, as when a new job is not visible yet.",
  unknown_status:
    'Calls itself "reticulating" while it is processing, a status that no rule knows.',
  garbage: "Answers every other status request, the first included, with 200 and half a JSON text.",
  unauthorized:
    "Answers 401 to the credential it was first asked with: pauses the connection until it gets a new one.",
} as const satisfies Record<string, string>;

export type Misbehavior = keyof typeof MISBEHAVIORS;

/** The fault of one answer. */
export type RequestError =
  | { readonly kind: "none" }
  | { readonly kind: "refuse"; readonly error: PulseError }
  | { readonly kind: "cut_short" }
  | { readonly kind: "rename_processing"; readonly status: string }
  | { readonly kind: "delay"; readonly delayMs: number };

const NONE: RequestError = { kind: "none" };
const SLOW_MS = 2000;
const NOT_FOUND_TIMES = 2;
const OUTAGE = pulseError(500, "GENERAL_001", "Internal server error");
const RATE_LIMITED = pulseError(429, "GENERAL_004", "Rate limit exceeded", { retryAfterS: 1 });
const NOT_VISIBLE_YET = pulseError(404, "JOB_001", "Job not found");
const REJECTED = pulseError(401, "AUTH_002", "Invalid API key");

/**
 * Decides the fault of the answer to one status request.
 * @param request which request for this job it is, from 1
 * @param isFirstCredential whether it came with the same credential as the first request
 */
export function errorOf(
  misbehaviour: Misbehavior,
  request: number,
  isFirstCredential: boolean,
): RequestError {
  switch (misbehaviour) {
    case "none":
      return NONE;
    case "flaky_500":
      return request % 2 === 1 ? refuse(OUTAGE) : NONE;
    case "rate_limited":
      return request % 3 === 0 ? refuse(RATE_LIMITED) : NONE;
    case "slow":
      return { kind: "delay", delayMs: SLOW_MS };
    case "not_found_first":
      return request <= NOT_FOUND_TIMES ? refuse(NOT_VISIBLE_YET) : NONE;
    case "unknown_status":
      return { kind: "rename_processing", status: "reticulating" };
    case "garbage":
      return request % 2 === 1 ? { kind: "cut_short" } : NONE;
    case "unauthorized":
      return isFirstCredential ? refuse(REJECTED) : NONE;
  }
}

function refuse(error: PulseError): RequestError {
  return { kind: "refuse", error };
}
