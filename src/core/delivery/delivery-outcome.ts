import { HEALTHY, type LaneVerdict } from "../job/job.ts";
import {
  type HeaderValues,
  readRetryAfter,
  parseRetryAfter,
  parseWaitHeader,
  RETRY_AFTER_MS_MAX,
} from "../job/retry-after.ts";
import {
  isUnsent,
  reachOfFailure,
  REQUEST_FAILURE_CODES,
  type RequestFailure,
} from "../request-failure.ts";
import { blockedMsMax, retryDelayMs } from "./retry-schedule.ts";

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

/**
 * Every reason for which an attempt did not deliver: how the request failed, or what the receiver
 * answered. A closed list.
 */
export const ATTEMPT_ERROR_CODES = [
  ...REQUEST_FAILURE_CODES,
  // The secret to sign with can't be decrypted, so nothing was sent.
  "secret_unreadable",
  // There is none, so nothing was sent.
  "secret_missing",
  "redirect_not_followed",
  "gone",
  // Its origin failed for as long as the schedule would have gone on, so nothing was sent.
  "origin_failing",
  // The receiver does not want this delivery again.
  "stopped_by_receiver",
  "rate_limited",
  "client_error_answer",
  "server_error_answer",
  "unexpected_answer",
] as const;

export type AttemptErrorCode = (typeof ATTEMPT_ERROR_CODES)[number];

/** The result of one HTTP exchange with a receiver. */
export type AttemptExchange =
  | { readonly kind: "answered"; readonly status: number; readonly asks: ReceiverAsks }
  | { readonly kind: "failed"; readonly failure: RequestFailure }
  | {
      readonly kind: "not_sent";
      readonly reason: "secret_unreadable" | "secret_missing" | "origin_failing";
      readonly message: string;
    };

export const DELIVERY_STATUSES = [
  "pending",
  "delivered",
  "exhausted",
  "canceled",
  "gone",
  // A progress event that another event of its job came after, before it was taken.
  "superseded",
] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** The effect of an attempt on its delivery. */
export type DeliveryStep =
  | { readonly status: "delivered"; readonly errorCode: null }
  | { readonly status: "gone"; readonly errorCode: AttemptErrorCode }
  | { readonly status: "exhausted"; readonly errorCode: AttemptErrorCode }
  | {
      readonly status: "pending";
      readonly errorCode: AttemptErrorCode;
      readonly nextAttemptAtMs: number;
    };

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/**
 * The verdict over an exchange, after Standard Webhooks 1.0: 2xx is success, 3xx is failure and
 * never followed, 410 ends the subscription, 429/502/503/504 may name a floor for the next try,
 * everything else is retried, unless the receiver asks not to.
 */
export function errorCodeOfExchange(exchange: AttemptExchange): AttemptErrorCode | null {
  if (exchange.kind === "not_sent") return exchange.reason;
  if (exchange.kind === "failed") return exchange.failure.code;
  const { status } = exchange;
  if (isSuccess(status)) return null;
  if (status === 410) return "gone";
  if (exchange.asks.stop) return "stopped_by_receiver";
  if (status >= 300 && status < 400) return "redirect_not_followed";
  if (status === 429) return "rate_limited";
  if (status >= 400 && status < 500) return "client_error_answer";
  if (status >= 500 && status < 600) return "server_error_answer";
  return "unexpected_answer";
}

const FAULTY_ANSWER: LaneVerdict = { kind: "faulty", reach: "answered" };
const INCONCLUSIVE: LaneVerdict = { kind: "inconclusive" };
/** However long a receiver asks for, other deliveries to its origin are tried again after this. */
const LANE_PAUSE_MS_MAX = 60_000;

/**
 * Decides what an exchange shows about the whole origin. An answer that is neither 5xx nor 429 shows that
 * somebody is there, whatever it says about this one delivery.
 */
export function laneVerdictOfExchange(exchange: AttemptExchange): LaneVerdict {
  if (exchange.kind === "not_sent") return INCONCLUSIVE;
  if (exchange.kind === "failed") {
    const { code } = exchange.failure;
    const isOwnFault = code === "aborted" || code === "url_refused" || isUnsent(code);
    return isOwnFault ? INCONCLUSIVE : { kind: "faulty", reach: reachOfFailure(code) };
  }
  const { status, asks } = exchange;
  if (status >= 500) return FAULTY_ANSWER;
  if (status !== 429) return HEALTHY;
  const askedMs = asks.waitMs ?? asks.retryAfterMs;
  return {
    kind: "rate_limited",
    retryAfterMs: askedMs === null ? null : Math.min(askedMs, LANE_PAUSE_MS_MAX),
  };
}

