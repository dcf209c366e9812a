import { shardOfJob } from "../../core/ids/shard.ts";
import type { Sql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import { firstIdAt } from "../sql/id-range.ts";
import { pageOf, scanOf } from "../sql/page.ts";
import type { Page, ScannedRow } from "../sql/page.ts";
import {
  SUBSCRIPTION_COLUMNS,
  SUBSCRIPTION_JOINS,
  SUBSCRIPTION_STATUS,
  subscriptionRecord,
} from "./subscription-record.ts";
import type {
  SubscriptionRecord,
  SubscriptionRow,
  SubscriptionStatus,
} from "./subscription-record.ts";
import { timeFrom } from "../sql/time.ts";

export interface SubscriptionQuery {
  readonly projectId: string;
  /** Only below this id; null for the first page. */
  readonly beforeId: string | null;
  readonly limit: number;
  readonly status: SubscriptionStatus | null;
  readonly jobId: string | null;
  readonly provider: string | null;
  /** A connection's name. */
  readonly connection: string | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
}

const RECENT = `
select * from subscriptions
where project_id = $1 and ($2::uuid is null or id < $2) and ($3::uuid is null or id >= $3)
order by id desc limit $4
`;

// The same job id may be watched through several connections, each with a shard of its own.
const OF_JOB = `
select subscription.* from subscriptions as subscription
join jobs on jobs.shard_id = subscription.shard_id and jobs.id = subscription.job_row_id
where subscription.project_id = $1 and ($2::uuid is null or subscription.id < $2)
  and ($3::uuid is null or subscription.id >= $3)
  and jobs.job_id = $9 and (jobs.shard_id, jobs.connection_id) in (
    select shard_id, connection_id from json_to_recordset($10::text::json) as place (
      shard_id smallint, connection_id uuid
    )
  )
order by subscription.id desc limit $4
`;

const list = (candidates: string): string => `
with candidate as materialized (${candidates}),
matching as (
  select ${SUBSCRIPTION_COLUMNS}
  from candidate as subscription ${SUBSCRIPTION_JOINS}
  left join connections as connection on connection.id = job.connection_id
  where ($5::float8 is null or subscription.created_at > ${timeFrom("$5")})
    and ($6::text is null or ${SUBSCRIPTION_STATUS} = $6)
    and ($7::text is null or job.provider = $7)
    and ($8::text is null or connection.name = $8)
)
select scanned.count as scanned_count, scanned.last_id as scanned_last_id, matching.*
from (select count(*)::int as count, min(id::text) as last_id from candidate) as scanned
left join matching on true
order by matching.id desc
`;

const LIST_RECENT = list(RECENT);
const LIST_OF_JOB = list(OF_JOB);

type ListedRow = ScannedRow & (SubscriptionRow | { readonly id: null });

/** The project's subscriptions that match, newest first. */
export async function findSubscriptions(
  database: Database,
  query: SubscriptionQuery,
): Promise<Page<SubscriptionRecord>> {
  const isFiltered = query.status !== null || query.provider !== null || query.connection !== null;
  const scan = scanOf(query.limit, isFiltered);
  const parameters = [
    query.projectId,
    query.beforeId,
    query.createdAfterMs === null ? null : firstIdAt(query.createdAfterMs),
    scan,
    query.createdAfterMs,
    query.status,
    query.provider,
    query.connection,
  ];
  const { jobId } = query;
  const rows = await database.run("find-subscriptions", async (sql) => {
    if (jobId === null) {
      return sql.unsafe<ListedRow[]>(LIST_RECENT, parameters, { prepare: true });
    }
    const places = await placesOfJob(sql, query.projectId, jobId);
    const ofJob = [...parameters, jobId, JSON.stringify(places)];
    return sql.unsafe<ListedRow[]>(LIST_OF_JOB, ofJob, { prepare: true });
  });
  const page = pageOf(rows, { limit: query.limit, scan });
  return { ...page, rows: page.rows.map(subscriptionRecord) };
}

async function placesOfJob(sql: Sql, projectId: string, jobId: string): Promise<object[]> {
  const connections = await sql.unsafe<{ id: string }[]>(
    `select id from connections where project_id = $1`,
    [projectId],
    { prepare: true },
  );
  return connections.map(({ id }) => ({ shard_id: shardOfJob(id, jobId), connection_id: id }));
}
