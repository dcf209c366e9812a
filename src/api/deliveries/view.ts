import { inboxOfTarget } from "../../core/delivery/inbox-target.ts";
import { publicId } from "../../core/ids/ids.ts";
import type { DeliveryRecord } from "../../store/deliveries/delivery-record.ts";
import type { AttemptRecord } from "../../store/deliveries/find-deliveries.ts";
import type { DeliveryWaits } from "../waiting.ts";
import { isoTime } from "../http/answer.ts";

/** A delivery as JSON text; with its attempts where they were read. */
export function deliveryJson(
  of: DeliveryRecord,
  waits: DeliveryWaits,
  attempts?: readonly AttemptRecord[],
): string {
  const wait = waits(of);
  const inbox = inboxOfTarget(of.callbackOrigin);
  return JSON.stringify({
    id: publicId("delivery", of.id),
    object: "delivery",
    subscription_id: publicId("subscription", of.subscriptionId),
    event_id: publicId("event", of.eventId),
    event_type: of.eventType,
    job_id: of.jobId,
    callback_url: inbox === null ? of.callbackUrl : null,
    callback_origin: inbox === null ? of.callbackOrigin : null,
    inbox,
    status: of.status,
    attempt_count: of.attemptCount,
    next_attempt_at: isoTime(of.nextAttemptAtMs),
    waiting_for: wait?.for ?? null,
    not_before: isoTime(wait?.notBeforeMs ?? null),
    last_error: of.errorCode === null ? null : { code: of.errorCode, message: of.errorMessage },
    created_at: isoTime(of.createdAtMs),
    finished_at: isoTime(of.finishedAtMs),
    read_at: isoTime(of.readAtMs),
    ...(attempts === undefined ? {} : { attempts: attempts.map(attemptView) }),
  });
}

function attemptView(of: AttemptRecord): object {
  return {
    number: of.number,
    started_at: isoTime(of.startedAtMs),
    duration_ms: of.durationMs,
    http_status: of.httpStatus,
    error_code: of.errorCode,
    error_message: of.errorMessage,
    response_excerpt: of.responseExcerpt,
  };
}
