import type { TransactionSql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import type { RedeliveryRecord } from "./find-redeliveries.ts";
import { firstIdAt } from "../sql/id-range.ts";
import { rowSource } from "../sql/row-source.ts";
import { timeFrom } from "../sql/time.ts";

/** A delivery that is meant. */
export interface MatchingDelivery {
  readonly shardId: number;
  readonly id: string;
  readonly subscriptionId: string;
}

/** What one look at the deliveries behind a position found. */
export interface RedeliveryLook {
  readonly matching: readonly MatchingDelivery[];
  /** How far it looked; the next look begins behind it. */
  readonly positionId: string;
  /** Nothing is left behind it. */
  readonly isLast: boolean;
}

/** However few of them match: no statement reads more deliveries than this. */
const ROWS_SCANNED_MAX = 5_000;

// Ids begin with the time, so the oldest come first, and a range of times is one of ids. What
// finished after the redelivery was asked for may be its own doing, and is not done again.
const LOOK = `
with candidate as materialized (
  select * from deliveries
  where project_id = $1 and id > $2::uuid and id < $3::uuid
  order by id limit ${ROWS_SCANNED_MAX}
),
matching as (
  select shard_id, id, subscription_id from candidate
  where status = $4
    and ($5::text is null or event_type = $5)
    and ($6::text is null or callback_origin = $6)
    and ($7::float8 is null or created_at > ${timeFrom("$7")})
    and created_at < ${timeFrom("$8")}
    and (finished_at is null or finished_at <= ${timeFrom("$9")})
  order by id limit $10
)
select scanned.count as scanned_count, scanned.last_id as scanned_last_id,
  matching.shard_id as "shardId", matching.id, matching.subscription_id as "subscriptionId"
from (select count(*)::int as count, max(id::text) as last_id from candidate) as scanned
left join matching on true
order by matching.id
`;

type LookRow = { readonly scanned_count: number; readonly scanned_last_id: string | null } & (
  | MatchingDelivery
  | { readonly id: null }
);

/** Later than any time of a created row by more than ids may run ahead of it. */
const BEYOND_MS = 2 * 60_000;

/** The next deliveries that match, at most `limit`, behind the redelivery's position. */
export async function lookForDeliveries(
  database: Database,
  redelivery: RedeliveryRecord,
  limit: number,
): Promise<RedeliveryLook> {
  const rows = await database.run("look-for-deliveries", (sql) =>
    sql.unsafe<LookRow[]>(
      LOOK,
      [
        redelivery.projectId,
        redelivery.positionId,
        firstIdAt(redelivery.createdBeforeMs + BEYOND_MS),
        redelivery.status,
        redelivery.eventType,
        redelivery.callbackOrigin,
        redelivery.createdAfterMs,
        redelivery.createdBeforeMs,
        redelivery.createdAtMs,
        limit,
      ],
      { prepare: true },
    ),
  );
  const matching = rows.filter((row): row is LookRow & MatchingDelivery => row.id !== null);
  const [first] = rows;
  const scannedAll = first === undefined || first.scanned_count < ROWS_SCANNED_MAX;
  const lastMatching = matching.at(-1)?.id;
  return matching.length === limit && lastMatching !== undefined
    ? { matching, positionId: lastMatching, isLast: false }
    : {
        matching,
        positionId: first?.scanned_last_id ?? redelivery.positionId,
        isLast: scannedAll,
      };
}

export type RedeliveryAdvance =
  | { readonly kind: "advanced"; readonly redelivered: readonly MatchingDelivery[] }
  /** It was canceled, or another node has come further. */
  | { readonly kind: "overtaken" };

const ADVANCE = `
update redeliveries set
  position_id = $4::uuid, matched = matched + $5,
  state = case when $6::boolean then 'completed' else state end,
  finished_at = case when $6::boolean then ${timeFrom("$7")} end
where shard_id = $1 and id = $2 and position_id = $3::uuid and state = 'running'
returning id
`;

const KEYS = rowSource("key", {
  shardId: "smallint",
  id: "uuid",
  subscriptionId: "uuid",
  dueAtMs: "float8",
});

// As when a single one is redelivered: the lock that ending a subscription takes first.
const LOCK_JOBS = `
with key as materialized (
  select * from ${KEYS.sql}
)
update jobs set status = jobs.status
from (
  select distinct subscription.shard_id, subscription.job_row_id
  from key
  join subscriptions as subscription
    on subscription.shard_id = "shardId" and subscription.id = "subscriptionId"
  order by 1, 2
) as target
where jobs.shard_id = target.shard_id and jobs.id = target.job_row_id
`;

const REDELIVER = `
with key as materialized (
  select * from ${KEYS.sql} order by "shardId", id
)
update deliveries as delivery set
  status = 'pending', attempts_before = attempt_count, finished_at = null,
  next_attempt_at = ${timeFrom('"dueAtMs"')}
from key
where delivery.shard_id = "shardId" and delivery.id = key.id and delivery.status = $5
  and (delivery.finished_at is null or delivery.finished_at <= ${timeFrom("$6")})
  and not exists (
    select from subscriptions
    where subscriptions.shard_id = delivery.shard_id and subscriptions.id = delivery.subscription_id
      and closed_as = 'canceled'
  )
returning delivery.shard_id as "shardId", delivery.id, delivery.subscription_id as "subscriptionId"
`;

const COUNT = `
update redeliveries set redelivered = redelivered + $3, skipped = skipped + $4
where shard_id = $1 and id = $2
`;

/**
 * Owes what a look found anew and moves the redelivery's position behind it, both or neither: no
 * delivery is left out or taken twice, however often whoever does it is killed. The position is
 * the compare of a compare-and-set, so of two nodes that do it at once one succeeds.
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
    const moved = await sql.unsafe(
      ADVANCE,
      [
        redelivery.shardId,
        redelivery.id,
        redelivery.positionId,
        look.positionId,
        look.matching.length,
        look.isLast,
        step.nowMs,
      ],
      { prepare: true },
    );
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
  const keys = KEYS.parameters(
    look.matching.map((one, index) => ({ ...one, dueAtMs: step.dueAtMs[index] ?? step.nowMs })),
  );
  // Sent without waiting in between: the second has a snapshot taken after the locks of the first.
  const [, redelivered] = await Promise.all([
    sql.unsafe(LOCK_JOBS, keys, { prepare: true }),
    sql.unsafe<MatchingDelivery[]>(
      REDELIVER,
      [...keys, redelivery.status, redelivery.createdAtMs],
      { prepare: true },
    ),
  ]);
  const skipped = look.matching.length - redelivered.length;
  await sql.unsafe(COUNT, [redelivery.shardId, redelivery.id, redelivered.length, skipped], {
    prepare: true,
  });
  return redelivered;
}
