import {
  and,
  desc,
  eq,
  getTableColumns,
  gt,
  isNotNull,
  isNull,
  lt,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import type { AttemptErrorCode, DeliveryStatus } from "../../core/delivery/delivery-outcome.ts";
import type { EventType } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Sql } from "../connection/connection.ts";
import type { Database } from "../db/database.ts";
import { placesOfJob } from "../jobs/places-of-job.ts";
import { attempts, deliveries, jobs, subscriptions } from "../schema/schema.ts";
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
import {
  DELIVERY_COLUMNS as COLUMNS,
  type DeliveryRecord,
  type DeliveryRow,
  withDetails,
} from "./delivery-record.ts";

const { projectId } = deliveries;
const { shardId: _, deliveryId: __, ...ATTEMPT_COLUMNS } = getTableColumns(attempts);
const { id, shardId, subscriptionId } = COLUMNS;

/** One HTTP request of a delivery. */
export type AttemptRecord = Readonly<Omit<typeof attempts.$inferSelect, "shardId" | "deliveryId">>;

/** Which deliveries to list; null leaves a filter out. Times in epoch milliseconds. */
interface DeliveryQuery extends PageQuery {
  readonly status: DeliveryStatus | null;
  readonly callbackOrigin: string | null;
  readonly eventType: EventType | null;
  /** From the latest attempt. */
  readonly errorCode: AttemptErrorCode | null;
  /** A UUID. */
  readonly subscriptionId: string | null;
  /** The provider's. */
  readonly jobId: string | null;
  readonly createdAfterMs: number | null;
  readonly createdBeforeMs: number | null;
}

/** No filter. */
export const EVERY_DELIVERY = {
  status: null,
  callbackOrigin: null,
  eventType: null,
  errorCode: null,
  subscriptionId: null,
  jobId: null,
  createdAfterMs: null,
  createdBeforeMs: null,
} as const satisfies Partial<DeliveryQuery>;

type PageParameters = PageWindow &
  Given<{
    createdBeforeMs: number | null;
    status: DeliveryStatus | null;
    callbackOrigin: string | null;
    eventType: EventType | null;
    errorCode: AttemptErrorCode | null;
  }>;
type OfSubscription = PageParameters & Given<{ shardId: number; subscriptionId: string }>;
type OfJobs = PageParameters & Given<{ jobs: string }>;

const ofProject = (orm: Builder, given: PageParameters) =>
  orm
    .select(COLUMNS)
    .from(deliveries)
    .where(isInWindow(deliveries, given))
    .orderBy(desc(id))
    .limit(given.scan);

// By an index that holds no others: a few old ones are found among millions.
const givenUp = (orm: Builder, given: PageParameters) =>
  orm
    .select(COLUMNS)
    .from(deliveries)
    .where(
      and(
        isInWindow(deliveries, given),
        sql`${deliveries.status} in ('exhausted', 'gone')`,
        sql`${deliveries.status} = ${given.status}`,
      ),
    )
    .orderBy(desc(id))
    .limit(given.scan);

// All of the project, in the order of their index.
const pending = (orm: Builder, given: PageParameters) =>
  orm
    .select(COLUMNS)
    .from(deliveries)
    .where(and(eq(projectId, given.projectId), isNotNull(deliveries.nextAttemptAtMs)))
    .orderBy(deliveries.callbackOrigin, deliveries.nextAttemptAtMs, id)
    .limit(given.scan);

const ofSubscription = (orm: Builder, given: OfSubscription) =>
  orm
    .select(COLUMNS)
    .from(deliveries)
    .where(
      and(
        eq(shardId, given.shardId),
        eq(subscriptionId, given.subscriptionId),
        isInWindow(deliveries, given),
      ),
    )
    .orderBy(desc(id))
    .limit(given.scan);

const ofJobs = (orm: Builder, given: OfJobs) =>
  orm
    .select(COLUMNS)
    .from(sql`json_to_recordset(${given.jobs}::text::json) as job ("shardId" smallint, id uuid)`)
    .innerJoin(
      subscriptions,
      and(eq(subscriptions.shardId, sql`job."shardId"`), eq(subscriptions.jobRowId, sql`job.id`)),
    )
    .innerJoin(
      deliveries,
      and(eq(shardId, subscriptions.shardId), eq(subscriptionId, subscriptions.id)),
    )
    .where(isInWindow(deliveries, given))
    .orderBy(desc(id))
    .limit(given.scan);

// Scalar subqueries are looked up row by row, by the primary key; an `exists` may read a whole table.
/** Why the latest attempt at a row of `candidate` failed. */
export const LATEST_ERROR_CODE = sql`(
  select ${attempts.errorCode} from ${attempts}
  where ${attempts.shardId} = candidate.shard_id and ${attempts.deliveryId} = candidate.id
    and ${attempts.number} = candidate.attempt_count
)`;
const JOB_ID = sql`(
  select ${jobs.jobId} from ${subscriptions}
  join ${jobs} on ${jobs.shardId} = ${subscriptions.shardId} and ${jobs.id} = ${subscriptions.jobRowId}
  where ${subscriptions.shardId} = candidate.shard_id
    and ${subscriptions.id} = candidate.subscription_id limit 1
)`;

