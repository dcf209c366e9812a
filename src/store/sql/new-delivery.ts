import { isInboxTargetSql } from "../../core/delivery/inbox-target.ts";

/** Columns for the state of a new delivery. */
export const NEW_DELIVERY_STATE = "status, next_attempt_at, finished_at, inbox_position";

/**
 * Their values in SQL. A callback waits to be sent. A message counts as delivered as soon as it is
 * stored; its position in the inbox is assigned later.
 * @param origin the subscription's `callback_origin`
 * @param at when a callback is due; when a message was stored
 */
export function newDeliveryState(origin: string, at: string): string {
  const isMessage = isInboxTargetSql(origin);
  return `
    case when ${isMessage} then 'delivered' else 'pending' end,
    case when not ${isMessage} then ${at} end,
    case when ${isMessage} then ${at} end,
    case when ${isMessage} then 0 end`;
}
