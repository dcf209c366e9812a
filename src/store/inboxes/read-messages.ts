import { inboxTarget } from "../../core/delivery/inbox-target.ts";
import type { Database } from "../db/database.ts";
import type { LoadedDelivery } from "../deliveries/load-deliveries.ts";
import { MESSAGE_COLUMNS, messageOf, type MessageRow } from "../subscriptions/find-ending.ts";
import type { InboxName } from "./place-messages.ts";

export interface MessagePage {
  readonly messages: readonly {
    readonly position: number;
    readonly message: LoadedDelivery;
  }[];
  /** More messages follow. */
  readonly hasMore: boolean;
  /** Some stored messages have no position yet. */
  readonly hasUnplaced: boolean;
  /** Last position of the inbox. Up to here, missing messages do not exist. */
  readonly lastPosition: number;
}

// Positions are counted in bytes, so a page of a given size is a range of them.
const READ = `
with page as materialized (
  select shard_id, id, subscription_id, event_id, attempt_count, attempts_before, inbox_position
  from deliveries
  where project_id = $1 and callback_origin = $2 and inbox_position > 0
    and inbox_position > greatest($3::bigint, (
      select deleted_position from inboxes where project_id = $1 and name = $7
    ))
  order by inbox_position limit $4::int + 1
),
wanted as materialized (
  select * from page
  where inbox_position <= (select min(inbox_position) from page) + $5
  order by inbox_position limit $4::int
)
select inbox.last_position::float8 as "lastPosition",
  exists (
    select from deliveries
    where project_id = $1 and callback_origin = $2 and inbox_position = 0
  ) as "hasUnplaced",
  delivery.id, delivery.inbox_position::float8 as position, delivery.attempt_count as "attemptCount",
  delivery.attempts_before as "attemptsBefore",
  (select count(*) from page)::int > (select count(*) from wanted)::int as "hasMore",
  ${MESSAGE_COLUMNS("$6::int")}
from inboxes as inbox left join (
  wanted as delivery
  join subscriptions as subscription
    on subscription.shard_id = delivery.shard_id and subscription.id = delivery.subscription_id
  join events as event on event.shard_id = delivery.shard_id and event.id = delivery.event_id
) on true
where inbox.project_id = $1 and inbox.name = $7 and inbox.deleted_at is null
order by delivery.inbox_position
`;

type Row = { readonly lastPosition: number; readonly hasUnplaced: boolean } & (
  | (MessageRow & { readonly position: number; readonly hasMore: boolean })
  | { readonly position: null }
);

/**
 * The messages behind a position, in order: at most `limit`, and at least one if there is any; more
 * only while their total is about `bytesMax` or less. Null when there is no such inbox.
 */
export async function readMessages(
  database: Database,
  inbox: InboxName,
  page: {
    readonly afterPosition: number;
    readonly limit: number;
    readonly bytesMax: number;
    readonly inlineResultBytesMax: number;
  },
): Promise<MessagePage | null> {
  const { afterPosition, limit, bytesMax, inlineResultBytesMax } = page;
  const parameters = [
    inbox.projectId,
    inboxTarget(inbox.name),
    afterPosition,
    limit,
    bytesMax,
    inlineResultBytesMax,
    inbox.name,
  ];
  const rows = await database.run("read-messages", (sql) =>
    sql.unsafe<Row[]>(READ, parameters, { prepare: true }),
  );
  const [first] = rows;
  if (first === undefined) return null;
  return {
    messages: rows.flatMap((row) =>
      row.position === null ? [] : [{ position: row.position, message: messageOf(row) }],
    ),
    hasMore: first.position !== null && first.hasMore,
    hasUnplaced: first.hasUnplaced,
    lastPosition: first.lastPosition,
  };
}