const HONORS_RETRY_AFTER: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Whether Retry-After counts in an answer of this status. */
export function honorsRetryAfter(status: number): boolean {
  return HONORS_RETRY_AFTER.has(status);
}

/**
 * Whether an attempt that this side could not send counts for nothing: it is made again soon, for as
 * long as the schedule would have gone on.
 * @param failedAttempts since the schedule began
 * @param unsentMs for how long it could not be sent
 */
export function isStillUnsent(
  exchange: AttemptExchange,
  {
    retryScheduleMs,
    failedAttempts,
    unsentMs,
  }: {
    readonly retryScheduleMs: readonly number[];
    readonly failedAttempts: number;
    readonly unsentMs: number;
  },
): boolean {
  const wasUnsent = exchange.kind === "failed" && isUnsent(exchange.failure.code);
  return wasUnsent && unsentMs <= blockedMsMax(retryScheduleMs, failedAttempts);
}

/**
 * The delivery's next state.
 * @param exchange not one that is still unsent
 * @param attemptInSchedule 1 for the first attempt since the schedule (re)started
 */
export function decideAfterAttempt(input: {
  readonly exchange: AttemptExchange;
  readonly attemptInSchedule: number;
  readonly retryScheduleMs: readonly number[];
  readonly nowMs: number;
  readonly random: number;
}): DeliveryStep {
  const errorCode = errorCodeOfExchange(input.exchange);
  if (errorCode === null) return { status: "delivered", errorCode };
  if (errorCode === "gone") return { status: "gone", errorCode };
  const scheduledMs = retryDelayMs(
    input.retryScheduleMs,
    input.attemptInSchedule,
    retryFloorMs(input.exchange),
    input.random,
  );
  // A delivery that could not be sent for so long is given up, however many attempts are left. A receiver may
  // choose when it is tried again, but not how often.
  const isGivenUp = input.exchange.kind === "failed" && isUnsent(input.exchange.failure.code);
  if (scheduledMs === null || isGivenUp || errorCode === "stopped_by_receiver") {
    return { status: "exhausted", errorCode };
  }
  const delayMs = waitAskedMs(input.exchange) ?? scheduledMs;
  return { status: "pending", errorCode, nextAttemptAtMs: input.nowMs + Math.max(1, delayMs) };
}

function retryFloorMs(exchange: AttemptExchange): number {
  if (exchange.kind !== "answered" || !honorsRetryAfter(exchange.status)) return 0;
  return exchange.asks.retryAfterMs ?? 0;
}

function waitAskedMs(exchange: AttemptExchange): number | null {
  return exchange.kind === "answered" ? exchange.asks.waitMs : null;
}

const LOCATION_CHARACTERS_MAX = 500;
const NOT_PRINTABLE_ASCII = /[^\x20-\x7e]/g;

/**
 * Where a redirecting receiver points, for the person who has to change the callback URL. Without
 * the query, where keys and signatures travel.
 * @param location the header of that name
 */
export function redirectNote(location: string): string {
  const [target = "", query] = location.split("?", 2);
  const shown = target
    .slice(0, LOCATION_CHARACTERS_MAX)
    .replaceAll(NOT_PRINTABLE_ASCII, "\u{fffd}");
  const cut = target.length > LOCATION_CHARACTERS_MAX || query !== undefined ? "…" : "";
  return `The receiver redirects to ${shown}${cut}. Redirects are never followed: change the callback URL.`;
}

/** Explains a 413: the size of the body that was sent, and the next step. */
export function tooLargeNote(bodyBytes: number, holdsResult: boolean): string {
  return holdsResult
    ? `The receiver refused a body of ${bodyBytes} bytes as too large. The next attempt carries result_url instead of the result.`
    : `The receiver refused a body of ${bodyBytes} bytes, which holds no result, as too large.`;
}

/** How a receiver writes its Retry-After, where that can't be taken at its word; otherwise null. */
export function waitNote(headers: HeaderValues, nowMs: number): string | null {
  const note = readRetryAfter(headers, nowMs)?.note ?? null;
  return note === null ? null : `The receiver asks to be left alone (${note}).`;
}
