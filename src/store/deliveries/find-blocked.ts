import type { EventType } from "../../core/delivery/event.ts";
import { arrayLiteral } from "../sql/array-literal.ts";
import type { Database } from "../db/database.ts";
import { DUE_ROWS_MAX, type DuePosition } from "./find-due-deliveries.ts";
import { epochMs, timeFrom } from "../sql/time.ts";

/** A delivery that has been due for a while, with what it takes to give it up. */
export interface BlockedDelivery {
  readonly id: string;
  readonly shardId: number;
  readonly subscriptionId: string;
  readonly eventType: EventType;
  readonly jobId: string;
  readonly attemptCount: number;
  readonly attemptsBefore: number;
  readonly nextAttemptAtMs: number;
  readonly retrySchedule: string | null;
}

// Without the status, as in load-deliveries.ts.
const FIND = `
with due as materialized (
  select * from deliveries
  where project_id = $1 and callback_origin = $2 and shard_id = any ($3::text::smallint[])
    and next_attempt_at <= ${timeFrom("$4")}
    and (next_attempt_at, id) > (${timeFrom("$5")}, $6::uuid)
  order by next_attempt_at, id
  limit ${DUE_ROWS_MAX}
)
select delivery.id, delivery.shard_id as "shardId", subscription_id as "subscriptionId",
  event_type as "eventType", job.job_id as "jobId",
  attempt_count as "attemptCount", attempts_before as "attemptsBefore",
  ${epochMs("next_attempt_at")} as "nextAttemptAtMs",
  retry_schedule as "retrySchedule"
from due as delivery
join subscriptions as subscription
  on subscription.shard_id = delivery.shard_id and subscription.id = delivery.subscription_id
join jobs as job on job.shard_id = delivery.shard_id and job.id = subscription.job_row_id
order by next_attempt_at, delivery.id
`;

/** What of one project waits for one origin and was due by then, earliest first, after `after`. */
export function findBlocked(
  database: Database,
  query: {
    readonly projectId: string;
    readonly callbackOrigin: string;
    readonly shardIds: readonly number[];
    readonly dueByMs: number;
    readonly after: DuePosition;
  },
): Promise<BlockedDelivery[]> {
  const { projectId, callbackOrigin, shardIds, dueByMs, after } = query;
  return database.run("find-held-back", (sql) =>
    sql.unsafe<BlockedDelivery[]>(
      FIND,
      [projectId, callbackOrigin, arrayLiteral(shardIds), dueByMs, after.nextAttemptAtMs, after.id],
      { prepare: true },
    ),
  );
}
