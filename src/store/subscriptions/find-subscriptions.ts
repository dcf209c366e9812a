import { and, desc, eq, getTableColumns, gt, gte, lt, sql } from "drizzle-orm";
import { shardOfJob } from "../../core/ids/shard.ts";
import type { Database } from "../db/database.ts";
import { connections, jobs, subscriptions } from "../schema/schema.ts";
import { BEFORE_ALL_MS, firstIdAt } from "../sql/id-range.ts";
import { beforeOrFirst, type Page, pageOf, scanOf } from "../sql/page.ts";
import { type Builder, type Given, isIfGiven, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import {
  delivery,
  IS_ITS_DELIVERY,
  IS_ITS_JOB,
  job,
  subscription,
  SUBSCRIPTION_COLUMNS,
  SUBSCRIPTION_STATUS,
  subscriptionRecord,
} from "./subscription-record.ts";
import type {
  SubscriptionRecord,
  SubscriptionRow,
  SubscriptionStatus,
} from "./subscription-record.ts";

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

type PageParameters = Given<{
  projectId: string;
  beforeId: string;
  fromId: string;
  createdAfterMs: number;
  status: SubscriptionStatus | null;
  provider: string | null;
  connection: string | null;
  scan: number;
}>;

const COLUMNS = getTableColumns(subscriptions);

const isInRange = (given: PageParameters) =>
  and(
    eq(COLUMNS.projectId, given.projectId),
    lt(COLUMNS.id, given.beforeId),
    gte(COLUMNS.id, given.fromId),
  );

const recent = (orm: Builder, given: PageParameters) =>
  orm
    .select(COLUMNS)
    .from(subscriptions)
    .where(isInRange(given))
    .orderBy(desc(COLUMNS.id))
    .limit(given.scan);

// The same job id may be watched through several connections, each with a shard of its own.
const ofJob = (orm: Builder, given: PageParameters & Given<{ jobId: string; places: string }>) =>
  orm
    .select(COLUMNS)
    .from(subscriptions)
    .innerJoin(jobs, and(eq(jobs.shardId, COLUMNS.shardId), eq(jobs.id, COLUMNS.jobRowId)))
    .where(
      and(
        isInRange(given),
        eq(jobs.jobId, given.jobId),
        sql`(${jobs.shardId}, ${jobs.connectionId}) in (
          select shard_id, connection_id from json_to_recordset(${given.places}::text::json) as place (
            shard_id smallint, connection_id uuid
          )
        )`,
      ),
    )
    .orderBy(desc(COLUMNS.id))
    .limit(given.scan);

/** The matching candidates, with the number of candidates and the last of them. */
function matching(orm: Builder, given: PageParameters, candidates: ReturnType<typeof recent>) {
  // Named so that the columns of a subscription refer to it.
  const candidate = orm.$with("subscription").as(candidates);
  const { name } = connections;
  const scanned = orm
    .select({
      count: sql<number>`count(*)::int`.as("scanned_count"),
      lastId: sql<string | null>`min(${candidate.id}::text)`.as("scanned_last_id"),
    })
    .from(candidate)
    .as("scanned");
  const matching = orm
    .select(SUBSCRIPTION_COLUMNS)
    .from(candidate)
    .innerJoin(job, IS_ITS_JOB)
    .leftJoin(delivery, IS_ITS_DELIVERY)
    .leftJoin(connections, eq(connections.id, job.connectionId))
    .where(
      and(
        gt(subscription.createdAtMs, timeOf(given.createdAfterMs)),
        sql`(${given.status}::text is null or ${SUBSCRIPTION_STATUS} = ${given.status})`,
        isIfGiven(job.provider, given.provider),
        isIfGiven(name, given.connection),
      ),
    )
    .as("matching");
  return orm
    .with(candidate)
    .select({
      scannedCount: scanned.count,
      scannedLastId: scanned.lastId,
      ...matching._.selectedFields,
    })
    .from(scanned)
    .leftJoin(matching, sql`true`)
    .orderBy(desc(matching.id));
}

const LIST_RECENT = statement((orm, given: PageParameters) =>
  matching(orm, given, recent(orm, given)),
);

const LIST_OF_JOB = statement(
  (orm, given: PageParameters & Given<{ jobId: string; places: string }>) =>
    matching(orm, given, ofJob(orm, given)),
);

/** The project's matching subscriptions, newest first. */
export async function findSubscriptions(
  database: Database,
  query: SubscriptionQuery,
): Promise<Page<SubscriptionRecord>> {
  const isFiltered = query.status !== null || query.provider !== null || query.connection !== null;
  const scan = scanOf(query.limit, isFiltered);
  const parameters = {
    ...query,
    scan,
    beforeId: beforeOrFirst(query.beforeId),
    fromId: firstIdAt(query.createdAfterMs ?? 0),
    createdAfterMs: query.createdAfterMs ?? BEFORE_ALL_MS,
  };
  const { jobId } = query;
  const rows = await database.run("find-subscriptions", async (sql) => {
    if (jobId === null) return LIST_RECENT(sql, parameters);
    const connections = await CONNECTIONS(sql, query);
    const places = connections.map(({ id }) => ({
      shard_id: shardOfJob(id, jobId),
      connection_id: id,
    }));
    return LIST_OF_JOB(sql, { ...parameters, jobId, places: JSON.stringify(places) });
  });
  const page = pageOf<SubscriptionRow>(rows, { limit: query.limit, scan });
  return { ...page, rows: page.rows.map(subscriptionRecord) };
}

const CONNECTIONS = statement((orm, given: Given<{ projectId: string }>) =>
  orm
    .select({ id: connections.id })
    .from(connections)
    .where(eq(connections.projectId, given.projectId)),
);
