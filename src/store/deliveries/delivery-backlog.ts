import { and, asc, eq, lte, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { deliveries } from "../schema/schema.ts";
import { statement } from "../sql/statement.ts";

/** Deliveries of all nodes that are overdue. */
export interface DeliveryBacklog {
  /** At most `BACKLOG_COUNTED_MAX`. */
  readonly overdue: number;
  /** How long the first of them has been due; 0 without any. */
  readonly oldestOverdueMs: number;
}

/** Counting stops here, so that a scrape costs the same however large the backlog is. */
export const BACKLOG_COUNTED_MAX = 10_000;

const READ = statement((orm) => {
  const due = orm
    .select({ dueAt: sql`${deliveries.nextAttemptAtMs}`.as("due_at") })
    .from(deliveries)
    .where(and(eq(deliveries.status, "pending"), lte(deliveries.nextAttemptAtMs, sql`now()`)))
    .orderBy(asc(deliveries.nextAttemptAtMs), asc(deliveries.id))
    .limit(BACKLOG_COUNTED_MAX)
    .as("due");
  return orm
    .select({
      overdue: sql<number>`count(*)::int`,
      oldestOverdueMs: sql<number>`coalesce(date_part('epoch', now() - min(${due.dueAt})) * 1000, 0)`,
    })
    .from(due);
});

/** Reads the head of the index of due deliveries, in the database's time. */
export async function readDeliveryBacklog(database: Database): Promise<DeliveryBacklog> {
  const [row] = await database.run("delivery-backlog", (sql) => READ(sql, {}));
  return row ?? { overdue: 0, oldestOverdueMs: 0 };
}
