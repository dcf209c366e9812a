import { arrayLiteral } from "../sql/statement.ts";
import type { Database } from "../db/database.ts";
import { firstIdAt } from "../sql/page.ts";
import { timeFrom } from "../sql/time.ts";

/** Tables of a shard that have rows old enough to be removed. */
export interface OldRows {
  readonly shardId: number;
  readonly jobs: boolean;
  readonly resultParts: boolean;
  readonly events: boolean;
  readonly redeliveries: boolean;
}

const hasOld = (table: string, id: string): string =>
  `exists (select from ${table} where ${table}.shard_id = own.shard_id and ${id} < $2::uuid)`;

const FIND_OLD = `
select * from (
  select own.shard_id as "shardId", ${hasOld("jobs", "id")} as jobs,
    ${hasOld("result_parts", "event_id")} as "resultParts", ${hasOld("events", "id")} as events,
    ${hasOld("redeliveries", "id")} as redeliveries
  from unnest($1::text::smallint[]) as own (shard_id)
) as found
where jobs or "resultParts" or events or redeliveries
order by "shardId"
`;

/** The shards that have old rows, from one statement for all. */
export function findOldRows(
  database: Database,
  shardIds: readonly number[],
  activeSinceMs: number,
): Promise<OldRows[]> {
  return database.run("find-old-rows", (sql) =>
    sql.unsafe<OldRows[]>(FIND_OLD, [arrayLiteral(shardIds), firstIdAt(activeSinceMs)], {
      prepare: true,
    }),
  );
}

/** A range of a shard's rows, in the order of their ids. */
export interface RemovalStep {
  readonly shardId: number;
  /** Only behind this id. */
  readonly afterId: string;
  /** Epoch milliseconds: rows that were active since then are kept. */
  readonly activeSinceMs: number;
  /** How many jobs, events or parts to remove at most. */
  readonly limit: number;
}

/** Progress of a step. */
export interface RemovedStep {
  readonly removed: number;
  /** Where the next step continues; null when nothing is left. */
  readonly nextAfterId: string | null;
}

/** No statement looks at more jobs than this, however few are removed. */
const JOBS_SCANNED_MAX = 2_000;
/** Jobs with more subscriptions than this lose some of them first. */
const SUBSCRIPTIONS_REMOVED_MAX = 500;

// Ids begin with the time of acceptance, so the range holds everything that is old enough, without
// an index that every update would have to maintain. Running jobs are skipped.
const IS_OVER = `
(ended_at < ${timeFrom("$3")}
  or (status = 'unwatched' and ended_at is null and deadline_at < ${timeFrom("$3")}))`;

const FIND = `
with candidate as materialized (
  select id, status, ended_at, deadline_at from jobs
  where shard_id = $1 and id > $2::uuid and id < $4::uuid
  order by id limit ${JOBS_SCANNED_MAX}
),
over as (
  select id from candidate where ${IS_OVER} order by id limit $5
)
select scanned.count as scanned_count, scanned.last_id, over.id
from (select count(*)::int as count, max(id::text) as last_id from candidate) as scanned
left join over on true
order by over.id
`;

// The lock that every writer takes before the rows of a job: while it is held, no one subscribes,
// ends, deletes or redelivers. A job whose lock is held by another is in use and is skipped.
const LOCK = `
select id from jobs
where shard_id = $1 and id = any ($2::text::uuid[]) and ${IS_OVER}
order by id for update skip locked
`;

