import {
  type AttemptExchange,
  decideAfterAttempt,
  honorsRetryAfter,
  isStillUnsent,
  isSuccess,
  laneVerdictOfExchange,
  redirectNote,
  tooLargeNote,
  waitNote,
  type AttemptErrorCode,
  type DeliveryStep,
  ASKS_NOTHING,
  readReceiverAsks,
} from "../../core/delivery/delivery-outcome.ts";
import { callbackBody, isProgressEvent } from "../../core/delivery/event.ts";
import { publicId, timeOfUuid } from "../../core/ids/ids.ts";
import type { LaneVerdict } from "../../core/job/job.ts";
import {
  createEchoRedactor,
  type EchoRedactor,
  headerSecrets,
} from "../../core/redact/redact-echoes.ts";
import { traceHeaders } from "../../core/trace-context.ts";
import type { AnsweredRequest, OutboundRequest } from "../../outbound/exchange/request-outcome.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { RequestClient } from "../../outbound/request-client.ts";
import type { ResultLinks } from "../../runtime/secrets/result-links.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { type SecretBox, SecretBoxError } from "../../runtime/secrets/secret-box.ts";
import type { Writers } from "../../store/writes/writers.ts";
import type { OwedDelivery } from "../../store/writes/record-events.ts";
import { attemptRow, type MadeAttempt } from "./attempt-record.ts";
import { exhaustedEvent, logExhausted } from "../operational/delivery-events.ts";
import type { OperationalEvents } from "../operational/operational-events.ts";
import {
  type ProjectDeliverySettings,
  scheduleOfDelivery,
  signaturesOfDelivery,
} from "../delivery-settings.ts";
import type { PendingDelivery } from "../outbox/pending-delivery.ts";
import type { AttemptFailure } from "../outbox/origin-queue.ts";
import type { SigningKey } from "./sign.ts";
import { signedPost, type SignedPost } from "./post.ts";
import { keysWithOwnSecret, NO_SECRET } from "./signing-keys.ts";

/** At most this much of a receiver's answer is read. */
const RESPONSE_BYTES_MAX = 16 * 1024;
/** At most this much of it is kept with the attempt. */
const EXCERPT_CHARS_MAX = 1024;

export interface DelivererOptions {
  readonly secretBox: SecretBox;
  readonly userAgent: string;
  readonly callbackTimeoutMs: number;
  readonly resultLinks: Pick<ResultLinks, "urlOf">;
  readonly settings: Pick<ProjectDeliverySettings, "of">;
  readonly signingKeys: Pick<SigningKeys, "of">;
  readonly callbackClient: Pick<RequestClient, "send">;
  readonly writers: Pick<Writers, "recordAttempt">;
  readonly operationalEvents: Pick<OperationalEvents, "publish">;
}

/** The parts needed to open the secrets of a callback. */
export type SecretOptions = Pick<DelivererOptions, "secretBox" | "settings" | "signingKeys">;

/** The next step of a delivery after an attempt, and the verdict on its origin. */
export interface AttemptResult {
  readonly next:
    | { readonly kind: "retry"; readonly atMs: number }
    /** The receiver wants nothing more of this subscription. */
    | { readonly kind: "gone" }
    /** Nothing, or it is not for this attempt to say. */
    | { readonly kind: "over" };
  readonly verdict: LaneVerdict;
  /** Left out when the receiver has taken the callback. */
  readonly failure?: AttemptFailure;
}

/** Soon enough to stay in memory; its lane pauses for longer and longer. */
const UNSENT_AGAIN_MS = 1_000;

const OVER = { kind: "over" } as const;

/**
 * Makes one attempt: sign ─▶ POST ─▶ classify ─▶ decide ─▶ record. Rejects when the database is
 * away or refuses the record; the delivery is then still pending.
 * @param onTaken called once the receiver has taken the callback, before that is recorded
 */
