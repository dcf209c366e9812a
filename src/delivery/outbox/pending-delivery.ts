import { type EventContent, isResultFetched } from "../../core/delivery/event.ts";
import type { LoadedDelivery } from "../../store/deliveries/load-deliveries.ts";
import type { OwedDelivery } from "../../store/writes/record-events.ts";

/** A delivery in memory, on its way to its receiver. */
export interface PendingDelivery {
  readonly delivery: OwedDelivery;
  readonly event: EventContent;
  /**
   * The receiver gets the result's address instead of the result. Becomes true when it answers that
   * the body is too large.
   */
  resultUrlOnly: boolean;
  /** Attempts already made; grows when a retry is near enough to be kept in memory. */
  attemptCount: number;
  /** When the attempt is due, in the database's time. */
  dueAtMs: number;
  /** The same by the monotonic clock, by which its lane waits; an entry there with another is out of date. */
  startAtMs: number;
  /** When the attempt was due that could not be sent yet; null when it was never tried. */
  unsentSinceMs: number | null;
  /** The generation of its lane in which the current attempt began. */
  generation: number;
  /** Whether the current attempt still counts for its lane. */
  isInLane: boolean;
  /** `blocked`: an older event of its subscription is being sent. */
  state: "waiting" | "blocked" | "sending" | "dropped";
}

/** @param inlineResultBytesMax a larger result goes by reference, so it is not held */
export function pendingDelivery(
  { delivery, event, resultBytes, wasTooLarge }: LoadedDelivery,
  inlineResultBytesMax: number,
): PendingDelivery {
  const resultUrlOnly =
    delivery.payload === "thin" ||
    wasTooLarge ||
    resultBytes > inlineResultBytesMax ||
    (delivery.fetchResult && isResultFetched(event));
  return {
    delivery,
    event: resultUrlOnly ? { ...event, result: null } : event,
    resultUrlOnly,
    attemptCount: delivery.attemptCount,
    dueAtMs: delivery.nextAttemptAtMs,
    startAtMs: 0,
    unsentSinceMs: null,
    generation: 0,
    isInLane: false,
    state: "waiting",
  };
}

const OBJECTS_BYTES = 600;

/** About what the callback holds in memory; results shared by several are counted for each. */
export function heldBytes(callback: PendingDelivery): number {
  const { delivery, event } = callback;
  const texts = [
    delivery.callbackUrl,
    delivery.metadata,
    delivery.headers,
    event.result,
    event.error,
    event.progress,
  ];
  return texts.reduce((bytes, text) => bytes + (text?.length ?? 0), OBJECTS_BYTES);
}
