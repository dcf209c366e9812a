import { sql } from "drizzle-orm";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import type { LoadedDelivery } from "../deliveries/load-deliveries.ts";
import type { SubscriptionClosure } from "../schema/schema.ts";
import { owedDeliveryId } from "../writes/owed-delivery-id.ts";
import type { EventContent } from "../../core/delivery/event.ts";
import { CALLBACK_FIELDS } from "../writes/callback-fields.ts";
import type { OwedDelivery } from "../writes/record-events.ts";
import { WHOLE_RESULT } from "../writes/result-parts.ts";
import { epochMs } from "../sql/time.ts";
import { jobs, subscriptions } from "../schema/schema.ts";
import { ROW_KEY, type RowKey, rowsOf } from "../sql/row-source.ts";
import type { Given } from "../sql/statement.ts";
import { template } from "../sql/statement.ts";

/**
 * In SQL, of row sources named `subscription` and `event`: everything that a message is made from
 * except `id`, `attemptCount` and `attemptsBefore`. A result is read only where it will be inline.
 * @param inlineResultBytesMax an SQL expression
 */
export const MESSAGE_COLUMNS = (inlineResultBytesMax: string): string => `
  subscription.shard_id as "shardId", subscription.project_id as "projectId",
  subscription.id as "subscriptionId", event.id as "eventId",
  subscription.callback_origin as "callbackOrigin", ${CALLBACK_FIELDS}, 0 as "nextAttemptAtMs",
  event.type,
  ${epochMs("occurred_at")} as "occurredAtMs",
  event.job_id as "jobId", event.provider, upstream_created_at as "createdAt",
  upstream_updated_at as "updatedAt", error, result_bytes as "resultBytes",
  case when payload = 'full' and result_bytes between 1 and ${inlineResultBytesMax}
    then ${WHOLE_RESULT} end as result,
  event.progress, event.result_fetch as "resultFetch"`;

export type MessageRow = OwedDelivery & EventContent & { readonly resultBytes: number };

/** The same row as a delivery to be sent. */
export function messageOf(row: MessageRow): LoadedDelivery {
  return { delivery: row, event: row, resultBytes: row.resultBytes, wasTooLarge: false };
}

/** Whether the job of a subscription has ended, and the callback about it if so. */
interface EndingOfSubscription {
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

// As in load-jobs.ts.
const SETTLED = template(
  (given: Given<{ keys: readonly RowKey[] }>) => sql<{ id: string }>`
with key as materialized (select * from ${rowsOf("key", ROW_KEY, given.keys)})
select ${subscriptions.id} from key
join ${subscriptions} on ${subscriptions.shardId} = key."shardId" and ${subscriptions.id} = key.id
join ${jobs} on ${jobs.shardId} = ${subscriptions.shardId} and ${jobs.id} = ${subscriptions.jobRowId}
where ${jobs.endedAtMs} is not null or ${subscriptions.closedAs} is not null
`,
);

/** The ids of subscriptions whose job has ended, and of those that were closed. */
export async function findSettled(database: Database, keys: readonly RowKey[]): Promise<string[]> {
  const rows = await database.run("find-settled-subscriptions", (sql) => SETTLED(sql, { keys }));
  return rows.map(({ id }) => id);
}
