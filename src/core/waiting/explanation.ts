import type { AttemptErrorCode } from "../delivery/delivery-outcome.ts";
import { type EventType, endingEventType, type EndingStatus } from "../delivery/event.ts";
import type { DeliveryWait } from "./delivery-wait.ts";
import type { JobWait, Waiting } from "./job-wait.ts";

/** Why a callback has not arrived, or that it has. A closed list. */
export const REASONS = [
  // The job has not ended, as far as is known: what its polls wait for.
  "job_running",
  "deadline_near",
  "first_poll",
  "job_not_found",
  "upstream_failing",
  "answer_unusable",
  "credential_rejected",
  "connection_paused",
  "connection_unusable",
  "upstream_rate_limit",
  "poll_waits_for_turn",
  "recording",
  // The job has ended: what the callback waits for.
  "fan_out",
  "sending",
  "older_event",
  "origin_failing",
  "origin_paused",
  "cannot_send",
  "callback_rate_limit",
  "callback_waits_for_turn",
  // It was tried, and is tried again by its schedule.
  "receiver_rate_limited",
  "receiver_redirects",
  "receiver_refused",
  "receiver_error",
  "receiver_timeout",
  "receiver_unreachable",
  "tls_failed",
  "dns_failed",
  "address_blocked",
  "signing_secret_unusable",
  "redelivered",
  // Nothing more is sent.
  "exhausted",
  "stopped_by_receiver",
  "gone",
  "canceled",
  "event_not_subscribed",
  "delivered",
] as const;
type Reason = (typeof REASONS)[number];

/** The cause that a subscription waits for: its job's or its delivery's. */
export type SubscriptionWait = JobWait | DeliveryWait | "fan_out";

interface ExplainedJob {
  readonly provider: string;
  readonly connection: string;
  /** Why the connection is paused; null where it is not, or nothing was noted. */
  readonly pausedReason: string | null;
  /** Null once the job has ended, or no subscription waits for it. */
  readonly wait: Waiting<JobWait> | null;
  readonly lastError: string | null;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number;
  /** How it ended; null while it runs. */
  readonly ending: EndingStatus | null;
}

interface ExplainedAttempt {
  readonly number: number;
  readonly httpStatus: number | null;
  readonly errorCode: AttemptErrorCode | null;
  readonly errorMessage: string | null;
}

/** The delivery of the job's ending. */
interface ExplainedDelivery {
  readonly wait: Waiting<DeliveryWait> | null;
  readonly attemptCount: number;
  /** Null before the first attempt. */
  readonly lastAttempt: ExplainedAttempt | null;
}

export interface ExplainedSubscription {
  readonly status: "active" | "delivering" | "delivered" | "exhausted" | "canceled" | "gone";
  readonly events: readonly EventType[];
  readonly callbackOrigin: string;
  /** The inbox that gets the events in place of a callback URL. */
  readonly inbox: string | null;
  readonly job: ExplainedJob;
  /** Null while none is owed. */
  readonly delivery: ExplainedDelivery | null;
  readonly nowMs: number;
}

export interface Explanation {
  readonly reason: Reason;
  /** One or two plain sentences. */
  readonly summary: string;
  /** The remedy. */
  readonly action: string;
  /** Null when nothing more is sent. */
  readonly wait: Waiting<SubscriptionWait> | null;
}

type ExplainedWait = Omit<Explanation, "wait">;

/** Why the callback of a subscription has not arrived, and what to do. */
export function explain(of: ExplainedSubscription): Explanation {
  const { status, job, delivery } = of;
  switch (status) {
    case "canceled":
      return over(
        "canceled",
        "The subscription was deleted, so nothing more is sent to it.",
        SUBSCRIBE_AGAIN,
      );
    case "gone":
      return over(
        "gone",
        `The receiver at ${of.callbackOrigin} answered 410 Gone, which ends a subscription.`,
        `Make the receiver answer 2xx. ${SUBSCRIBE_AGAIN}`,
      );
    case "delivered":
      return explainDelivered(of);
    case "exhausted":
      return explainExhausted(of);
    case "active":
      return explainRunning(of);
    case "delivering":
      return delivery?.wait
        ? { ...explainPending(of, delivery, delivery.wait), wait: delivery.wait }
        : {
            reason: "fan_out",
            summary: `The job is ${job.ending}. Its many subscriptions are served in the order of their creation; this one has not had its turn yet.`,
            action: NOTHING,
            wait: { for: "fan_out", notBeforeMs: null },
          };
  }
}

