import { and, asc, eq, lte, sql } from "drizzle-orm";
import { arrayLiteral, statement } from "../sql/statement.ts";
import type { Database } from "../db/database.ts";
import { epochMs, timeFrom } from "../sql/time.ts";
import { deliveries } from "../schema/schema.ts";
import type { OwedDelivery } from "../writes/record-events.ts";

/** A pending delivery, with just enough to decide whether it belongs in memory. */
export type DueDelivery = Pick<
  OwedDelivery,
  "id" | "shardId" | "projectId" | "callbackOrigin" | "nextAttemptAtMs"
>;

/** Position of a reader in the order of due times. */
export type DuePosition = Pick<DueDelivery, "nextAttemptAtMs" | "id">;

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

export const BEFORE_ALL_DUE: DuePosition = { nextAttemptAtMs: 0, id: FIRST_ID };

/** The position just before everything that is due at that time. */
export function positionBefore(nextAttemptAtMs: number): DuePosition {
  return { nextAttemptAtMs, id: FIRST_ID };
}

/** Rows of one read; written into the statement, so that the plan is made for so few. */
export const DUE_ROWS_MAX = 2000;

const FIND = `
select id, shard_id as "shardId", project_id as "projectId", callback_origin as "callbackOrigin",
  ${epochMs("next_attempt_at")} as "nextAttemptAtMs"
from deliveries
where shard_id = any ($1::text::smallint[]) and status = 'pending'
  and next_attempt_at <= ${timeFrom("$2")}
  and (next_attempt_at, id) > (${timeFrom("$3")}, $4::uuid)
order by next_attempt_at, id
limit ${DUE_ROWS_MAX}
`;

/**
 * Pending deliveries of the shards that fall due by `dueByMs`, earliest first, after `after`. Reads
 * no more rows than it returns, however many others wait.
 */
export function findDueDeliveries(
  database: Database,
  query: {
    readonly shardIds: readonly number[];
    readonly dueByMs: number;
    readonly after: DuePosition;
  },
): Promise<DueDelivery[]> {
  const { shardIds, dueByMs, after } = query;
  return database.run("find-due-deliveries", (sql) =>
    sql.unsafe<DueDelivery[]>(
      FIND,
      [arrayLiteral(shardIds), dueByMs, after.nextAttemptAtMs, after.id],
      { prepare: true },
    ),
  );
}

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
