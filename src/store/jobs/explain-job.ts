import { and, asc, desc, eq, getTableColumns, lte, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import {
  DELIVERY_COLUMNS,
  type DeliveryRecord,
  withDetails,
} from "../deliveries/delivery-record.ts";
import type { AttemptRecord } from "../deliveries/find-deliveries.ts";
import { attempts, deliveries } from "../schema/schema.ts";
import { type Given, isAnyOf, statement } from "../sql/statement.ts";
import { hasMetadata } from "../subscriptions/find-subscriptions.ts";
import {
  delivery,
  IS_ITS_DELIVERY,
  IS_ITS_JOB,
  job,
  subscription,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionRecord,
  subscriptionRecord,
} from "../subscriptions/subscription-record.ts";

/**
 * Limits on what is shown of a job: its latest subscriptions, their latest deliveries, and the
 * latest attempts of those.
 */
const SUBSCRIPTIONS_SHOWN_MAX = 20;
const DELIVERIES_SHOWN_MAX = 5;
const ATTEMPTS_SHOWN_MAX = 10;

/** Which subscriptions of a job are meant; null for no condition. */
export interface WantedCallbacks {
  readonly subscriptionId: string | null;
  readonly metadata: { readonly key: string; readonly value: string } | null;
}

// Ordered by both columns: see subscription-page.ts.
const SUBSCRIPTIONS = statement(
  (
    orm,
    given: Given<{
      shardId: number;
      jobRowId: string;
      subscriptionId: string | null;
      metadataKey: string | null;
      metadataValue: string | null;
    }>,
  ) =>
    orm
      .select(SUBSCRIPTION_COLUMNS)
      .from(subscription)
      .innerJoin(job, IS_ITS_JOB)
      .leftJoin(delivery, IS_ITS_DELIVERY)
      .where(
        and(
          eq(subscription.shardId, given.shardId),
          eq(subscription.jobRowId, given.jobRowId),
          sql`(${given.subscriptionId}::text is null or ${subscription.id} = ${given.subscriptionId}::text::uuid)`,
          sql`(${given.metadataKey}::text is null or ${hasMetadata(given)})`,
        ),
      )
      .orderBy(desc(subscription.jobRowId), desc(subscription.id))
      .limit(SUBSCRIPTIONS_SHOWN_MAX + 1),
);

const DELIVERIES = statement((orm, given: Given<{ shardId: number; ids: readonly string[] }>) => {
  const { shardId, subscriptionId, id } = DELIVERY_COLUMNS;
  const place = sql<number>`row_number() over (partition by ${subscriptionId} order by ${id} desc)`;
  const ranked = orm
    .select({ ...DELIVERY_COLUMNS, place: place.as("place") })
    .from(deliveries)
    .where(and(eq(shardId, given.shardId), isAnyOf(subscriptionId, given.ids)))
    .as("ranked");
  const { place: rank, ...shown } = ranked._.selectedFields;
  return orm
    .select(shown)
    .from(ranked)
    .where(lte(rank, DELIVERIES_SHOWN_MAX))
    .orderBy(desc(ranked.id));
});

const ATTEMPTS = statement((orm, given: Given<{ shardId: number; ids: readonly string[] }>) => {
  const { shardId, ...columns } = getTableColumns(attempts);
  const { deliveryId, number } = columns;
  const place = sql<number>`row_number() over (partition by ${deliveryId} order by ${number} desc)`;
  const ranked = orm
    .select({ ...columns, place: place.as("place") })
    .from(attempts)
    .where(and(eq(shardId, given.shardId), isAnyOf(deliveryId, given.ids)))
    .as("ranked");
  const { place: rank, ...shown } = ranked._.selectedFields;
  return orm
    .select(shown)
    .from(ranked)
    .where(lte(rank, ATTEMPTS_SHOWN_MAX))
    .orderBy(asc(ranked.number));
});

/** A delivery with its latest attempts, oldest first. */
interface DeliveryWithAttempts {
  readonly delivery: DeliveryRecord;
  readonly attempts: readonly AttemptRecord[];
}

/** A subscription with its latest deliveries, newest first. */
export interface SubscriptionWithDeliveries {
  readonly subscription: SubscriptionRecord;
  readonly deliveries: readonly DeliveryWithAttempts[];
}

/** The latest of the wanted subscriptions of a job with their callbacks, newest first. */
export async function findCallbacksOfJob(
  database: Database,
  { shardId, id }: { readonly shardId: number; readonly id: string },
  { subscriptionId, metadata }: WantedCallbacks,
): Promise<{
  readonly subscriptions: readonly SubscriptionWithDeliveries[];
  readonly hasMore: boolean;
}> {
  return database.run("find-callbacks-of-job", async (sql) => {
    const rows = await SUBSCRIPTIONS(sql, {
      shardId,
      jobRowId: id,
      subscriptionId,
      metadataKey: metadata?.key ?? null,
      metadataValue: metadata?.value ?? null,
    });
    const shown = rows.slice(0, SUBSCRIPTIONS_SHOWN_MAX).map((row) => subscriptionRecord(row));
    const ids = shown.map((one) => one.id);
    const owed = await withDetails(sql, await DELIVERIES(sql, { shardId, ids }));
    // Read last, so that every attempt that a delivery counts is included.
    const made = await ATTEMPTS(sql, { shardId, ids: owed.map((one) => one.id) });
    const attemptsOf = Map.groupBy(made, ({ deliveryId }) => deliveryId);
    const deliveriesOf = Map.groupBy(owed, ({ subscriptionId }) => subscriptionId);
    return {
      hasMore: rows.length > SUBSCRIPTIONS_SHOWN_MAX,
      subscriptions: shown.map((subscription) => ({
        subscription,
        deliveries: (deliveriesOf.get(subscription.id) ?? []).map((delivery) => ({
          delivery,
          attempts: attemptsOf.get(delivery.id) ?? [],
        })),
      })),
    };
  });
}
