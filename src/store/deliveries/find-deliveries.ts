import { and, desc, eq, getTableColumns, gt, gte, lt, sql } from "drizzle-orm";
import type { DeliveryStatus } from "../../core/delivery/delivery-outcome.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { attempts, deliveries } from "../schema/schema.ts";
import { BEFORE_ALL_MS, firstIdAt } from "../sql/id-range.ts";
import { beforeOrFirst, cutPage, type Page, pageOf, scanOf } from "../sql/page.ts";
import { type Given, isIfGiven, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";

const { projectId, attemptsBefore: _, ...COLUMNS } = getTableColumns(deliveries);
const { shardId: __, deliveryId: ___, ...ATTEMPT_COLUMNS } = getTableColumns(attempts);
const { id, shardId, subscriptionId } = COLUMNS;

export { COLUMNS as DELIVERY_COLUMNS };

/** One delivery for display. */
export type DeliveryRecord = Readonly<
  Omit<typeof deliveries.$inferSelect, "projectId" | "attemptsBefore">
>;

/** One HTTP request of a delivery. */
export type AttemptRecord = Readonly<Omit<typeof attempts.$inferSelect, "shardId" | "deliveryId">>;

export interface DeliveryQuery {
  readonly projectId: string;
  /** Only below this id; null for the first page. */
  readonly beforeId: string | null;
  readonly limit: number;
  readonly status: DeliveryStatus | null;
  readonly callbackOrigin: string | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
}

const LIST = statement(
  (
    orm,
    given: Given<{
      projectId: string;
      beforeId: string;
      fromId: string;
      createdAfterMs: number;
      status: DeliveryStatus | null;
      callbackOrigin: string | null;
      scan: number;
    }>,
  ) => {
    const candidate = orm.$with("candidate").as(
      orm
        .select(COLUMNS)
        .from(deliveries)
        .where(and(eq(projectId, given.projectId), lt(id, given.beforeId), gte(id, given.fromId)))
        .orderBy(desc(id))
        .limit(given.scan),
    );
    const scanned = orm
      .select({
        count: sql<number>`count(*)::int`.as("scanned_count"),
        lastId: sql<string | null>`min(${candidate.id}::text)`.as("scanned_last_id"),
      })
      .from(candidate)
      .as("scanned");
    const matching = orm
      .select()
      .from(candidate)
      .where(
        and(
          gt(candidate.createdAtMs, timeOf(given.createdAfterMs)),
          isIfGiven(candidate.status, given.status),
          isIfGiven(candidate.callbackOrigin, given.callbackOrigin),
        ),
      )
      .as("matching");
    return orm
      .with(candidate)
      .select({
        scannedCount: scanned.count,
        scannedLastId: scanned.lastId,
        ...matching._.selectedFields,
      })
      .from(scanned)
      .leftJoin(matching, sql`true`)
      .orderBy(desc(matching.id));
  },
);

/** The project's matching deliveries, newest first. */
export async function findDeliveries(
  database: Database,
  query: DeliveryQuery,
): Promise<Page<DeliveryRecord>> {
  const { createdAfterMs, limit } = query;
  const scan = scanOf(limit, query.status !== null || query.callbackOrigin !== null);
  const rows = await database.run("find-deliveries", (sql) =>
    LIST(sql, {
      ...query,
      scan,
      beforeId: beforeOrFirst(query.beforeId),
      fromId: firstIdAt(createdAfterMs ?? 0),
      createdAfterMs: createdAfterMs ?? BEFORE_ALL_MS,
    }),
  );
  return pageOf<DeliveryRecord>(rows, { limit, scan });
}

const OF_SUBSCRIPTION = statement(
  (
    orm,
    given: Given<{
      shardId: number;
      subscriptionId: string;
      projectId: string;
      beforeId: string;
      limit: number;
    }>,
  ) =>
    orm
      .select(COLUMNS)
      .from(deliveries)
      .where(
        and(
          eq(shardId, given.shardId),
          eq(subscriptionId, given.subscriptionId),
          eq(projectId, given.projectId),
          lt(id, given.beforeId),
        ),
      )
      .orderBy(desc(id))
      .limit(given.limit),
);

/** The deliveries of one subscription, newest first. */
export async function findDeliveriesOfSubscription(
  database: Database,
  query: {
    readonly projectId: string;
    readonly subscriptionId: string;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<Page<DeliveryRecord>> {
  const { subscriptionId, beforeId, limit } = query;
  const rows = await database.run("find-deliveries-of-subscription", (sql) =>
    OF_SUBSCRIPTION(sql, {
      ...query,
      shardId: shardOfUuid(subscriptionId),
      beforeId: beforeOrFirst(beforeId),
      limit: limit + 1,
    }),
  );
  return cutPage(rows, limit);
}

const FIND = statement((orm, given: Given<{ shardId: number; id: string; projectId: string }>) =>
  orm
    .select(COLUMNS)
    .from(deliveries)
    .where(and(eq(shardId, given.shardId), eq(id, given.id), eq(projectId, given.projectId))),
);

/** A delivery that is redelivered many times has more attempts than anyone reads. */
const ATTEMPTS_SHOWN_MAX = 200;

const ATTEMPTS = statement((orm, given: Given<{ shardId: number; id: string }>) =>
  orm
    .select(ATTEMPT_COLUMNS)
    .from(attempts)
    .where(and(eq(attempts.shardId, given.shardId), eq(attempts.deliveryId, given.id)))
    .orderBy(desc(attempts.number))
    .limit(ATTEMPTS_SHOWN_MAX),
);

/** The project's delivery of this id with its latest attempts, oldest first, or null. */
export async function findDelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<{ delivery: DeliveryRecord; attempts: readonly AttemptRecord[] } | null> {
  const row = { ...key, shardId: shardOfUuid(key.id) };
  return database.run("find-delivery", async (sql) => {
    const [delivery] = await FIND(sql, row);
    if (delivery === undefined) return null;
    // Read second, so that every attempt that the delivery counts is included.
    const latest = await ATTEMPTS(sql, row);
    return { delivery, attempts: latest.toReversed() };
  });
}