/** The matching candidates, with the number of candidates and the last of them. */
function matching(
  orm: Builder,
  given: PageParameters,
  candidates: ReturnType<typeof ofProject> | ReturnType<typeof ofJobs>,
  isListed?: SQL,
) {
  const candidate = orm.$with("candidate").as(candidates as ReturnType<typeof ofProject>);
  const matching = orm
    .select()
    .from(candidate)
    .where(
      and(
        gt(candidate.createdAtMs, timeOf(given.createdAfterMs)),
        or(
          isNull(sql`${given.createdBeforeMs}::float8`),
          lt(candidate.createdAtMs, timeOf(given.createdBeforeMs)),
        ),
        isIfGiven(candidate.status, given.status),
        isIfGiven(candidate.callbackOrigin, given.callbackOrigin),
        isIfGiven(candidate.eventType, given.eventType),
        sql`(${given.errorCode}::text is null or ${LATEST_ERROR_CODE} = ${given.errorCode})`,
        isListed,
      ),
    )
    .as("matching");
  return selectMatching(orm, candidate, sql<string | null>`min(${candidate.id}::text)`, matching);
}

const LIST_OF_PROJECT = statement((orm, given: PageParameters) =>
  matching(orm, given, ofProject(orm, given)),
);
const LIST_GIVEN_UP = statement((orm, given: PageParameters) =>
  matching(orm, given, givenUp(orm, given)),
);
const LIST_PENDING = statement((orm, given: PageParameters) =>
  matching(
    orm,
    given,
    pending(orm, given),
    sql`candidate.id < ${given.beforeId}::text::uuid and candidate.id >= ${given.fromId}::text::uuid`,
  ),
);
const LIST_OF_SUBSCRIPTION = statement((orm, given: OfSubscription) =>
  matching(orm, given, ofSubscription(orm, given)),
);
const LIST_OF_SUBSCRIPTION_AND_JOB = statement(
  (orm, given: OfSubscription & Given<{ jobId: string }>) =>
    matching(orm, given, ofSubscription(orm, given), sql`${JOB_ID} = ${given.jobId}`),
);
const LIST_OF_JOBS = statement((orm, given: OfJobs) => matching(orm, given, ofJobs(orm, given)));
/** For a job with too many subscriptions to read the deliveries of all. */
const LIST_OF_BUSY_JOB = statement((orm, given: PageParameters & Given<{ jobId: string }>) =>
  matching(orm, given, ofProject(orm, given), sql`${JOB_ID} = ${given.jobId}`),
);

/** The project's matching deliveries, newest first. */
export async function findDeliveries(
  database: Database,
  query: DeliveryQuery,
): Promise<Page<DeliveryRecord>> {
  const { limit } = query;
  const scan = scanOf(limit, isFiltered(query));
  const parameters = {
    ...query,
    scan,
    ...windowOf(query),
  };
  return database.run("find-deliveries", async (on) => {
    const rows = await listed(on, query, parameters);
    const page = pageOf<DeliveryRow>(rows, { limit, scan });
    return { ...page, rows: await withDetails(on, page.rows) };
  });
}

function isFiltered(query: DeliveryQuery): boolean {
  const { status, callbackOrigin, eventType, errorCode, jobId, createdBeforeMs } = query;
  return [status, callbackOrigin, eventType, errorCode, jobId, createdBeforeMs].some(
    (filter) => filter !== null,
  );
}

type ParameterValues = Parameters<typeof LIST_OF_PROJECT>[1];

/** Goes through the narrowest rows that an index leads to. */
async function listed(
  on: Sql,
  { projectId, subscriptionId, jobId, status }: DeliveryQuery,
  parameters: ParameterValues,
): ReturnType<typeof LIST_OF_PROJECT> {
  if (subscriptionId !== null) {
    const ofOne = { ...parameters, subscriptionId, shardId: shardOfUuid(subscriptionId) };
    return jobId === null
      ? LIST_OF_SUBSCRIPTION(on, ofOne)
      : LIST_OF_SUBSCRIPTION_AND_JOB(on, { ...ofOne, jobId });
  }
  if (jobId === null) {
    if (status === "exhausted" || status === "gone") return LIST_GIVEN_UP(on, parameters);
    if (status === "pending") {
      const found = await LIST_PENDING(on, parameters);
      if ((found[0]?.scannedCount ?? 0) < parameters.scan) return found;
    }
    return LIST_OF_PROJECT(on, parameters);
  }
  const found = await jobsOf(on, projectId, jobId);
  const subscriptionCount = found.reduce((sum, job) => sum + job.subscriptionCount, 0);
  return subscriptionCount > SUBSCRIPTIONS_MAX
    ? LIST_OF_BUSY_JOB(on, { ...parameters, jobId })
    : LIST_OF_JOBS(on, { ...parameters, jobs: JSON.stringify(found) });
}

/** The deliveries of so many subscriptions are read for one page. */
const SUBSCRIPTIONS_MAX = 1_000;

const JOBS_OF_ID = statement((orm, given: Given<{ jobId: string; places: string }>) =>
  orm
    .select({
      shardId: jobs.shardId,
      id: jobs.id,
      subscriptionCount: jobs.subscriptionCount,
    })
    .from(
      sql`json_to_recordset(${given.places}::text::json) as place (shard_id smallint, connection_id uuid)`,
    )
    .innerJoin(
      jobs,
      sql`${jobs.shardId} = place.shard_id and ${jobs.connectionId} = place.connection_id`,
    )
    .where(eq(jobs.jobId, given.jobId)),
);

async function jobsOf(on: Sql, projectId: string, jobId: string) {
  const places = await placesOfJob(on, { projectId, jobId, provider: null, connection: null });
  return JOBS_OF_ID(on, { jobId, places });
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
  return database.run("find-delivery", async (on) => {
    const [delivery] = await withDetails(on, await FIND(on, row));
    if (delivery === undefined) return null;
    // Read second, so that every attempt that the delivery counts is included.
    const latest = await ATTEMPTS(on, row);
    return { delivery, attempts: latest.toReversed() };
  });
}
