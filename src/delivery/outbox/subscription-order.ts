import { isProgressEvent } from "../../core/delivery/event.ts";
import type { PendingDelivery } from "./pending-delivery.ts";

/** The callbacks of one subscription that are in memory. */
interface Line {
  sending: PendingDelivery | null;
  /** The newest that waits; whatever it made out of date is dropped. */
  next: PendingDelivery | null;
}

/**
 * Keeps the callbacks of a subscription that receives progress events in the order of their events.
 * Nothing is sent while an older callback is being sent. Only the newest waiting callback is worth
 * sending: a progress event that another event follows is dropped, an ending never.
 *
 *   enter ──▶ go ──▶ started ──▶ settled         enter ──▶ wait ──(settled)──▶ go
 */
export class SubscriptionOrder {
  readonly #lines = new Map<string, Line>();

  /** The verdict on a new callback, and the older one that it supersedes. */
  enter(callback: PendingDelivery): {
    readonly verdict: "go" | "wait" | "superseded";
    readonly dropped: PendingDelivery | null;
  } {
    const { subscriptionId } = callback.delivery;
    const line = this.#lines.get(subscriptionId) ?? { sending: null, next: null };
    const { sending, next } = line;
    if (isSupersededBy(callback, next) || isSupersededBy(callback, sending)) {
      return { verdict: "superseded", dropped: null };
    }
    this.#lines.set(subscriptionId, line);
    line.next = callback;
    return {
      verdict: sending === null ? "go" : "wait",
      dropped: isSupersededBy(next, callback) ? next : null,
    };
  }

  started(callback: PendingDelivery): void {
    const line = this.#lines.get(callback.delivery.subscriptionId);
    if (line === undefined) return;
    line.sending = callback;
    if (line.next === callback) line.next = null;
  }

  /** An attempt is over. Returns the one that waited for it and may go now. */
  settled(callback: PendingDelivery): PendingDelivery | null {
    const line = this.#lines.get(callback.delivery.subscriptionId);
    if (line?.sending !== callback) return null;
    line.sending = null;
    this.#forgetIfEmpty(callback, line);
    return line.next;
  }

  /** It waits no more. */
  left(callback: PendingDelivery): void {
    const line = this.#lines.get(callback.delivery.subscriptionId);
    if (line?.next !== callback) return;
    line.next = null;
    this.#forgetIfEmpty(callback, line);
  }

  #forgetIfEmpty(callback: PendingDelivery, line: Line): void {
    if (line.sending === null && line.next === null) {
      this.#lines.delete(callback.delivery.subscriptionId);
    }
  }
}

function isSupersededBy(older: PendingDelivery | null, newer: PendingDelivery | null): boolean {
  if (older === null || newer === null || !isProgressEvent(older.event.type)) return false;
  const [a, b] = [older.event.occurredAtMs, newer.event.occurredAtMs];
  return a === b ? older.delivery.eventId < newer.delivery.eventId : a < b;
}
