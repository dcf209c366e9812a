import type { RowKey } from "../sql/row-source.ts";
import { and, eq, isNull, notExists, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { type Given, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { IS_OWED_LATER } from "../writes/fan-out.ts";

interface DeletedSubscription {
  readonly shardId: number;
  readonly jobRowId: string;
  /** The job has not ended, and no subscription waits for it any more. */
  readonly jobUnwatched: boolean;
  readonly jobEnded: boolean;
}

const subscription = alias(subscriptions, "subscription");
const isThe = (given: Given<RowKey>) =>
  and(eq(subscription.shardId, given.shardId), eq(subscription.id, given.id));

const FIND_JOB = statement((orm, given: Given<RowKey & { projectId: string }>) =>
  orm
    .select({ jobRowId: subscription.jobRowId })
    .from(subscription)
    .where(and(isThe(given), eq(subscription.projectId, given.projectId))),
);

const isJob = (given: Given<{ shardId: number; jobRowId: string }>) =>
  and(eq(jobs.shardId, given.shardId), eq(jobs.id, given.jobRowId));

// Changes nothing; takes the row's lock, as the ending and every accept do first.
const LOCK_JOB = statement((orm, given: Given<{ shardId: number; jobRowId: string }>) =>
  orm
    .update(jobs)
    .set({ status: sql`${jobs.status}` })
    .where(isJob(given))
    .returning({ endedAtMs: jobs.endedAtMs }),
);

// Pending, in the form of `sql/delivery-state.ts`.
const isPendingOf = (given: Given<RowKey>) =>
  and(
    eq(deliveries.shardId, given.shardId),
    eq(deliveries.subscriptionId, given.id),
    isNull(deliveries.finishedAtMs),
  );

// Delivered deliveries are unchanged: deleting afterwards takes nothing back.
const CLOSE = statement((orm, given: Given<RowKey & { jobEnded: boolean }>) => {
  const owed = orm.select({ id: deliveries.id }).from(deliveries).where(isPendingOf(given));
  return orm
    .update(subscription)
    .set({ closedAs: "canceled" })
    .where(
      and(
        isThe(given),
        isNull(subscription.closedAs),
        sql`not (${given.jobEnded}::boolean and ${notExists(owed)} and not ${sql.raw(IS_OWED_LATER)})`,
      ),
    );
});

const CANCEL_DELIVERIES = statement((orm, given: Given<RowKey & { nowMs: number }>) =>
  orm
    .update(deliveries)
    .set({ status: "canceled", nextAttemptAtMs: null, finishedAtMs: timeOf(given.nowMs) })
    .where(isPendingOf(given)),
);

const UNWATCH = statement((orm, given: Given<{ shardId: number; jobRowId: string }>) => {
  const waiting = orm
    .select({ id: subscriptions.id })
    .from(subscriptions)
    .where(
      and(
        eq(subscriptions.shardId, given.shardId),
        eq(subscriptions.jobRowId, given.jobRowId),
        isNull(subscriptions.closedAs),
      ),
    );
  return orm
    .update(jobs)
    .set({ status: "unwatched" })
    .where(and(isJob(given), isNull(jobs.endedAtMs), notExists(waiting)))
    .returning({ id: jobs.id });
});

/**
 * Ends a subscription: no further callbacks are sent, and a job without other subscriptions is no
 * longer watched. Null when the project has no such subscription; repeating it changes nothing.
 *
 * The job row is locked first and everything is read in later statements. So an ending is either
 * recorded before, and its delivery is canceled here, or after, and finds the subscription closed.
 * A subscription that is accepted at the same time is seen here, or takes the job back from
 * `unwatched`.
 */
export function deleteSubscription(
  database: Database,
  key: { readonly projectId: string; readonly id: string; readonly nowMs: number },
): Promise<DeletedSubscription | null> {
  const shardId = shardOfUuid(key.id);
  const row = { ...key, shardId };
  return database.transaction("delete-subscription", async (sql) => {
    const [found] = await FIND_JOB(sql, row);
    if (found === undefined) return null;
    const { jobRowId } = found;
    const [job] = await LOCK_JOB(sql, { shardId, jobRowId });
    const jobEnded = job === undefined || job.endedAtMs !== null;
    // Pipelined; each sees what the earlier ones did.
    const [, , unwatched] = await Promise.all([
      CLOSE(sql, { ...row, jobEnded }),
      CANCEL_DELIVERIES(sql, row),
      UNWATCH(sql, { shardId, jobRowId }),
    ]);
    return { shardId, jobRowId, jobEnded, jobUnwatched: unwatched.length > 0 };
  });
}