const NOTHING = "Nothing: it continues automatically.";
const SUBSCRIBE_AGAIN =
  "Subscribe again to be called back; a job that has ended is called back at once.";
const REDELIVER = "send it again with POST /v1/deliveries/{id}/redeliver.";

function over(reason: Reason, summary: string, action: string): Explanation {
  return { reason, summary, action, wait: null };
}

function explainDelivered({
  job,
  events,
  delivery,
  callbackOrigin,
  inbox,
}: ExplainedSubscription): Explanation {
  const { ending } = job;
  if (ending !== null && !events.includes(endingEventType(ending))) {
    return over(
      "event_not_subscribed",
      `The job is ${ending}, and the subscription is not for job.${ending}; its events are ${events.join(", ")}.`,
      `Subscribe again with job.${ending} among events, or without events for all five endings.`,
    );
  }
  const status = delivery?.lastAttempt?.httpStatus ?? null;
  if (inbox !== null) {
    return over(
      "delivered",
      `The event was stored in the inbox ${inbox}.`,
      `Read it with ringback inbox read ${inbox}, or GET /v1/inboxes/${inbox}/messages. To get it again ` +
        `at the end of the inbox, ${REDELIVER}`,
    );
  }
  const answered = status === null ? "accepted it" : `answered ${status}`;
  return over(
    "delivered",
    `The callback was delivered: the receiver at ${callbackOrigin} ${answered}.`,
    `Look for its webhook-id in the receiver's log. To receive it again, ${REDELIVER}`,
  );
}

function explainExhausted({ delivery, callbackOrigin }: ExplainedSubscription): Explanation {
  const attempts = delivery?.attemptCount ?? 0;
  const last = delivery?.lastAttempt ?? null;
  if (last?.errorCode === "stopped_by_receiver") {
    return over(
      "stopped_by_receiver",
      "The receiver answered with ringback-retry: no, so the callback is not tried again.",
      `If the receiver wants it after all, ${REDELIVER}`,
    );
  }
  const cause = last === null ? "" : ` The last one: ${saysAttempt(last)}`;
  return over(
    "exhausted",
    `Its retry schedule is used up: ${attempts} attempts to reach ${callbackOrigin} failed.${cause}`,
    `Fix the receiver, test it with POST /v1/callbacks/test, then ${REDELIVER}`,
  );
}

/** The deadline of a job counts as near when so little is left of its time. */
const NEAR_PART = 0.1;
const NEAR_MS_MIN = 60_000;

function explainRunning({ job, nowMs }: ExplainedSubscription): Explanation {
  const { wait } = job;
  // A subscription is active only while its job is live; the two may be read a moment apart.
  if (wait === null) return { ...running(job), wait: { for: "recording", notBeforeMs: null } };
  const leftMs = job.deadlineAtMs - nowMs;
  const nearMs = Math.max(NEAR_MS_MIN, NEAR_PART * (job.deadlineAtMs - job.acceptedAtMs));
  const explained = explainWait(job, wait);
  if (leftMs > nearMs) return { ...explained, wait };
  const deadline = `At ${isoOf(job.deadlineAtMs)} the job counts as timed out, and job.timed_out is sent.`;
  return {
    reason: explained.reason === "job_running" ? "deadline_near" : explained.reason,
    summary: `${explained.summary} ${deadline}`,
    action:
      explained.reason === "job_running"
        ? "Extend the deadline if the job needs more time: POST /v1/jobs/{id}/extend."
        : `${explained.action} POST /v1/jobs/{id}/extend moves the deadline.`,
    wait,
  };
}

function running({ provider }: ExplainedJob): ExplainedWait {
  return {
    reason: "job_running",
    summary: `The provider ${provider} says that the job still runs. The callback is sent when it ends.`,
    action: `${NOTHING} POST /v1/subscriptions/{id}/poll polls at once.`,
  };
}

