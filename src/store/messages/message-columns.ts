import type { EventContent } from "../../core/delivery/event.ts";
import type { LoadedDelivery } from "../deliveries/load-deliveries.ts";
import { CALLBACK_FIELDS } from "../writes/callback-fields.ts";
import type { OwedDelivery } from "../writes/record-events.ts";
import { WHOLE_RESULT } from "../writes/result-parts.ts";
import { epochMs } from "../sql/time.ts";

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
