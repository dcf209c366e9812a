import { shardOfUuid } from "../../core/ids/ids.ts";
import { shardOfJob } from "../../core/ids/shard.ts";
import type { PollOutcome } from "../../core/waiting/poll-outcome.ts";
import type { Sql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import type { JobStatus } from "../schema/schema.ts";
import { epochMs, timeFrom } from "../sql/time.ts";
import { firstIdAt } from "../sql/id-range.ts";
import { type Page, pageOf, scanOf, type ScannedRow } from "../sql/page.ts";

/** One job as a person looks at it. Ids are UUIDs, times epoch milliseconds. */
export interface JobRecord {
  readonly id: string;
  readonly shardId: number;
  readonly projectId: string;
  readonly connectionId: string;
  readonly connection: string | null;
  readonly provider: string;
  readonly jobId: string;
  /** Raw JSON object of strings. */
  readonly params: string;
  readonly status: JobStatus;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number;
  readonly endedAtMs: number | null;
  /** Closed ones included. */
  readonly subscriptionCount: number;
  /** The newest event; the ending of a finished job. */
  readonly lastEventId: string | null;
  // Checkpointed while the job is live.
  readonly pollCount: number;
  readonly lastPolledAtMs: number | null;
  readonly lastOutcome: PollOutcome | null;
  readonly lastError: string | null;
  /** Raw JSON text, or null. */
  readonly progress: string | null;
}

const COLUMNS = `
  job.id, job.shard_id as "shardId", job.project_id as "projectId",
  job.connection_id as "connectionId", connection.name as connection, job.provider,
  job.job_id as "jobId", job.params, job.status,
  ${epochMs("job.accepted_at")} as "acceptedAtMs",
  ${epochMs("job.deadline_at")} as "deadlineAtMs",
  ${epochMs("job.ended_at")} as "endedAtMs",
  job.subscription_count as "subscriptionCount", job.last_event_id as "lastEventId",
  job.poll_count as "pollCount",
  ${epochMs("job.last_polled_at")} as "lastPolledAtMs",
  job.last_outcome as "lastOutcome", job.last_error as "lastError", job.progress`;

const FIND = `
select ${COLUMNS}
from jobs as job left join connections as connection on connection.id = job.connection_id
where job.shard_id = $1 and job.id = $2 and job.project_id = $3
`;

/** The project's job of this id, or null. */
export async function findProjectJob(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<JobRecord | null> {
  const [row] = await database.run("find-project-job", (sql) =>
    sql.unsafe<JobRecord[]>(FIND, [shardOfUuid(key.id), key.id, key.projectId], { prepare: true }),
  );
  return row ?? null;
}

export interface JobQuery {
  readonly projectId: string;
  /** Only behind this position; null for the first page. */
  readonly beforeId: string | null;
  readonly limit: number;
  readonly status: JobStatus | null;
  readonly jobId: string | null;
  readonly provider: string | null;
  /** A connection's name. */
  readonly connection: string | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
}

/*
 * A job is listed in the place of its first subscription, which was accepted with it. So the list
 * goes along the index of subscriptions, and accepting and ending pay for no index of jobs.
 */
const RECENT = `
select id as position, shard_id, job_row_id from subscriptions
where project_id = $1 and ($2::uuid is null or id < $2) and ($3::uuid is null or id >= $3)
order by id desc limit $4
`;

// A subquery that can't become a join, and both columns: as in subscription-page.ts.
const IS_FIRST = `
candidate.position = (
  select first.id from subscriptions as first
  where first.shard_id = candidate.shard_id and first.job_row_id = candidate.job_row_id
  order by first.job_row_id, first.id limit 1
)`;

// The same job id may be watched through several connections, each with a shard of its own.
const OF_JOB_ID = `
select jobs.id as position, jobs.shard_id, jobs.id as job_row_id
from json_to_recordset($10::text::json) as place (shard_id smallint, connection_id uuid)
join jobs on jobs.shard_id = place.shard_id and jobs.connection_id = place.connection_id
where jobs.project_id = $1 and jobs.job_id = $9
  and ($2::uuid is null or jobs.id < $2) and ($3::uuid is null or jobs.id >= $3)
order by jobs.id desc limit $4
`;

const list = (candidates: string, isListed: string): string => `
with candidate as materialized (${candidates}),
matching as (
  select candidate.position, ${COLUMNS}
  from candidate
  -- With a limit each is looked up; thousands of candidates would be joined with all jobs there are.
  cross join lateral (
    select * from jobs where jobs.shard_id = candidate.shard_id and jobs.id = candidate.job_row_id
    limit 1
  ) as job
  left join connections as connection on connection.id = job.connection_id
  where ($5::float8 is null or job.accepted_at > ${timeFrom("$5")})
    and ($6::text is null or job.status = $6)
    and ($7::text is null or job.provider = $7)
    and ($8::text is null or connection.name = $8)
    and ${isListed}
)
select scanned.count as scanned_count, scanned.last_id as scanned_last_id, matching.*
from (select count(*)::int as count, min(position::text) as last_id from candidate) as scanned
left join matching on true
order by matching.position desc
`;

const LIST_RECENT = list(RECENT, IS_FIRST);
const LIST_OF_JOB_ID = list(OF_JOB_ID, "true");

type ListedRow = ScannedRow & ((JobRecord & { readonly position: string }) | NoJob);

interface NoJob {
  readonly id: null;
}

/** So many subscriptions a job are looked through for a page without filters. */
const SUBSCRIPTIONS_PER_JOB = 4;

/** The project's jobs that match, newest first. */
export async function findJobs(database: Database, query: JobQuery): Promise<Page<JobRecord>> {
  const { limit, jobId } = query;
  const isFiltered = query.status !== null || query.provider !== null || query.connection !== null;
  const scan = scanOf(limit * SUBSCRIPTIONS_PER_JOB, isFiltered);
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
  const rows = await database.run("find-jobs", async (sql) => {
    if (jobId === null) {
      return sql.unsafe<ListedRow[]>(LIST_RECENT, parameters, { prepare: true });
    }
    const places = await placesOfJob(sql, { ...query, jobId });
    const ofJob = [...parameters, jobId, JSON.stringify(places)];
    return sql.unsafe<ListedRow[]>(LIST_OF_JOB_ID, ofJob, { prepare: true });
  });
  const page = pageOf<PlacedJob>(rows.map(placed), { limit, scan });
  return { ...page, rows: page.rows.map(({ job }) => job) };
}

/** A page is cut by position, which is the id of another row. */
interface PlacedJob {
  readonly id: string;
  readonly job: JobRecord;
}

function placed(row: ListedRow): ScannedRow & (PlacedJob | NoJob) {
  const { scanned_count, scanned_last_id } = row;
  return row.id === null
    ? { scanned_count, scanned_last_id, id: null }
    : { scanned_count, scanned_last_id, id: row.position, job: row };
}

const PLACES = `
select id from connections
where project_id = $1 and ($2::text is null or provider = $2) and ($3::text is null or name = $3)
`;

/** Where a job of this id would be: a shard for each connection, deleted ones included. */
async function placesOfJob(
  sql: Sql,
  of: Pick<JobQuery, "projectId" | "provider" | "connection"> & { readonly jobId: string },
): Promise<object[]> {
  const connections = await sql.unsafe<{ id: string }[]>(
    PLACES,
    [of.projectId, of.provider, of.connection],
    { prepare: true },
  );
  return connections.map(({ id }) => ({
    shard_id: shardOfJob(id, of.jobId),
    connection_id: id,
  }));
}
