import { inboxTarget } from "../../core/delivery/inbox-target.ts";

/** Approximate bytes of a message besides its result: its event, headers and JSON. */
const MESSAGE_BYTES_MIN = 512;

/**
 * In SQL, of a `subscription` and an `event`: the approximate size of their message.
 * @param inlineResultBytesMax an SQL expression; a larger result is sent by reference and counts
 *   for nothing
 */
export function messageBytes(inlineResultBytesMax: string): string {
  return `(${MESSAGE_BYTES_MIN} + coalesce(octet_length(subscription.metadata), 0)
    + coalesce(octet_length(event.error), 0) + coalesce(octet_length(event.progress), 0)
    + case when subscription.payload = 'full' and event.result_bytes <= ${inlineResultBytesMax}
      then event.result_bytes else 0 end)`;
}

/**
 * In SQL, after a row source named `inbox`: joins `unread.bytes`, the approximate bytes that no
 * consumer has acknowledged. It begins at the first message that still exists, since retention
 * removes messages whether they are acknowledged or not.
 */
export function joinUnread(inlineResultBytesMax: string): string {
  return `
cross join lateral (
  select greatest(inbox.acked_position, inbox.deleted_position) as position
) as done
left join lateral (
  select delivery.inbox_position - ${messageBytes(inlineResultBytesMax)} as position
  from (
    select * from deliveries
    where deliveries.project_id = inbox.project_id
      and deliveries.callback_origin = '${inboxTarget("")}' || inbox.name
      and deliveries.inbox_position > done.position and deliveries.inbox_position > 0
    order by deliveries.inbox_position limit 1
  ) as delivery
  join subscriptions as subscription
    on subscription.shard_id = delivery.shard_id and subscription.id = delivery.subscription_id
  join events as event on event.shard_id = delivery.shard_id and event.id = delivery.event_id
) as first on true
cross join lateral (
  select case when first.position is null then 0
    else inbox.last_position - greatest(done.position, first.position) end::float8 as bytes
) as unread`;
}