function explainWait(
  job: ExplainedJob,
  { for: cause, notBeforeMs }: Waiting<JobWait>,
): ExplainedWait {
  const { provider, connection } = job;
  const error = job.lastError === null ? "" : ` ${sentence(job.lastError)}`;
  const next = notBeforeMs === null ? "" : ` The next poll is not before ${isoOf(notBeforeMs)}.`;
  switch (cause) {
    case "job_running":
      return running(job);
    case "first_poll":
      return {
        reason: "first_poll",
        summary: "The job has not been polled yet; its first poll is due.",
        action: NOTHING,
      };
    case "job_not_found":
      return {
        reason: "job_not_found",
        summary: `The provider ${provider} does not know the job.${error}${next}`,
        action:
          "Check the job's id, and that it was created with the account, region and base URL of " +
          "the connection. If it is wrong, delete the subscription and create a new one.",
      };
    case "upstream_failing":
      return {
        reason: "upstream_failing",
        summary: `The API of ${provider} can't be reached.${error}${next}`,
        action:
          `${NOTHING} Check the status of ${provider}, and base_url of the connection ` +
          `${connection}.`,
      };
    case "answer_unusable":
      return {
        reason: "answer_unusable",
        summary: `The provider ${provider} sends responses that its definition can't read.${error}${next}`,
        action: `Try the definition on the job with POST /v1/providers/${provider}/try, and fix it.`,
      };
    case "credential_rejected":
      return {
        reason: "credential_rejected",
        summary: `The provider ${provider} refused the credential of the connection ${connection} for this job.${error}${next}`,
        action: "Check that the credential may read this job; give the connection a new one.",
      };
    case "connection_paused":
      return {
        reason: "connection_paused",
        summary: `The connection ${connection} is paused${job.pausedReason === null ? "" : `: ${sentence(job.pausedReason)}`}${job.pausedReason === null ? "." : ""} None of its jobs are polled.${notBeforeMs === null ? "" : ` One job is asked again at ${isoOf(notBeforeMs)}.`}`,
        action:
          "Give the connection a new credential, or set its state to active; its jobs resume " +
          "within a second.",
      };
    case "connection_unusable":
      return {
        reason: "connection_unusable",
        summary: `The connection ${connection} can't be used.${error}`,
        action:
          "If it was deleted, create it again and subscribe again; otherwise set its credential " +
          "again.",
      };
    case "rate_limit":
      return {
        reason: "upstream_rate_limit",
        summary: `The polls of the connection ${connection} wait for its rate limit.${error}${next}`,
        action: `${NOTHING} If ${provider} allows more, raise settings.limits of the connection.`,
      };
    case "turn":
      return {
        reason: "poll_waits_for_turn",
        summary: `The job is due and waits behind other polls of the connection ${connection}.${error}`,
        action: `${NOTHING} GET /v1/connections shows which limit they wait for (limited_by).`,
      };
    case "recording":
      return {
        reason: "recording",
        summary: "The job has ended. Its result is being downloaded, or its ending stored.",
        action: NOTHING,
      };
  }
}

function explainPending(
  { callbackOrigin, job }: ExplainedSubscription,
  { lastAttempt, attemptCount }: ExplainedDelivery,
  { for: cause, notBeforeMs }: Waiting<DeliveryWait>,
): ExplainedWait {
  const ended = `The job is ${job.ending}.`;
  const last =
    lastAttempt === null ? "" : ` Attempt ${lastAttempt.number}: ${saysAttempt(lastAttempt)}`;
  const at = notBeforeMs === null ? "" : isoOf(notBeforeMs);
  switch (cause) {
    case "sending":
      return {
        reason: "sending",
        summary: `${ended} Its callback is being sent to ${callbackOrigin} now.${last}`,
        action: NOTHING,
      };
    case "older_event":
      return {
        reason: "older_event",
        summary: `${ended} An older event of the subscription is being sent, and its events are sent in order.`,
        action: `${NOTHING} A receiver that answers sooner gets the next event sooner.`,
      };
    case "origin_failing":
      return {
        reason: "origin_failing",
        summary: `${ended} ${callbackOrigin} has not answered for a while, so only one callback is tried now and then${at === "" ? "" : `, the next at ${at}`}.${last}`,
        action:
          'Fix the receiver, then POST /v1/callback-origins/try with {"origin": ' +
          `"${callbackOrigin}"}; the first response releases everything that waits.`,
      };
    case "origin_paused":
      return {
        reason: "origin_paused",
        summary: `${ended} The receiver at ${callbackOrigin} asked for fewer callbacks (429), so nothing is sent there until ${at}.${last}`,
        action:
          `${NOTHING} Set callback_requests_per_second of the project to what the receiver can ` +
          "handle.",
      };
    case "cannot_send":
      return {
        reason: "cannot_send",
        summary:
          `${ended} The gateway can't send to ${callbackOrigin} at the moment: no name server ` +
          `responds, or its connections are used up.${last}`,
        action: `${NOTHING} Check the host's name, the name servers of the gateway and the project's limit callback_connections.`,
      };
    case "rate_limit":
      return {
        reason: "callback_rate_limit",
        summary: `${ended} Its callback waits for the rate limit of callbacks to ${callbackOrigin}.${last}`,
        action: `${NOTHING} PATCH /v1/project raises the limit, if the receiver can handle more.`,
      };
    case "turn":
      return {
        reason: "callback_waits_for_turn",
        summary: `${ended} Its callback is due and waits behind others to ${callbackOrigin}.${last}`,
        action: NOTHING,
      };
    case "schedule":
      return lastAttempt === null || attemptCount === 0
        ? {
            reason: "redelivered",
            summary: `${ended} Its callback is sent at ${at}.`,
            action: NOTHING,
          }
        : {
            reason: reasonOfAttempt(lastAttempt),
            summary: `${ended} Attempt ${lastAttempt.number} failed: ${saysAttempt(lastAttempt)} The next is at ${at}.`,
            action: `${ADVICE[reasonOfAttempt(lastAttempt)]} Then ${REDELIVER}`,
          };
  }
}

