import type { Database } from "../db/database.ts";
import { firstIdAt } from "../sql/page.ts";
import type { RemovalStep, RemovedStep } from "../jobs/remove-ended-jobs.ts";
import { timeFrom } from "../sql/time.ts";

interface RemovedRow {
  readonly scanned_count: number;
  readonly last_id: string | null;
  readonly removed: number;
}

const REMOVE_EVENTS = `
with candidate as materialized (
  select id, job_row_id from events
  where shard_id = $1 and id > $2::uuid and id < $3::uuid
  order by id limit $4
),
removed as (
  delete from events using candidate
  where events.shard_id = $1 and events.id = candidate.id
    and not exists (select from jobs where jobs.shard_id = $1 and jobs.id = candidate.job_row_id)
  returning events.id
)
select (select count(*)::int from candidate) as scanned_count,
  (select max(id::text) from candidate) as last_id, (select count(*)::int from removed) as removed
`;

/** Removes old events whose jobs are gone. */
export function removeEvents(database: Database, step: RemovalStep): Promise<RemovedStep> {
  return remove(database, "remove-events", REMOVE_EVENTS, step);
}

// The last event may have more parts than fit; the next step begins with it again.
const REMOVE_PARTS = `
with candidate as materialized (
  select event_id, number from result_parts
  where shard_id = $1 and event_id > $2::uuid and event_id < $3::uuid
  order by event_id, number limit $4
),
removed as (
  delete from result_parts as part using candidate
  where part.shard_id = $1 and part.event_id = candidate.event_id and part.number = candidate.number
    and not exists (
      select from events as event
      join jobs as job on job.shard_id = $1 and job.id = event.job_row_id
      where event.shard_id = $1 and event.id = candidate.event_id
    )
  returning part.event_id
)
select (select count(*)::int from candidate) as scanned_count,
  case when exists (select from removed)
    then $2::uuid::text else (select max(event_id::text) from candidate) end as last_id,
  (select count(*)::int from removed) as removed
`;

/** Removes old parts of results whose events or jobs are gone or were never recorded. */
export function removeResultParts(database: Database, step: RemovalStep): Promise<RemovedStep> {
  return remove(database, "remove-result-parts", REMOVE_PARTS, step);
}

const REMOVE_REDELIVERIES = `
with candidate as materialized (
  select id from redeliveries
  where shard_id = $1 and id > $2::uuid and id < $3::uuid
  order by id limit $4
),
removed as (
  delete from redeliveries using candidate
  where redeliveries.shard_id = $1 and redeliveries.id = candidate.id
    and finished_at < ${timeFrom("$5")}
  returning redeliveries.id
)
select (select count(*)::int from candidate) as scanned_count,
  (select max(id::text) from candidate) as last_id, (select count(*)::int from removed) as removed
`;

/** Removes redeliveries that finished long ago. */
export function removeRedeliveries(database: Database, step: RemovalStep): Promise<RemovedStep> {
  return remove(database, "remove-redeliveries", REMOVE_REDELIVERIES, step, [step.activeSinceMs]);
}

async function remove(
  database: Database,
  name: string,
  statement: string,
  step: RemovalStep,
  more: readonly number[] = [],
): Promise<RemovedStep> {
  const { shardId, afterId, activeSinceMs, limit } = step;
  const [row] = await database.run(name, (sql) =>
    sql.unsafe<RemovedRow[]>(
      statement,
      [shardId, afterId, firstIdAt(activeSinceMs), limit, ...more],
      { prepare: true },
    ),
  );
  const { scanned_count: scanned, last_id: lastId, removed } = row ?? NOTHING;
  return { removed, nextAfterId: scanned < limit ? null : lastId };
}

const NOTHING: RemovedRow = { scanned_count: 0, last_id: null, removed: 0 };
