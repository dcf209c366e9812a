import { type SQL, sql, type SQLWrapper } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import { inboxes } from "../schema/inboxes.ts";
import { deliveries, events, subscriptions } from "../schema/schema.ts";

/** Approximate bytes of a message besides its result: its event, headers and JSON. */
const MESSAGE_BYTES_MIN = 512;

export const inbox = alias(inboxes, "inbox");
export const delivery = alias(deliveries, "delivery");
export const subscription = alias(subscriptions, "subscription");
export const event = alias(events, "event");

/**
 * The approximate size of the message of a `subscription` and an `event`, in SQL.
 * @param inlineResultBytesMax a larger result is sent by reference and counts for nothing
 */
export function messageBytes(inlineResultBytesMax: SQLWrapper): SQL {
  return sql`(${MESSAGE_BYTES_MIN} + coalesce(octet_length(${subscription.metadata}), 0)
    + coalesce(octet_length(${event.error}), 0) + coalesce(octet_length(${event.progress}), 0)
    + case when ${subscription.payload} = 'full'
        and ${event.resultBytes} <= ${inlineResultBytesMax}::int
      then ${event.resultBytes} else 0 end)`;
}

/**
 * In SQL, after a row source named `inbox`: joins `unread.bytes`, the approximate bytes that no
 * consumer has acknowledged. It begins at the first message that still exists, since retention
 * removes messages whether they are acknowledged or not.
 */
export function joinUnread(inlineResultBytesMax: SQLWrapper): SQL {
  const { projectId, callbackOrigin, inboxPosition } = deliveries;
  return sql`
cross join lateral (
  select greatest(${inbox.ackedPosition}, ${inbox.deletedPosition}) as position
) as done
left join lateral (
  select ${delivery.inboxPosition} - ${messageBytes(inlineResultBytesMax)} as position
  from (
    select * from ${deliveries}
    where ${projectId} = ${inbox.projectId}
      and ${callbackOrigin} = ${inboxTarget("")} || ${inbox.name}
      and ${inboxPosition} > done.position and ${inboxPosition} > 0
    order by ${inboxPosition} limit 1
  ) as ${delivery}
  join ${subscriptions} as ${subscription} on ${subscription.shardId} = ${delivery.shardId}
    and ${subscription.id} = ${delivery.subscriptionId}
  join ${events} as ${event} on ${event.shardId} = ${delivery.shardId}
    and ${event.id} = ${delivery.eventId}
) as first on true
cross join lateral (
  select case when first.position is null then 0
    else ${inbox.lastPosition} - greatest(done.position, first.position) end::float8 as bytes
) as unread`;
}
