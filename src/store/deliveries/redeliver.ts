import { and, eq, ne, notExists, sql } from "drizzle-orm";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { DELIVERY_COLUMNS, type DeliveryRecord, withDetails } from "./delivery-record.ts";
import { redelivered } from "../sql/delivery-state.ts";

type RedeliverOutcome =
  | { readonly kind: "scheduled"; readonly delivery: DeliveryRecord }
  /** The client ended its subscription, so no further callbacks are sent. */
  | { readonly kind: "canceled" }
  | { readonly kind: "not_found" };

type DeliveryKey = { readonly shardId: number; readonly id: string; readonly projectId: string };

const isThe = (given: Given<DeliveryKey>) =>
  and(
    eq(deliveries.shardId, given.shardId),
    eq(deliveries.id, given.id),
    eq(deliveries.projectId, given.projectId),
  );

// Changes nothing; takes the lock that ending a subscription takes first, so that later statements
// see whether it was ended.
const LOCK_JOB = statement((orm, given: Given<DeliveryKey>) =>
  orm
    .update(jobs)
    .set({ status: sql`${jobs.status}` })
    .from(deliveries)
    .innerJoin(
      subscriptions,
      and(
        eq(subscriptions.shardId, deliveries.shardId),
        eq(subscriptions.id, deliveries.subscriptionId),
      ),
    )
    .where(
      and(isThe(given), eq(jobs.shardId, deliveries.shardId), eq(jobs.id, subscriptions.jobRowId)),
    )
    .returning({ id: jobs.id }),
);

const REDELIVER = statement((orm, given: Given<DeliveryKey & { nowMs: number }>) => {
  const ended = orm
    .select({ id: subscriptions.id })
    .from(subscriptions)
    .where(
      and(
        eq(subscriptions.shardId, given.shardId),
        eq(subscriptions.id, deliveries.subscriptionId),
        eq(subscriptions.closedAs, "canceled"),
      ),
    );
  return orm
    .update(deliveries)
    .set(redelivered(timeOf(given.nowMs)))
    .where(and(isThe(given), ne(deliveries.status, "canceled"), notExists(ended)))
    .returning(DELIVERY_COLUMNS);
});

/**
 * Makes a delivery pending again, due now and with its whole retry schedule. Its id, which is its
 * `webhook-id`, and its past attempts are kept.
 */
export function redeliver(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<RedeliverOutcome> {
  const row = { ...key, shardId: shardOfUuid(key.id) };
  return database.transaction("redeliver", async (sql) => {
    const [locked, [delivery]] = await Promise.all([LOCK_JOB(sql, row), REDELIVER(sql, row)]);
    const [shown] = delivery === undefined ? [] : await withDetails(sql, [delivery]);
    if (shown !== undefined) return { kind: "scheduled", delivery: shown };
    return { kind: locked.length === 0 ? "not_found" : "canceled" };
  });
}
