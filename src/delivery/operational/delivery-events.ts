import type { AttemptErrorCode } from "../../core/delivery/delivery-outcome.ts";
import type { Log } from "../../runtime/process/log.ts";
import { publicId } from "../../core/ids/ids.ts";
import type { OperationalEvent } from "../../core/delivery/operational-event.ts";
import type { BlockedDelivery } from "../../store/deliveries/find-blocked.ts";
import type { OwedDelivery } from "../../store/writes/record-events.ts";
import type { OriginChange } from "../outbox/outbox.ts";

/** A delivery was given up. One event is sent for many deliveries to one origin, about the last one. */
export function exhaustedEvent(
  delivery: Pick<OwedDelivery, "id" | "projectId" | "subscriptionId" | "callbackOrigin"> &
    Pick<BlockedDelivery, "eventType" | "jobId">,
  errorCode: AttemptErrorCode,
): OperationalEvent {
  const { projectId, callbackOrigin } = delivery;
  return {
    projectId,
    subject: `deliveries to ${callbackOrigin}`,
    type: "delivery.exhausted",
    data: {
      callback_origin: callbackOrigin,
      delivery_id: publicId("delivery", delivery.id),
      subscription_id: publicId("subscription", delivery.subscriptionId),
      event_type: delivery.eventType,
      job_id: delivery.jobId,
      error_code: errorCode,
    },
  };
}

/** A callback origin began to fail, or answers again. */
export function originEvent({ projectId, origin, isFailing }: OriginChange): OperationalEvent {
  return {
    projectId,
    subject: `callback origin ${origin}`,
    type: isFailing ? "callback_origin.failing" : "callback_origin.recovered",
    data: { callback_origin: origin },
  };
}

export function logExhausted(log: Log, { data }: OperationalEvent): void {
  log.info(data, "a delivery has used up its attempts");
}

/** Logs when an origin starts to fail and when it answers again. */
export function logOriginChange(log: Log, { isFailing, ...where }: OriginChange): void {
  if (isFailing)
    log.warn(where, "a callback origin is failing; it is only probed until it answers");
  else log.info(where, "a callback origin answers again");
}
