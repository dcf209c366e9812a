import { and, desc, eq, getTableColumns, gt, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { connections, jobs, type JobStatus, subscriptions } from "../schema/schema.ts";
import {
  isInWindow,
  type Page,
  pageOf,
  type PageWindow,
  selectMatching,
  scanOf,
  windowOf,
  type PageQuery,
} from "../sql/page.ts";
import { type Builder, type Given, isIfGiven, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import { placesOfJob } from "./places-of-job.ts";

/** One job for display. */
export interface JobRecord extends Readonly<
  Omit<
    typeof jobs.$inferSelect,
    "providerVersionId" | "paramsDigest" | "wantedEvents" | "processingEventId" | "seen"
  >
> {
  /** Its connection's name. */
  readonly connection: string | null;
}

const job = alias(jobs, "job");
const {
  providerVersionId: _,
  paramsDigest: __,
  wantedEvents: ___,
  processingEventId: ____,
  seen: _____,
  ...SHOWN
} = getTableColumns(job);
const COLUMNS = { ...SHOWN, connection: connections.name };

const FIND = statement((orm, given: Given<{ shardId: number; id: string; projectId: string }>) =>
  orm
    .select(COLUMNS)
    .from(job)
    .leftJoin(connections, eq(connections.id, job.connectionId))
    .where(
      and(eq(job.shardId, given.shardId), eq(job.id, given.id), eq(job.projectId, given.projectId)),
    ),
);

/** The project's job of this id, or null. */
export async function findProjectJob(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<JobRecord | null> {
  const [row] = await database.run("find-project-job", (sql) =>
    FIND(sql, { ...key, shardId: shardOfUuid(key.id) }),
  );
  return row ?? null;
}

interface JobQuery extends PageQuery {
  readonly status: JobStatus | null;
  readonly jobId: string | null;
  readonly provider: string | null;
  /** A connection's name. */
  readonly connection: string | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
  /** Only those that have not ended. */
  readonly isLive: boolean;
  /** Only live ones that have used nine tenths of their time at this moment; null for all. */
  readonly nearDeadlineAtMs: number | null;
}

/*
 * A job is listed at the position of its first subscription, which was accepted with it. So the
 * list follows the index of subscriptions, and accepting and ending pay for no index of jobs.
 */
type PageParameters = PageWindow &
  Given<{
    status: JobStatus | null;
    provider: string | null;
    connection: string | null;
    isLive: boolean;
    nearDeadlineAtMs: number | null;
  }>;

type ByJobId = PageParameters & Given<{ jobId: string; places: string }>;

const recent = (orm: Builder, given: PageParameters) =>
  orm
    .select({
      position: sql<string>`${subscriptions.id}`.as("position"),
      shardId: subscriptions.shardId,
      jobRowId: sql<string>`${subscriptions.jobRowId}`.as("job_row_id"),
    })
    .from(subscriptions)
    .where(isInWindow(subscriptions, given))
    .orderBy(desc(subscriptions.id))
    .limit(given.scan);

// A subquery that can't become a join, over both columns, as in subscription-page.ts.
const first = alias(subscriptions, "first");
const IS_FIRST = sql`candidate.position = (
  select ${first.id} from ${subscriptions} as ${first}
  where ${first.shardId} = candidate.shard_id and ${first.jobRowId} = candidate.job_row_id
  order by ${first.jobRowId}, ${first.id} limit 1
)`;

const BY_ITS_ID = {
  position: sql<string>`${jobs.id}`.as("position"),
  shardId: jobs.shardId,
  jobRowId: sql<string>`${jobs.id}`.as("job_row_id"),
};

// The same job id may be watched through several connections, each with a shard of its own.
const ofJobId = (orm: Builder, given: ByJobId) =>
  orm
    .select(BY_ITS_ID)
    .from(
      sql`json_to_recordset(${given.places}::text::json) as place (shard_id smallint, connection_id uuid)`,
    )
    .innerJoin(
      jobs,
      sql`${jobs.shardId} = place.shard_id and ${jobs.connectionId} = place.connection_id`,
    )
    .where(and(isInWindow(jobs, given), eq(jobs.jobId, given.jobId)))
    .orderBy(desc(jobs.id))
    .limit(given.scan);

/** Endings that have an index of their own: without it, a few old failures would not be found. */
const NOT_COMPLETED: ReadonlySet<JobStatus> = new Set<JobStatus>([
  "failed",
  "canceled",
  "expired",
  "timed_out",
]);

const notCompleted = (orm: Builder, given: PageParameters) =>
  orm
    .select(BY_ITS_ID)
    .from(jobs)
    .where(
      and(
        isInWindow(jobs, given),
        sql`${jobs.status} in ('failed', 'canceled', 'expired', 'timed_out')`,
        sql`${jobs.status} = ${given.status}`,
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(given.scan);

// The live jobs of all projects, in the order of their index.
const live = (orm: Builder, given: PageParameters) =>
  orm
    .select(BY_ITS_ID)
    .from(jobs)
    .where(sql`${jobs.status} in ('pending', 'processing')`)
    .orderBy(jobs.shardId, jobs.id)
    .limit(given.scan);

/** The matching candidates, with the number of candidates and the last of them. */
function matching(
  orm: Builder,
  given: PageParameters,
  candidates: ReturnType<typeof recent> | ReturnType<typeof ofJobId> | ReturnType<typeof live>,
  isListed: SQL | undefined,
) {
  const candidate = orm.$with("candidate").as(candidates as ReturnType<typeof recent>);
  // With a limit, each is looked up; otherwise thousands of candidates would be joined with all
  // jobs.
  const lookedUp = orm
    .select()
    .from(jobs)
    .where(sql`${jobs.shardId} = candidate.shard_id and ${jobs.id} = candidate.job_row_id`)
    .limit(1)
    .as("job");
  const matching = orm
    .select({ ...COLUMNS, id: candidate.position, jobRowId: job.id })
    .from(candidate)
    .crossJoinLateral(lookedUp)
    .leftJoin(connections, eq(connections.id, job.connectionId))
    .where(
      and(
        gt(job.acceptedAtMs, timeOf(given.createdAfterMs)),
        isIfGiven(job.status, given.status),
        isIfGiven(job.provider, given.provider),
        isIfGiven(connections.name, given.connection),
        sql`(not ${given.isLive}::boolean or ${job.status} in ('pending', 'processing'))`,
        sql`(${given.nearDeadlineAtMs}::float8 is null
          or ${isNearDeadline(sql`job`, timeOf(given.nearDeadlineAtMs))})`,
        isListed,
      ),
    )
    .as("matching");
  return selectMatching(
    orm,
    candidate,
    sql<string | null>`min(${candidate.position}::text)`,
    matching,
  );
}

const LIST_RECENT = statement((orm, given: PageParameters) =>
  matching(orm, given, recent(orm, given), IS_FIRST),
);

const LIST_OF_JOB_ID = statement((orm, given: ByJobId) =>
  matching(orm, given, ofJobId(orm, given), undefined),
);

const LIST_NOT_COMPLETED = statement((orm, given: PageParameters) =>
  matching(orm, given, notCompleted(orm, given), undefined),
);

const LIST_LIVE = statement((orm, given: PageParameters) =>
  matching(
    orm,
    given,
    live(orm, given),
    and(
      eq(job.projectId, given.projectId),
      sql`candidate.position < ${given.beforeId}::text::uuid and candidate.position >= ${given.fromId}::text::uuid`,
    ),
  ),
);

/** Subscriptions of one job that are scanned for a page without filters. */
const SUBSCRIPTIONS_PER_JOB = 4;

/** The project's matching jobs, newest first. */
export async function findJobs(database: Database, query: JobQuery): Promise<Page<JobRecord>> {
  const { limit, jobId } = query;
  const isFiltered =
    query.status !== null ||
    query.provider !== null ||
    query.connection !== null ||
    query.isLive ||
    query.nearDeadlineAtMs !== null;
  const scan = scanOf(limit * SUBSCRIPTIONS_PER_JOB, isFiltered);
  const parameters = {
    ...query,
    scan,
    ...windowOf(query),
  };
  const rows = await database.run("find-jobs", async (sql) => {
    if (jobId !== null) {
      const places = await placesOfJob(sql, { ...query, jobId });
      return LIST_OF_JOB_ID(sql, { ...parameters, jobId, places });
    }
    if (query.status !== null && NOT_COMPLETED.has(query.status)) {
      return LIST_NOT_COMPLETED(sql, parameters);
    }
    if (isOfLive(query)) {
      const found = await LIST_LIVE(sql, parameters);
      if ((found[0]?.scannedCount ?? 0) < scan) return found;
    }
    return LIST_RECENT(sql, parameters);
  });
  // Pages are cut by position, which is the id of another row.
  const page = pageOf<PlacedJob>(rows, { limit, scan });
  return { ...page, rows: page.rows.map(jobOf) };
}

/** Whether only live jobs can match. While they are few, all are looked at, however old they are. */
function isOfLive({ status, isLive, nearDeadlineAtMs }: JobQuery): boolean {
  return isLive || status === "pending" || status === "processing" || nearDeadlineAtMs !== null;
}

/** A job with the id of its position in the list, and its own id beside it. */
interface PlacedJob extends JobRecord {
  readonly jobRowId: string;
}

function jobOf(placed: PlacedJob): JobRecord {
  const { jobRowId: id, ...job } = placed;
  return { ...job, id };
}

/** True of a live job that has used nine tenths of the time until its deadline. */
export function isNearDeadline(job: SQL, now: SQL): SQL {
  return sql`(${job}.ended_at is null and ${job}.status <> 'unwatched'
    and ${now} > ${job}.deadline_at - (${job}.deadline_at - ${job}.accepted_at) / 10)`;
}