// A separate statement, whose snapshot is taken once the locks are held.
const REMOVE = `
with locked (id) as materialized (
  select unnest($2::text::uuid[])
),
idle as materialized (
  select id from locked
  where not exists (
    select from fan_outs where fan_outs.shard_id = $1 and fan_outs.job_row_id = locked.id
  ) and not exists (
    select from subscriptions as subscription
    left join deliveries as delivery
      on delivery.shard_id = $1 and delivery.subscription_id = subscription.id
    where subscription.shard_id = $1 and subscription.job_row_id = locked.id
      and (
        subscription.created_at >= ${timeFrom("$3")}
        or delivery.status = 'pending'
        or coalesce(delivery.finished_at, delivery.created_at) >= ${timeFrom("$3")}
      )
  )
),
subscriber as materialized (
  select subscription.id, subscription.job_row_id
  from idle join subscriptions as subscription
    on subscription.shard_id = $1 and subscription.job_row_id = idle.id
  order by subscription.job_row_id, subscription.id limit ${SUBSCRIPTIONS_REMOVED_MAX}
),
owed as materialized (
  select delivery.id from subscriber join deliveries as delivery
    on delivery.shard_id = $1 and delivery.subscription_id = subscriber.id
),
whole as materialized (
  select idle.id from idle
  where (select count(*) from subscriber where job_row_id = idle.id) = (
    select count(*) from subscriptions where shard_id = $1 and job_row_id = idle.id)
),
without_attempts as (
  delete from attempts using owed where attempts.shard_id = $1 and delivery_id = owed.id
),
without_deliveries as (
  delete from deliveries using owed where deliveries.shard_id = $1 and deliveries.id = owed.id
),
without_subscriptions as (
  delete from subscriptions using subscriber
  where subscriptions.shard_id = $1 and subscriptions.id = subscriber.id
),
without_fetched_results as (
  delete from fetched_results using whole
  where fetched_results.shard_id = $1 and job_row_id = whole.id
),
without_jobs as (
  delete from jobs using whole where jobs.shard_id = $1 and jobs.id = whole.id
)
select (select count(*)::int from whole) as jobs,
  (select count(*)::int from subscriber) as subscriptions
`;

/**
 * Removes jobs that are over and that nothing has happened to since, with their subscriptions,
 * deliveries and attempts; `removeEvents` removes their events. Repeating it is harmless.
 */
export async function removeEndedJobs(database: Database, step: RemovalStep): Promise<RemovedStep> {
  const { shardId, activeSinceMs, limit } = step;
  const rows = await database.run("find-ended-jobs", (sql) =>
    sql.unsafe<{ scanned_count: number; last_id: string | null; id: string | null }[]>(
      FIND,
      [shardId, step.afterId, activeSinceMs, firstIdAt(activeSinceMs), limit],
      { prepare: true },
    ),
  );
  const ids = rows.flatMap(({ id }) => id ?? []);
  const [first] = rows;
  const isLimited = ids.length === limit;
  const lookedAtAll = (first?.scanned_count ?? 0) < JOBS_SCANNED_MAX && !isLimited;
  const lastId = isLimited ? (ids.at(-1) ?? null) : (first?.last_id ?? null);
  const { jobs, subscriptions } = await removeJobs(database, { shardId, ids, activeSinceMs });
  if (subscriptions === SUBSCRIPTIONS_REMOVED_MAX) {
    return { removed: jobs, nextAfterId: step.afterId };
  }
  return { removed: jobs, nextAfterId: lookedAtAll ? null : lastId };
}

async function removeJobs(
  database: Database,
  of: { readonly shardId: number; readonly ids: readonly string[]; readonly activeSinceMs: number },
): Promise<{ readonly jobs: number; readonly subscriptions: number }> {
  const { shardId, ids, activeSinceMs } = of;
  if (ids.length === 0) return { jobs: 0, subscriptions: 0 };
  return database.transaction("remove-ended-jobs", async (sql) => {
    const locked = await sql.unsafe<{ id: string }[]>(
      LOCK,
      [shardId, arrayLiteral(ids), activeSinceMs],
      { prepare: true },
    );
    const [removed] = await sql.unsafe<{ jobs: number; subscriptions: number }[]>(
      REMOVE,
      [shardId, arrayLiteral(locked.map(({ id }) => id)), activeSinceMs],
      { prepare: true },
    );
    return removed ?? { jobs: 0, subscriptions: 0 };
  });
}
