import { eq, sql } from "drizzle-orm";
import {
  COUNTED_OBJECTS,
  type CountedObject,
  NEAR_DEADLINE,
  type StatusCounts,
} from "../../core/status-counts.ts";
import type { Database } from "../db/database.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { type Given, statement, textOf } from "../sql/statement.ts";
import { isNearDeadline } from "../sql/is-near-deadline.ts";
import { IS_OWED_LATER } from "../writes/fan-out.ts";
import { countBySample } from "./project-usage.ts";
import { projectStats } from "../schema/projects.ts";

/** Larger tables are sampled and scaled, so that counting costs the same for any size. */
const ROWS_READ_MAX = 50_000;

type Percents = Readonly<Record<CountedObject, number>>;

// The same as SUBSCRIPTION_STATUS and its joins, for a hand-written statement.
const SHOWN_STATUS = `case
  when subscription.closed_as is not null then subscription.closed_as
  when job.ended_at is null then 'active'
  when delivery.status is null and ${IS_OWED_LATER} then 'delivering'
  when delivery.status is null then 'delivered'
  when delivery.status = 'pending' then 'delivering'
  else delivery.status
end`;
const JOINS = `
join jobs as job on job.shard_id = subscription.shard_id and job.id = subscription.job_row_id
left join deliveries as delivery
  on delivery.shard_id = job.shard_id and delivery.subscription_id = subscription.id
  and job.ended_at is not null and delivery.event_id = job.last_event_id`;

/** A row for each project, kind and status, scaled from the sample to the whole. */
const countsSql = (percent: Percents): string => `
select project_id, 'jobs' as kind, status, count(*) / ${percent.jobs / 100} as count
from jobs tablesample system (${percent.jobs}) group by project_id, status
union all
select project_id, 'jobs', '${NEAR_DEADLINE}', count(*) / ${percent.jobs / 100}
from jobs as job tablesample system (${percent.jobs})
where ${textOf(isNearDeadline(sql`job`, sql`now()`))} group by project_id
union all
select subscription.project_id, 'subscriptions', ${SHOWN_STATUS}, count(*) / ${percent.subscriptions / 100}
from subscriptions as subscription tablesample system (${percent.subscriptions}) ${JOINS}
group by 1, 3
union all
-- Pending deliveries are counted exactly, by the index that holds nothing else.
select project_id, 'deliveries', 'pending', count(*)
from deliveries where next_attempt_at is not null group by project_id
union all
select project_id, 'deliveries', status, count(*) / ${percent.deliveries / 100}
from deliveries tablesample system (${percent.deliveries})
where status <> 'pending' group by project_id, status`;

const countSql = (percent: Percents): string => `
with counted as (${countsSql(percent)}),
of_kind as (
  select project_id, kind, json_object_agg(status, round(count::numeric)) as by_status
  from counted group by project_id, kind
),
estimated (kind, is_estimated) as (
  values ${COUNTED_OBJECTS.map((kind) => `('${kind}', ${percent[kind] < 100})`).join(", ")}
)
insert into project_stats (project_id, counts, counted_at)
select projects.id,
  jsonb_object_agg(estimated.kind, jsonb_build_object(
    'isEstimated', is_estimated, 'byStatus', case when by_status is null then '{}'::json else by_status end
  )),
  now()
from projects cross join estimated
left join of_kind on of_kind.project_id = projects.id and of_kind.kind = estimated.kind
group by projects.id
on conflict (project_id) do update set counts = excluded.counts, counted_at = excluded.counted_at
`;

/**
 * Counts the rows of every project, for all nodes: exactly where tables are small, otherwise from a
 * sample.
 */
export function countProjectStats(database: Database, rowsReadMax = ROWS_READ_MAX): Promise<void> {
  return countBySample(database, {
    name: "count-project-stats",
    tables: [jobs, subscriptions, deliveries],
    rowsReadMax,
    statementOf: (percentOf) =>
      countSql({
        jobs: percentOf(jobs),
        subscriptions: percentOf(subscriptions),
        deliveries: percentOf(deliveries),
      }),
  });
}

const FIND = statement((orm, given: Given<{ projectId: string }>) =>
  orm
    .select({ counts: projectStats.counts, countedAtMs: projectStats.countedAtMs })
    .from(projectStats)
    .where(eq(projectStats.projectId, given.projectId)),
);

export interface ProjectStats {
  readonly counts: StatusCounts;
  readonly countedAtMs: number;
}

/** A project's latest counts; null before the first count. */
export async function findProjectStats(
  database: Database,
  projectId: string,
): Promise<ProjectStats | null> {
  const [row] = await database.run("find-project-stats", (sql) => FIND(sql, { projectId }));
  return row ?? null;
}
