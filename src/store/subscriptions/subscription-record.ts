import { and, eq, isNotNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { ROW_KEY, type RowKey, rowsOf } from "../sql/row-source.ts";
import { type Given, statement } from "../sql/statement.ts";
import { IS_OWED_LATER } from "../writes/fan-out.ts";

/**
 * Derived, except for `canceled` and `gone`: `active` while the job runs; after its ending, the
 * state of the ending's delivery; `delivered` when there is none.
 */
export type SubscriptionStatus =
  | "active"
  | "delivering"
  | "delivered"
  | "exhausted"
  | "canceled"
  | "gone";

type StoredSubscription = Readonly<typeof subscriptions.$inferSelect>;
type StoredJob = Readonly<typeof jobs.$inferSelect>;

/** One subscription as read or accepted. */
export interface SubscriptionRecord
  extends
    Omit<StoredSubscription, "callbackOrigin" | "headers" | "secret" | "closedAs">,
    Pick<StoredJob, "jobId" | "provider" | "connectionId"> {
  readonly status: SubscriptionStatus;
  readonly job: Pick<
    StoredJob,
    | "status"
    | "acceptedAtMs"
    | "deadlineAtMs"
    | "endedAtMs"
    | "pollCount"
    | "lastPolledAtMs"
    | "lastOutcome"
    | "lastError"
    | "progress"
  >;
}

export const subscription = alias(subscriptions, "subscription");
export const job = alias(jobs, "job");
/** The delivery of the job's last event, by left join. */
export const delivery = alias(deliveries, "delivery");

/** Derives the status from a `subscription` with its `job` and its `delivery`. */
export const SUBSCRIPTION_STATUS = sql<SubscriptionStatus>`case
    when ${subscription.closedAs} is not null then ${subscription.closedAs}
    when ${job.endedAtMs} is null then 'active'
    when ${delivery.status} is null and ${sql.raw(IS_OWED_LATER)} then 'delivering'
    when ${delivery.status} is null then 'delivered'
    when ${delivery.status} = 'pending' then 'delivering'
    else ${delivery.status}
  end`;

export const SUBSCRIPTION_COLUMNS = {
  id: subscription.id,
  shardId: subscription.shardId,
  projectId: subscription.projectId,
  jobRowId: subscription.jobRowId,
  jobId: job.jobId,
  provider: job.provider,
  connectionId: job.connectionId,
  callbackUrl: subscription.callbackUrl,
  events: subscription.events,
  payload: subscription.payload,
  metadata: subscription.metadata,
  retrySchedule: subscription.retrySchedule,
  trace: subscription.trace,
  signatures: subscription.signatures,
  recognizedBy: subscription.recognizedBy,
  createdAtMs: subscription.createdAtMs,
  shownStatus: SUBSCRIPTION_STATUS.as("shown_status"),
  status: job.status,
  acceptedAtMs: job.acceptedAtMs,
  deadlineAtMs: job.deadlineAtMs,
  endedAtMs: job.endedAtMs,
  pollCount: job.pollCount,
  lastPolledAtMs: job.lastPolledAtMs,
  lastOutcome: job.lastOutcome,
  lastError: job.lastError,
  progress: job.progress,
};

export const IS_ITS_JOB = and(
  eq(job.shardId, subscription.shardId),
  eq(job.id, subscription.jobRowId),
);

export const IS_ITS_DELIVERY = and(
  eq(delivery.shardId, job.shardId),
  eq(delivery.subscriptionId, subscription.id),
  isNotNull(job.endedAtMs),
  eq(delivery.eventId, job.lastEventId),
);

const FIND = statement((orm, given: Given<{ shardId: number; id: string; projectId: string }>) =>
  orm
    .select(SUBSCRIPTION_COLUMNS)
    .from(subscription)
    .innerJoin(job, IS_ITS_JOB)
    .leftJoin(delivery, IS_ITS_DELIVERY)
    .where(
      and(
        eq(subscription.shardId, given.shardId),
        eq(subscription.id, given.id),
        eq(subscription.projectId, given.projectId),
      ),
    ),
);

export type SubscriptionRow = Awaited<ReturnType<typeof FIND>>[number];

export function subscriptionRecord(row: SubscriptionRow): SubscriptionRecord {
  const { shownStatus, status, acceptedAtMs, deadlineAtMs, endedAtMs, ...rest } = row;
  const { pollCount, lastPolledAtMs, lastOutcome, lastError, progress, ...shown } = rest;
  const polled = { pollCount, lastPolledAtMs, lastOutcome, lastError, progress };
  return {
    ...shown,
    status: shownStatus,
    job: { status, acceptedAtMs, deadlineAtMs, endedAtMs, ...polled },
  };
}

/** The project's subscription of this id, or null. */
export async function findSubscription(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<SubscriptionRecord | null> {
  const [row] = await database.run("find-subscription", (sql) =>
    FIND(sql, { ...key, shardId: shardOfUuid(key.id) }),
  );
  return row === undefined ? null : subscriptionRecord(row);
}

const FIND_MANY = statement((orm, given: Given<{ projectId: string; keys: readonly RowKey[] }>) => {
  // With a limit, each is looked up; a thousand keys would be joined with all rows there are.
  const found = orm
    .select(SUBSCRIPTION_COLUMNS)
    .from(subscription)
    .innerJoin(job, IS_ITS_JOB)
    .leftJoin(delivery, IS_ITS_DELIVERY)
    .where(
      and(
        eq(subscription.shardId, sql`key."shardId"`),
        eq(subscription.id, sql`key.id`),
        eq(subscription.projectId, given.projectId),
      ),
    )
    .limit(1)
    .as("found");
  return orm
    .select(found._.selectedFields)
    .from(rowsOf("key", ROW_KEY, given.keys))
    .crossJoinLateral(found);
});

/** Those of the project's subscriptions that are still stored, by their ids. */
export async function findSubscriptionsById(
  database: Database,
  { projectId, ids }: { readonly projectId: string; readonly ids: readonly string[] },
): Promise<ReadonlyMap<string, SubscriptionRecord>> {
  const keys = ids.map((id) => ({ shardId: shardOfUuid(id), id }));
  const rows = await database.run("find-subscriptions-by-id", (run) =>
    FIND_MANY(run, { projectId, keys }),
  );
  return new Map(rows.map((row) => [row.id, subscriptionRecord(row)]));
}
