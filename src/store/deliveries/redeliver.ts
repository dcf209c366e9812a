import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { DELIVERY_COLUMNS } from "./find-deliveries.ts";
import type { DeliveryRecord } from "./find-deliveries.ts";
import { timeFrom } from "../sql/time.ts";

export type RedeliverOutcome =
  | { readonly kind: "scheduled"; readonly delivery: DeliveryRecord }
  /** The client ended its subscription; it is to hear nothing more. */
  | { readonly kind: "canceled" }
  | { readonly kind: "not_found" };

// Changes nothing; takes the lock that ending a subscription takes first, so that what follows sees
// whether it was ended.
const LOCK_JOB = `
update jobs set status = jobs.status
from deliveries as delivery
join subscriptions as subscription
  on subscription.shard_id = delivery.shard_id and subscription.id = delivery.subscription_id
where delivery.shard_id = $1 and delivery.id = $2 and delivery.project_id = $3
  and jobs.shard_id = delivery.shard_id and jobs.id = subscription.job_row_id
returning jobs.id
`;

const REDELIVER = `
update deliveries set
  status = 'pending', attempts_before = attempt_count, finished_at = null,
  next_attempt_at = ${timeFrom("$4")}
where shard_id = $1 and id = $2 and project_id = $3 and status <> 'canceled'
  and not exists (
    select 1 from subscriptions
    where shard_id = $1 and subscriptions.id = deliveries.subscription_id
      and closed_as = 'canceled'
  )
returning ${DELIVERY_COLUMNS}
`;

/**
 * Owes a delivery anew, at once and with the whole retry schedule before it. Its id, which is its
 * `webhook-id`, and its attempts so far stay.
 */
export function redeliver(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<RedeliverOutcome> {
  const row = [shardOfUuid(key.id), key.id, key.projectId];
  return database.transaction("redeliver", async (sql) => {
    const [locked, [delivery]] = await Promise.all([
      sql.unsafe(LOCK_JOB, row, { prepare: true }),
      sql.unsafe<DeliveryRecord[]>(REDELIVER, [...row, key.nowMs], { prepare: true }),
    ]);
    if (delivery !== undefined) return { kind: "scheduled", delivery };
    return { kind: locked.length === 0 ? "not_found" : "canceled" };
  });
}