export async function attemptDelivery(
  runtime: Runtime,
  options: DelivererOptions,
  callback: PendingDelivery,
  onTaken: (verdict: LaneVerdict) => void,
): Promise<AttemptResult> {
  const startedAtMs = runtime.clock.now();
  const made = await exchangeWithReceiver(runtime, options, callback, startedAtMs);
  const verdict = laneVerdictOfExchange(made.exchange);
  // Cut off because this process stops: not the receiver's failure, so another node attempts it.
  if (made.exchange.kind === "failed" && made.exchange.failure.code === "aborted") {
    return { next: OVER, verdict };
  }
  const nowMs = runtime.clock.now();
  const { delivery, attemptCount } = callback;
  if (isLeftUnsent(runtime, options, callback, made.exchange, nowMs)) {
    const next = { kind: "retry", atMs: nowMs + UNSENT_AGAIN_MS } as const;
    return { next, verdict: { kind: "unsent" }, ...failedWith(made.exchange, nowMs) };
  }
  const step = decideAfterAttempt({
    exchange: made.exchange,
    attemptInSchedule: attemptCount + 1 - delivery.attemptsBefore,
    retryScheduleMs: scheduleOfDelivery(delivery, options.settings.of(delivery.projectId)),
    nowMs,
    random: runtime.random(),
  });
  measureAttempt(runtime, callback, step, { startedAtMs, nowMs });
  callback.unsentSinceMs = null;
  if (step.status === "delivered") onTaken(verdict);
  const row = attemptRow(delivery, attemptCount, startedAtMs, made, step);
  // A retry that is read from the database finds the same in the log of attempts.
  if (isTooLarge(made.exchange)) callback.resultUrlOnly = true;
  if (!(await options.writers.recordAttempt(row))) return { next: OVER, verdict };
  runtime.metrics.minutes.attempted(
    delivery.projectId,
    step.status,
    tookMs(callback, nowMs),
    nowMs,
  );
  if (step.errorCode === null) return { next: OVER, verdict };
  const message = row.errorMessage ?? (row.httpStatus === null ? null : `HTTP ${row.httpStatus}`);
  const failure = { code: step.errorCode, message, atMs: nowMs };
  if (step.status === "exhausted") reportExhausted(runtime, options, callback, step.errorCode);
  if (step.status === "gone") return { next: { kind: "gone" }, verdict, failure };
  if (step.status !== "pending") return { next: OVER, verdict, failure };
  callback.attemptCount += 1;
  return { next: { kind: "retry", atMs: step.nextAttemptAtMs }, verdict, failure };
}

function measureAttempt(
  { metrics }: Runtime,
  { delivery, event, dueAtMs, unsentSinceMs }: PendingDelivery,
  { status, errorCode }: DeliveryStep,
  { startedAtMs, nowMs }: { readonly startedAtMs: number; readonly nowMs: number },
): void {
  metrics.recordAttempt({
    status,
    errorCode,
    sinceDueMs: startedAtMs - (unsentSinceMs ?? dueAtMs),
    // One that is sent again by hand says nothing about how soon callbacks arrive.
    sinceEventMs: delivery.attemptsBefore > 0 ? null : nowMs - event.occurredAtMs,
  });
}

function reportExhausted(
  { log }: Runtime,
  { operationalEvents }: DelivererOptions,
  { delivery, event: { type: eventType, jobId } }: PendingDelivery,
  errorCode: AttemptErrorCode,
): void {
  const event = exhaustedEvent({ ...delivery, eventType, jobId }, errorCode);
  logExhausted(log, event);
  operationalEvents.publish(event);
}

/**
 * From the ending to now, or from a later subscription; null for what says nothing about how soon
 * callbacks arrive.
 */
function tookMs({ delivery, event }: PendingDelivery, nowMs: number): number | null {
  if (delivery.attemptsBefore > 0 || isProgressEvent(event.type)) return null;
  return Math.max(0, nowMs - Math.max(event.occurredAtMs, timeOfUuid(delivery.id)));
}

function failedWith(exchange: AttemptExchange, atMs: number): Pick<AttemptResult, "failure"> {
  return exchange.kind === "failed" ? { failure: { ...exchange.failure, atMs } } : {};
}

/** Whether nothing was sent, for this side's reasons, so that the attempt is not to be recorded. */
function isLeftUnsent(
  runtime: Runtime,
  options: DelivererOptions,
  callback: PendingDelivery,
  exchange: AttemptExchange,
  nowMs: number,
): boolean {
  if (exchange.kind !== "failed") return false;
  const { delivery, attemptCount } = callback;
  const unsentSinceMs = callback.unsentSinceMs ?? callback.dueAtMs;
  const isUnsent = isStillUnsent(exchange, {
    retryScheduleMs: scheduleOfDelivery(delivery, options.settings.of(delivery.projectId)),
    failedAttempts: attemptCount - delivery.attemptsBefore,
    unsentMs: nowMs - unsentSinceMs,
  });
  if (!isUnsent) return false;
  callback.unsentSinceMs = unsentSinceMs;
  runtime.metrics.unsentCallbacks.add(exchange.failure.code);
  return true;
}

async function exchangeWithReceiver(
  runtime: Runtime,
  options: DelivererOptions,
  callback: PendingDelivery,
  startedAtMs: number,
): Promise<MadeAttempt> {
  const secrets = await openSecrets(options, callback);
  const nothing = { note: null, responseExcerpt: null };
  if ("reason" in secrets) return { exchange: secrets, durationMs: 0, ...nothing };
  const request = signedRequest(options, callback, secrets, startedAtMs);
  const outcome = await options.callbackClient.send(request);
  const { durationMs } = outcome;
  const redact = createEchoRedactor(headerSecrets(secrets.headers));
  if (outcome.kind === "failed") {
    const { code, message } = outcome.failure;
    const exchange = { kind: "failed", failure: { code, message: redact(message) } } as const;
    return { exchange, durationMs, ...nothing };
  }
  const { status } = outcome;
  // Most are taken, and ask for nothing.
  const nowMs = runtime.clock.now();
  const asks = isSuccess(status) ? ASKS_NOTHING : readReceiverAsks(outcome.headers, nowMs);
  const asked = honorsRetryAfter(status) ? waitNote(outcome.headers, nowMs) : null;
  return {
    exchange: { kind: "answered", status, asks },
    durationMs,
    note: asked === null ? noteOf(outcome, callback, request.body, redact) : redact(asked),
    responseExcerpt: excerptOf(outcome.body, redact),
  };
}

