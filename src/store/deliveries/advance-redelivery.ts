import { and, eq, gt, isNull, lt, lte, or, sql } from "drizzle-orm";
import type { TransactionSql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import { type RedeliverableStatus, redeliveries } from "../schema/redeliveries.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { BEFORE_ALL_MS, firstIdAt, matchingOf, scannedOf } from "../sql/page.ts";
import { type Given, isIfGiven, nameOf, statement, template } from "../sql/statement.ts";
import { LATEST_ERROR_CODE } from "./find-deliveries.ts";
import type { RedeliveryFilter, RedeliveryRecord } from "./redeliveries.ts";
import { rowsOf } from "../sql/row-source.ts";
import { timeOf } from "../sql/time.ts";
import { redeliveredText } from "../sql/delivery-state.ts";
import type { OwedDelivery } from "../writes/record-events.ts";

/** A delivery that matches the filter. */
export type MatchingDelivery = Pick<OwedDelivery, "shardId" | "id" | "subscriptionId">;

/** Result of one look at the deliveries behind a position. */
interface RedeliveryLook {
  readonly matching: readonly MatchingDelivery[];
  /** Where the look ended; the next one begins behind it. */
  readonly positionId: string;
  /** True when nothing is left behind it. */
  readonly isLast: boolean;
}

/** No statement reads more deliveries than this, however few match. */
const ROWS_SCANNED_MAX = 5_000;

// Ids begin with the time, so the oldest come first, and a range of times is a range of ids.
// Deliveries that finished after the redelivery was requested may be its own doing, and are not
// repeated.
const LOOK = statement(
  (
    orm,
    given: Given<
      RedeliveryFilter & {
        projectId: string;
        afterId: string;
        belowId: string;
        createdAfterMs: number;
        finishedByMs: number;
        limit: number;
      }
    >,
  ) => {
    const candidate = orm.$with("candidate").as(
      orm
        .select()
        .from(deliveries)
        .where(
          and(
            eq(deliveries.projectId, given.projectId),
            gt(deliveries.id, given.afterId),
            lt(deliveries.id, given.belowId),
          ),
        )
        .orderBy(deliveries.id)
        .limit(ROWS_SCANNED_MAX),
    );
    const scanned = scannedOf(orm, candidate, sql<string | null>`max(${candidate.id}::text)`);
    const matching = orm
      .select({
        shardId: candidate.shardId,
        id: candidate.id,
        subscriptionId: candidate.subscriptionId,
      })
      .from(candidate)
      .where(
        and(
          eq(candidate.status, given.status),
          isIfGiven(candidate.eventType, given.eventType),
          isIfGiven(candidate.callbackOrigin, given.callbackOrigin),
          sql`(${given.errorCode}::text is null or ${LATEST_ERROR_CODE} = ${given.errorCode})`,
          gt(candidate.createdAtMs, timeOf(given.createdAfterMs)),
          lt(candidate.createdAtMs, timeOf(given.createdBeforeMs)),
          or(
            isNull(candidate.finishedAtMs),
            lte(candidate.finishedAtMs, timeOf(given.finishedByMs)),
          ),
        ),
      )
      .orderBy(candidate.id)
      .limit(given.limit)
      .as("matching");
    return orm
      .with(candidate)
      .select({
        scannedCount: scanned.count,
        scannedLastId: scanned.lastId,
        shardId: matching.shardId,
        id: matching.id,
        subscriptionId: matching.subscriptionId,
      })
      .from(scanned)
      .leftJoin(matching, sql`true`)
      .orderBy(matching.id);
  },
);

/** Later than the time of any created row, by more than ids may run ahead of it. */
const BEYOND_MS = 2 * 60_000;

/** The next deliveries that match, at most `limit`, behind the redelivery's position. */
export async function lookForDeliveries(
  database: Database,
  redelivery: RedeliveryRecord,
  limit: number,
): Promise<RedeliveryLook> {
  const rows = await database.run("look-for-deliveries", (sql) =>
    LOOK(sql, {
      ...redelivery,
      afterId: redelivery.positionId,
      belowId: firstIdAt(redelivery.createdBeforeMs + BEYOND_MS),
      createdAfterMs: redelivery.createdAfterMs ?? BEFORE_ALL_MS,
      finishedByMs: redelivery.createdAtMs,
      limit,
    }),
  );
  const matching = matchingOf<MatchingDelivery>(rows);
  const [first] = rows;
  const scannedAll = first === undefined || first.scannedCount < ROWS_SCANNED_MAX;
  const lastMatching = matching.at(-1)?.id;
  return matching.length === limit && lastMatching !== undefined
    ? { matching, positionId: lastMatching, isLast: false }
    : {
        matching,
        positionId: first?.scannedLastId ?? redelivery.positionId,
        isLast: scannedAll,
      };
}

type RedeliveryAdvance =
  | { readonly kind: "advanced"; readonly redelivered: readonly MatchingDelivery[] }
  /** It was canceled, or another node has advanced further. */
  | { readonly kind: "overtaken" };

const isThe = (given: Given<{ shardId: number; id: string }>) =>
  and(eq(redeliveries.shardId, given.shardId), eq(redeliveries.id, given.id));

const ADVANCE = statement(
  (
    orm,
    given: Given<{
      shardId: number;
      id: string;
      positionId: string;
      nextPositionId: string;
      matching: number;
      isLast: boolean;
      nowMs: number;
    }>,
  ) =>
    orm
      .update(redeliveries)
      .set({
        positionId: sql`${given.nextPositionId}`,
        matched: sql`${redeliveries.matched} + ${given.matching}`,
        state: sql`case when ${given.isLast}::boolean then 'completed' else ${redeliveries.state} end`,
        finishedAtMs: sql`case when ${given.isLast}::boolean then ${timeOf(given.nowMs)} end`,
      })
      .where(
        and(
          isThe(given),
          eq(redeliveries.positionId, given.positionId),
          eq(redeliveries.state, "running"),
        ),
      )
      .returning({ id: redeliveries.id }),
);

const KEY = {
  shardId: "smallint",
  id: "uuid",
  subscriptionId: "uuid",
  dueAtMs: "float8",
} as const;

type Keys = readonly (MatchingDelivery & { readonly dueAtMs: number })[];

// Takes the lock that ending a subscription takes first, as for a single redelivery.
const LOCK_JOBS = template(
  (given: Given<{ keys: Keys }>) => sql`
with key as materialized (
  select * from ${rowsOf("key", KEY, given.keys)}
)
update ${jobs} set ${nameOf(jobs.status)} = ${jobs.status}
from (
  select distinct ${subscriptions.shardId}, ${subscriptions.jobRowId}
  from key
  join ${subscriptions} on ${subscriptions.shardId} = "shardId" and ${subscriptions.id} = "subscriptionId"
  order by 1, 2
) as target
where ${jobs.shardId} = target.shard_id and ${jobs.id} = target.job_row_id
`,
);

const { finishedAtMs } = deliveries;

const REDELIVER = template(
  (
    given: Given<{ keys: Keys; status: RedeliverableStatus; finishedByMs: number }>,
  ) => sql<MatchingDelivery>`
with key as materialized (
  select * from ${rowsOf("key", KEY, given.keys)} order by "shardId", id
)
update ${deliveries} set ${redeliveredText(timeOf(sql.raw('"dueAtMs"')))}
from key
where ${deliveries.shardId} = "shardId" and ${deliveries.id} = key.id and ${deliveries.status} = ${given.status}
  and (${finishedAtMs} is null or ${finishedAtMs} <= ${timeOf(given.finishedByMs)})
  and not exists (
    select from ${subscriptions}
    where ${subscriptions.shardId} = ${deliveries.shardId} and ${subscriptions.id} = ${deliveries.subscriptionId}
      and ${subscriptions.closedAs} = 'canceled'
  )
returning ${deliveries.shardId} as "shardId", ${deliveries.id}, ${deliveries.subscriptionId} as "subscriptionId"
`,
);

const COUNT = statement(
  (orm, given: Given<{ shardId: number; id: string; redelivered: number; skipped: number }>) =>
    orm
      .update(redeliveries)
      .set({
        redelivered: sql`${redeliveries.redelivered} + ${given.redelivered}`,
        skipped: sql`${redeliveries.skipped} + ${given.skipped}`,
      })
      .where(isThe(given)),
);

/**
 * Makes the deliveries of a look pending again and moves the redelivery's position behind them,
 * both or neither: no delivery is left out or taken twice, even if nodes are killed at any point.
 * The position is guarded by compare-and-set, so of two nodes that do this at the same time one
 * succeeds.
 * @param dueAtMs when each of the matching is to be sent, in their order
 */
export function advanceRedelivery(
  database: Database,
  step: {
    readonly redelivery: RedeliveryRecord;
    readonly look: RedeliveryLook;
    readonly dueAtMs: readonly number[];
    readonly nowMs: number;
  },
): Promise<RedeliveryAdvance> {
  const { redelivery, look } = step;
  return database.transaction("advance-redelivery", async (sql) => {
    const moved = await ADVANCE(sql, {
      ...redelivery,
      nextPositionId: look.positionId,
      matching: look.matching.length,
      isLast: look.isLast,
      nowMs: step.nowMs,
    });
    if (moved.length === 0) return { kind: "overtaken" };
    if (redelivery.isDryRun || look.matching.length === 0) {
      return { kind: "advanced", redelivered: [] };
    }
    return { kind: "advanced", redelivered: await redeliverMatching(sql, step) };
  });
}

async function redeliverMatching(
  sql: TransactionSql,
  step: Parameters<typeof advanceRedelivery>[1],
): Promise<readonly MatchingDelivery[]> {
  const { redelivery, look } = step;
  const keys = look.matching.map((one, index) => {
    return { ...one, dueAtMs: step.dueAtMs[index] ?? step.nowMs };
  });
  // Pipelined: the second has a snapshot taken after the locks of the first.
  const [, redelivered] = await Promise.all([
    LOCK_JOBS(sql, { keys }),
    REDELIVER(sql, { keys, status: redelivery.status, finishedByMs: redelivery.createdAtMs }),
  ]);
  const skipped = look.matching.length - redelivered.length;
  await COUNT(sql, { ...redelivery, redelivered: redelivered.length, skipped });
  return redelivered;
}
