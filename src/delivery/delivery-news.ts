import type { AttemptErrorCode } from "../core/delivery-outcome.ts";
import { publicId } from "../core/ids.ts";
import type { OperationalNews } from "../core/operational-event.ts";
import type { OriginChange } from "./outbox.ts";
import type { OwedCallback } from "./owed-callback.ts";

/** A delivery was given up. Of many to one origin, the last stands for all. */
export function exhaustedNews(
  { delivery, event }: OwedCallback,
  errorCode: AttemptErrorCode,
): OperationalNews {
  const { projectId, callbackOrigin } = delivery;
  return {
    projectId,
    subject: `deliveries to ${callbackOrigin}`,
    type: "delivery.exhausted",
    data: {
      callback_origin: callbackOrigin,
      delivery_id: publicId("delivery", delivery.id),
      subscription_id: publicId("subscription", delivery.subscriptionId),
      event_type: event.type,
      job_id: event.jobId,
      error_code: errorCode,
    },
  };
}

/** A callback origin began to fail, or answers again. */
export function originNews({ projectId, origin, isFailing }: OriginChange): OperationalNews {
  return {
    projectId,
    subject: `callback origin ${origin}`,
    type: isFailing ? "callback_origin.failing" : "callback_origin.recovered",
    data: { callback_origin: origin },
  };
}