/** In words: what came of an attempt. */
function saysAttempt({ httpStatus, errorCode, errorMessage }: ExplainedAttempt): string {
  const answered = httpStatus === null ? "" : `the receiver answered ${httpStatus}`;
  if (errorMessage !== null) return sentence([answered, errorMessage].filter(Boolean).join("; "));
  return sentence(answered === "" ? (errorCode ?? "nothing is known") : answered);
}

type AttemptReason = Extract<
  Reason,
  | `receiver_${string}`
  | "tls_failed"
  | "dns_failed"
  | "address_blocked"
  | "signing_secret_unusable"
  | "redelivered"
>;

function reasonOfAttempt({ errorCode }: ExplainedAttempt): AttemptReason {
  switch (errorCode) {
    case "rate_limited":
      return "receiver_rate_limited";
    case "redirect_not_followed":
      return "receiver_redirects";
    case "client_error_answer":
      return "receiver_refused";
    case "server_error_answer":
    case "unexpected_answer":
    case "invalid_response":
    case "headers_too_large":
    case "body_too_large":
      return "receiver_error";
    case "response_timeout":
    case "response_too_slow":
      return "receiver_timeout";
    case "connect_refused":
    case "connect_timeout":
    case "connect_failed":
    case "connection_reset":
    case "connection_limit":
    case "aborted":
      return "receiver_unreachable";
    case "tls_certificate_expired":
    case "tls_certificate_not_yet_valid":
    case "tls_certificate_self_signed":
    case "tls_certificate_untrusted":
    case "tls_certificate_name_mismatch":
    case "tls_failed":
      return "tls_failed";
    case "dns_not_found":
    case "dns_failed":
      return "dns_failed";
    case "url_refused":
    case "address_refused":
      return "address_blocked";
    case "secret_unreadable":
    case "secret_missing":
      return "signing_secret_unusable";
    // These end a delivery: it was sent again by hand since.
    case "gone":
    case "origin_failing":
    case "stopped_by_receiver":
    case null:
      return "redelivered";
  }
}

/** The remedy for an attempt that failed for this reason. */
const ADVICE: Readonly<Record<AttemptReason, string>> = {
  receiver_rate_limited: "Nothing, or let the receiver accept more.",
  receiver_redirects: "Redirects are never followed: subscribe with the URL that it redirects to.",
  receiver_refused:
    "Check the receiver's log; after 400 or 401 the signature was probably not accepted, so " +
    "check its secret.",
  receiver_error: "Look for the webhook-id in the receiver's log and fix the error.",
  receiver_timeout: "Let the receiver respond at once and do its work afterwards.",
  receiver_unreachable:
    "Check that the receiver runs and that a firewall lets the gateway in; POST " +
    "/v1/callbacks/test tests it.",
  tls_failed: "Renew or complete the certificate of the receiver.",
  dns_failed: "Check the host's name, and the name servers of the gateway.",
  address_blocked:
    "The address is not public: use a public one, or have the operator allow it with RINGBACK_EGRESS_ALLOW.",
  signing_secret_unusable:
    "Rotate the signing secret, or give RINGBACK_ENCRYPTION_KEYS the key that it was sealed with.",
  redelivered: "Check the receiver's log.",
};

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** With a capital and a full stop. */
function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
