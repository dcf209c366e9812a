import { and, eq, lte, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { type Given, isAnyOf, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { DUE_ROWS_MAX, type DuePosition } from "./find-due-deliveries.ts";

/** A delivery that has been due for some time, with the facts needed to give it up. */
export interface BlockedDelivery
  extends
    Readonly<
      Pick<
        typeof deliveries.$inferSelect,
        "id" | "shardId" | "subscriptionId" | "eventType" | "attemptCount" | "attemptsBefore"
      >
    >,
    Readonly<Pick<typeof jobs.$inferSelect, "jobId">>,
    Readonly<Pick<typeof subscriptions.$inferSelect, "retrySchedule">> {
  readonly nextAttemptAtMs: number;
}

const FIND = statement(
  (
    orm,
    given: Given<{
      projectId: string;
      callbackOrigin: string;
      shardIds: readonly number[];
      dueByMs: number;
      afterMs: number;
      afterId: string;
    }>,
  ) => {
    const { nextAttemptAtMs, id } = deliveries;
    // Without the status, as in load-deliveries.ts.
    const due = orm.$with("due").as(
      orm
        .select()
        .from(deliveries)
        .where(
          and(
            eq(deliveries.projectId, given.projectId),
            eq(deliveries.callbackOrigin, given.callbackOrigin),
            isAnyOf(deliveries.shardId, given.shardIds),
            lte(nextAttemptAtMs, timeOf(given.dueByMs)),
            sql`(${nextAttemptAtMs}, ${id}) > (${timeOf(given.afterMs)}, ${given.afterId}::uuid)`,
          ),
        )
        .orderBy(nextAttemptAtMs, id)
        .limit(DUE_ROWS_MAX),
    );
    return orm
      .with(due)
      .select({
        id: due.id,
        shardId: due.shardId,
        subscriptionId: due.subscriptionId,
        eventType: due.eventType,
        jobId: jobs.jobId,
        attemptCount: due.attemptCount,
        attemptsBefore: due.attemptsBefore,
        nextAttemptAtMs: sql<number>`${due.nextAttemptAtMs}`.mapWith(nextAttemptAtMs),
        retrySchedule: subscriptions.retrySchedule,
      })
      .from(due)
      .innerJoin(
        subscriptions,
        and(eq(subscriptions.shardId, due.shardId), eq(subscriptions.id, due.subscriptionId)),
      )
      .innerJoin(jobs, and(eq(jobs.shardId, due.shardId), eq(jobs.id, subscriptions.jobRowId)))
      .orderBy(due.nextAttemptAtMs, due.id);
  },
);

/** Deliveries of one project to one origin that were due by then, earliest first, after `after`. */
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
  const { after } = query;
  return database.run("find-held-back", (sql) =>
    FIND(sql, { ...query, afterMs: after.nextAttemptAtMs, afterId: after.id }),
  );
}
