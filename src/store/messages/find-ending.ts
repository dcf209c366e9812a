import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import type { LoadedDelivery } from "../deliveries/load-deliveries.ts";
import type { SubscriptionClosure } from "../schema/schema.ts";
import { owedDeliveryId } from "../writes/owed-delivery-id.ts";
import { MESSAGE_COLUMNS, type MessageRow, messageOf } from "./message-columns.ts";

/** Whether the job of a subscription has ended, and the callback about it if so. */
export interface EndingOfSubscription {
  readonly shardId: number;
  readonly jobRowId: string;
  readonly closedAs: SubscriptionClosure | null;
  /** Null while the job runs. Its id is the `webhook-id` that the callback has, or would have. */
  readonly ending: LoadedDelivery | null;
}

const FIND = `
select subscription.job_row_id as "jobRowId", subscription.closed_as as "closedAs",
  ${owedDeliveryId("event.id", "subscription.id")} as id, 0 as "attemptCount", 0 as "attemptsBefore",
  ${MESSAGE_COLUMNS("$4::int")}
from subscriptions as subscription
join jobs as job on job.shard_id = subscription.shard_id and job.id = subscription.job_row_id
left join events as event
  on job.ended_at is not null and event.shard_id = job.shard_id and event.id = job.last_event_id
where subscription.shard_id = $1 and subscription.id = $2 and subscription.project_id = $3
`;

type Row = Pick<EndingOfSubscription, "shardId" | "jobRowId" | "closedAs"> &
  (MessageRow | (Omit<MessageRow, "eventId"> & { readonly eventId: null }));

/**
 * The ending of the job of the project's subscription, or null when there is no such subscription.
 * @param inlineResultBytesMax a larger result is left out
 */
export async function findEnding(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
  inlineResultBytesMax: number,
): Promise<EndingOfSubscription | null> {
  const parameters = [shardOfUuid(key.id), key.id, key.projectId, inlineResultBytesMax];
  const [row] = await database.run("find-ending", (sql) =>
    sql.unsafe<Row[]>(FIND, parameters, { prepare: true }),
  );
  if (row === undefined) return null;
  const { shardId, jobRowId, closedAs } = row;
  return { shardId, jobRowId, closedAs, ending: row.eventId === null ? null : messageOf(row) };
}
