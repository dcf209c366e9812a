import { isInboxTargetSql } from "../../core/delivery/inbox-target.ts";

/** The columns of a new delivery that say what is to become of it. */
export const NEW_DELIVERY_STATE = "status, next_attempt_at, finished_at, inbox_position";

/**
 * Their values in SQL. A callback waits to be sent. A message counts as delivered as soon as it is
 * stored; its place in the inbox it is given later, by the one who gives out places there.
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