const PAYLOAD_TOO_LARGE = 413;

function isTooLarge(exchange: AttemptExchange): boolean {
  return exchange.kind === "answered" && exchange.status === PAYLOAD_TOO_LARGE;
}

/** A hint for a person, where the status alone does not explain the failure. */
function noteOf(
  { status, headers }: AnsweredRequest,
  { event, resultUrlOnly }: PendingDelivery,
  body: OutboundRequest["body"],
  redact: EchoRedactor,
): string | null {
  if (status >= 300 && status < 400) {
    const { location } = headers;
    return typeof location === "string" ? redirectNote(redact(location)) : null;
  }
  if (status !== PAYLOAD_TOO_LARGE) return null;
  const holdsResult = event.type === "job.completed" && !resultUrlOnly;
  return tooLargeNote(Buffer.byteLength(body ?? ""), holdsResult);
}

/** The keys to sign with, newest first, and the subscription's own headers. */
type Secrets = Pick<SignedPost, "keys" | "headers">;

/** Rejects while the database is away; reports a secret that is missing or cannot be read. */
export async function openSecrets(
  options: SecretOptions,
  { delivery }: PendingDelivery,
): Promise<Secrets | Extract<AttemptExchange, { kind: "not_sent" }>> {
  const { secretBox } = options;
  try {
    const headers =
      delivery.headers === null
        ? NO_HEADERS
        : (JSON.parse(
            secretBox.open(delivery.headers, {
              column: "subscriptions.headers",
              id: delivery.subscriptionId,
            }),
          ) as Record<string, string>);
    const keys = await keysOf(options, delivery);
    if (keys.length > 0) return { keys, headers };
    return { kind: "not_sent", reason: "secret_missing", message: NO_SECRET };
  } catch (error) {
    if (!(error instanceof SecretBoxError)) throw error;
    return { kind: "not_sent", reason: "secret_unreadable", message: error.message };
  }
}

function keysOf(options: SecretOptions, delivery: OwedDelivery): Promise<readonly SigningKey[]> {
  const { projectId, secret, subscriptionId } = delivery;
  const schemes = signaturesOfDelivery(delivery, options.settings.of(projectId));
  if (secret === null) return options.signingKeys.of(projectId, schemes);
  return keysWithOwnSecret(
    schemes,
    () => options.secretBox.open(secret, { column: "subscriptions.secret", id: subscriptionId }),
    (of) => options.signingKeys.of(projectId, of),
  );
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

function signedRequest(
  options: DelivererOptions,
  callback: PendingDelivery,
  { keys, headers }: Secrets,
  nowMs: number,
): OutboundRequest {
  const { delivery } = callback;
  return signedPost({
    projectId: delivery.projectId,
    url: delivery.callbackUrl,
    headers: { ...headers, ...traceOf(callback) },
    body: bodyOf(options, callback, nowMs),
    webhookId: publicId("delivery", delivery.id),
    keys,
    nowMs,
    userAgent: options.userAgent,
    timeoutMs: options.callbackTimeoutMs,
    responseBytesMax: RESPONSE_BYTES_MAX,
  });
}

export function traceOf({
  delivery,
  attemptCount,
}: PendingDelivery): Readonly<Record<string, string>> {
  const { trace, subscriptionId, id: deliveryId } = delivery;
  return traceHeaders(trace, { subscriptionId, deliveryId }, attemptCount + 1);
}

export function bodyOf(
  options: Pick<DelivererOptions, "resultLinks">,
  callback: PendingDelivery,
  nowMs: number,
): string {
  const { delivery, event, resultUrlOnly } = callback;
  return callbackBody(
    event,
    {
      subscriptionId: publicId("subscription", delivery.subscriptionId),
      metadata: delivery.metadata,
      fetchResult: delivery.fetchResult,
    },
    resultUrlOnly ? options.resultLinks.urlOf(publicId("event", delivery.eventId), nowMs) : null,
  );
}

/** The beginning of an answer, without the subscription's own headers, which it may echo. */
function excerptOf(body: Buffer, redact: EchoRedactor): string {
  return redact(body.toString("utf8")).slice(0, EXCERPT_CHARS_MAX);
}
