import type { AttemptExchange, DeliveryStep } from "../../core/delivery/delivery-outcome.ts";
import type { AttemptRow } from "../../store/writes/record-attempts.ts";
import type { OwedDelivery } from "../../store/writes/record-events.ts";

/** The outcome of an attempt, whether or not anything was sent. */
export interface MadeAttempt {
  readonly exchange: AttemptExchange;
  /** A hint for a person about a response that did not accept the callback; null for most. */
  readonly note: string | null;
  readonly durationMs: number;
  readonly responseExcerpt: string | null;
}

/** The row that records an attempt and advances its delivery. */
export function attemptRow(
  delivery: Pick<OwedDelivery, "id" | "projectId" | "shardId" | "subscriptionId">,
  attemptCount: number,
  startedAtMs: number,
  made: MadeAttempt,
  step: DeliveryStep,
): AttemptRow {
  const { exchange } = made;
  return {
    projectId: delivery.projectId,
    shardId: delivery.shardId,
    deliveryId: delivery.id,
    subscriptionId: delivery.subscriptionId,
    attemptCount,
    startedAtMs,
    durationMs: Math.round(made.durationMs),
    httpStatus: exchange.kind === "answered" ? exchange.status : null,
    errorCode: step.errorCode,
    errorMessage: messageOf(made),
    responseExcerpt: made.responseExcerpt === null ? null : storable(made.responseExcerpt),
    status: step.status,
    nextAttemptAtMs: step.status === "pending" ? Math.round(step.nextAttemptAtMs) : null,
  };
}

function messageOf({ exchange, note }: MadeAttempt): string | null {
  switch (exchange.kind) {
    case "answered":
      return note === null ? null : storable(note);
    case "failed":
      return storable(exchange.failure.message);
    case "not_sent":
      return exchange.message;
  }
}

/** Postgres stores no NUL in a text. */
function storable(text: string): string {
  return text.replaceAll("\0", "\u{fffd}").toWellFormed();
}
