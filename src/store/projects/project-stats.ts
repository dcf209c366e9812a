import { eq, sql } from "drizzle-orm";
import {
  COUNTED_OBJECTS,
  type CountedObject,
  NEAR_DEADLINE,
  type StatusCounts,
} from "../../core/project-counts.ts";
import type { Database } from "../db/database.ts";
import { deliveries, jobs, subscriptions } from "../schema/schema.ts";
import { type Given, statement, textOf } from "../sql/statement.ts";
import { isNearDeadline } from "../jobs/find-jobs.ts";
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

/**
 * Rows that an index holds alone: they are counted exactly while they are few, since a sample of a large
 * table would miss the few that somebody has to look at.
 */
const EXACTLY = {
  live: {
    columns: "project_id, status, ended_at, accepted_at, deadline_at",
    from: "jobs where status in ('pending', 'processing')",
    order: "shard_id, id",
  },
  not_completed: {
    columns: "project_id, status",
    from: "jobs where status in ('failed', 'canceled', 'expired', 'timed_out')",
    order: "project_id, id",
  },
  pending: {
    columns: "project_id, status",
    from: "deliveries where next_attempt_at is not null",
    order: "project_id, callback_origin, next_attempt_at, id",
  },
  given_up: {
    columns: "project_id, status",
    from: "deliveries where status in ('exhausted', 'gone')",
    order: "project_id, id",
  },
} as const;

type ExactName = keyof typeof EXACTLY;

/** Reads one row more than the limit where there are more, in the order of the index. */
const exactlySql = (rowsMax: number): string =>
  Object.entries(EXACTLY)
    .map(
      ([name, { columns, from, order }]) => `
${name} as materialized (select ${columns} from ${from} order by ${order} limit ${rowsMax + 1})`,
    )
    .join(",");

const isExact = (name: ExactName, rowsMax: number): string =>
  `(select count(*) from ${name}) <= ${rowsMax}`;

/** A row for each project, kind and status, scaled from the sample to the whole where it is one. */
const countsSql = (percent: Percents, rowsMax: number): string => `
select project_id, 'jobs' as kind, status, count(*) as count from live
where ${isExact("live", rowsMax)} group by project_id, status
union all
select project_id, 'jobs', status, count(*) from not_completed
where ${isExact("not_completed", rowsMax)} group by project_id, status
union all
select project_id, 'jobs', status, count(*) / ${percent.jobs / 100}
from jobs tablesample system (${percent.jobs})
where case when status in ('pending', 'processing') then not ${isExact("live", rowsMax)}
  when status in ('failed', 'canceled', 'expired', 'timed_out') then not ${isExact("not_completed", rowsMax)}
  else true end
group by project_id, status
union all
select project_id, 'jobs', '${NEAR_DEADLINE}', count(*) from live as job
where ${isExact("live", rowsMax)} and ${textOf(isNearDeadline(sql`job`, sql`now()`))} group by project_id
union all
select project_id, 'jobs', '${NEAR_DEADLINE}', count(*) / ${percent.jobs / 100}
from jobs as job tablesample system (${percent.jobs})
where not ${isExact("live", rowsMax)} and ${textOf(isNearDeadline(sql`job`, sql`now()`))} group by project_id
union all
select subscription.project_id, 'subscriptions', ${SHOWN_STATUS}, count(*) / ${percent.subscriptions / 100}
from subscriptions as subscription tablesample system (${percent.subscriptions}) ${JOINS}
group by 1, 3
union all
select project_id, 'deliveries', status, count(*) from pending
where ${isExact("pending", rowsMax)} group by project_id, status
union all
select project_id, 'deliveries', status, count(*) from given_up
where ${isExact("given_up", rowsMax)} group by project_id, status
union all
select project_id, 'deliveries', status, count(*) / ${percent.deliveries / 100}
from deliveries tablesample system (${percent.deliveries})
where case when status = 'pending' then not ${isExact("pending", rowsMax)}
  when status in ('exhausted', 'gone') then not ${isExact("given_up", rowsMax)}
  else true end
group by project_id, status`;

const countSql = (percent: Percents, rowsMax: number): string => `
with ${exactlySql(rowsMax)},
counted as (${countsSql(percent, rowsMax)}),
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
 * Counts the rows of every project, for all nodes: exactly where they are few, otherwise from a sample.
 */
export function countProjectStats(database: Database, rowsReadMax = ROWS_READ_MAX): Promise<void> {
  return countBySample(database, {
    name: "count-project-stats",
    tables: [jobs, subscriptions, deliveries],
    rowsReadMax,
    statementOf: (percentOf) => {
      const percent = {
        jobs: percentOf(jobs),
        subscriptions: percentOf(subscriptions),
        deliveries: percentOf(deliveries),
      };
      return countSql(percent, rowsReadMax);
    },
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
