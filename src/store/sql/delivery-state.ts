import { isInboxTargetSql } from "../../core/delivery/inbox-target.ts";
import { type SQL, sql } from "drizzle-orm";
import { deliveries } from "../schema/schema.ts";
import { nameOf } from "./statement.ts";

const { attemptCount, inboxPosition } = deliveries;

/**
 * Sets the columns of a delivery that is redelivered: a callback waits to be sent, with its whole
 * retry schedule. A message moves to the end of its inbox.
 * @param at when the callback is due
 */
export function redelivered(at: SQL) {
  return {
    attemptsBefore: sql`${attemptCount}`,
    status: sql`case when ${inboxPosition} is null then 'pending' else 'delivered' end`,
    nextAttemptAtMs: sql`case when ${inboxPosition} is null then ${at} end`,
    finishedAtMs: sql`case when ${inboxPosition} is not null then ${at} end`,
    inboxPosition: sql`case when ${inboxPosition} is not null then 0 end`,
    readAtMs: sql`null`,
  } as const;
}

/** The same for a hand-written statement. */
export function redeliveredText(at: SQL): SQL {
  const values = Object.entries(redelivered(at)) as [keyof ReturnType<typeof redelivered>, SQL][];
  return sql.join(
    values.map(([name, value]) => sql`${nameOf(deliveries[name])} = ${value}`),
    sql`, `,
  );
}

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

/**
 * In SQL, of a row source named `delivery` that is not the optional side of a join: it is pending.
 *
 * `status = 'pending'` is the condition of the index of due deliveries. A statement that looks for
 * one delivery with that condition may be planned through this index, and then passes every entry
 * whose delivery was sent since, for as long as a transaction elsewhere keeps those alive:
 * recording an ending took ten times as long after three minutes. So only readers of due deliveries
 * use it.
 */
export const IS_PENDING = "delivery.finished_at is null";
