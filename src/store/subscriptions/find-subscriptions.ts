import { and, desc, eq, getTableColumns, gt, isNotNull, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";
import { placesOfJob } from "../jobs/places-of-job.ts";
import { connections, deliveries, jobs, subscriptions } from "../schema/schema.ts";
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
import { arrayLiteral, type Builder, type Given, isIfGiven, statement } from "../sql/statement.ts";
import { timeOf } from "../sql/time.ts";
import {
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

interface SubscriptionQuery extends PageQuery {
  /** Any of these; empty for all. */
  readonly statuses: readonly SubscriptionStatus[];
  readonly jobId: string | null;
  readonly provider: string | null;
  /** A connection's name. */
  readonly connection: string | null;
  readonly callbackOrigin: string | null;
  /** A field of the client's metadata, and its value as text. */
  readonly metadata: { readonly key: string; readonly value: string } | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
}

type PageParameters = PageWindow &
  Given<{
    /** An array literal. */
    statuses: string | null;
    provider: string | null;
    connection: string | null;
    callbackOrigin: string | null;
    metadataKey: string | null;
    metadataValue: string | null;
  }>;

const COLUMNS = getTableColumns(subscriptions);

const recent = (orm: Builder, given: PageParameters) =>
  orm
    .select(COLUMNS)
    .from(subscriptions)
    .where(isInWindow(COLUMNS, given))
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
        isInWindow(COLUMNS, given),
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

// Through the deliveries that were given up, which have an index of their own. One that was given up
// twice is there twice, once for each event.
const exhausted = (orm: Builder, given: PageParameters) => {
  const givenUp = orm
    .select({
      shardId: deliveries.shardId,
      subscriptionId: deliveries.subscriptionId,
      eventId: deliveries.eventId,
    })
    .from(deliveries)
    .where(
      and(
        eq(deliveries.projectId, given.projectId),
        sql`${deliveries.status} in ('exhausted', 'gone')`,
        eq(deliveries.status, sql`'exhausted'`),
      ),
    )
    .orderBy(desc(deliveries.id))
    .limit(given.scan)
    .as("given_up");
  return orm
    .select({ ...COLUMNS, givenUpEventId: sql<string>`${givenUp.eventId}`.as("given_up_event_id") })
    .from(givenUp)
    .innerJoin(
      subscriptions,
      and(eq(COLUMNS.shardId, givenUp.shardId), eq(COLUMNS.id, givenUp.subscriptionId)),
    );
};

/**
 * Postgres reads every escape of a JSON text to get at one field, and fails at those that stand for no
 * character: a client may have sent them, and no value can be compared with them.
 */
const UNREADABLE_ESCAPE = String.raw`(?<!\\)(\\\\)*\\u(0000|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F])`;
export const hasMetadata = ({
  metadataKey,
  metadataValue,
}: Given<{ metadataKey: string | null; metadataValue: string | null }>) => sql`
  case when ${subscription.metadata} ~ '${sql.raw(UNREADABLE_ESCAPE)}' then false
  else ${subscription.metadata}::json ->> ${metadataKey} = ${metadataValue} end`;

/** The matching candidates, with the number of candidates and the last of them. */
function matching(
  orm: Builder,
  given: PageParameters,
  candidates: ReturnType<typeof recent> | ReturnType<typeof exhausted>,
  isListed?: SQL,
) {
  // Named so that the columns of a subscription refer to it.
  const candidate = orm.$with("subscription").as(candidates as ReturnType<typeof recent>);
  const { name } = connections;
  // With a limit, each is looked up; thousands of candidates would be joined with all rows there are.
  const itsJob = orm
    .select()
    .from(jobs)
    .where(and(eq(jobs.shardId, subscription.shardId), eq(jobs.id, subscription.jobRowId)))
    .limit(1)
    .as("job");
  const itsDelivery = orm
    .select()
    .from(deliveries)
    .where(
      and(
        eq(deliveries.shardId, job.shardId),
        eq(deliveries.subscriptionId, subscription.id),
        isNotNull(job.endedAtMs),
        eq(deliveries.eventId, job.lastEventId),
      ),
    )
    .limit(1)
    .as("delivery");
  const matching = orm
    .select(SUBSCRIPTION_COLUMNS)
    .from(candidate)
    .crossJoinLateral(itsJob)
    .leftJoinLateral(itsDelivery, sql`true`)
    .leftJoin(connections, eq(connections.id, job.connectionId))
    .where(
      and(
        gt(subscription.createdAtMs, timeOf(given.createdAfterMs)),
        sql`(${given.statuses}::text is null or ${SUBSCRIPTION_STATUS} = any (${given.statuses}::text::text[]))`,
        isIfGiven(job.provider, given.provider),
        isIfGiven(name, given.connection),
        isIfGiven(subscription.callbackOrigin, given.callbackOrigin),
        sql`(${given.metadataKey}::text is null or ${hasMetadata(given)})`,
        isListed,
      ),
    )
    .as("matching");
  return selectMatching(orm, candidate, sql<string | null>`min(${candidate.id}::text)`, matching);
}

const LIST_RECENT = statement((orm, given: PageParameters) =>
  matching(orm, given, recent(orm, given)),
);

const LIST_EXHAUSTED = statement((orm, given: PageParameters) =>
  matching(
    orm,
    given,
    exhausted(orm, given),
    sql`${subscription}.given_up_event_id = ${job.lastEventId}
      and ${subscription.id} < ${given.beforeId}::text::uuid
      and ${subscription.id} >= ${given.fromId}::text::uuid`,
  ),
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
  const { statuses, provider, connection, callbackOrigin, metadata } = query;
  const others = [provider, connection, callbackOrigin, metadata];
  const isFiltered = statuses.length > 0 || others.some((filter) => filter !== null);
  const scan = scanOf(query.limit, isFiltered);
  const parameters = {
    ...query,
    scan,
    statuses: statuses.length === 0 ? null : arrayLiteral(statuses),
    metadataKey: metadata?.key ?? null,
    metadataValue: metadata?.value ?? null,
    ...windowOf(query),
  };
  const { jobId } = query;
  const rows = await database.run("find-subscriptions", async (sql) => {
    if (jobId === null) {
      if (statuses.length === 1 && statuses[0] === "exhausted") {
        const found = await LIST_EXHAUSTED(sql, parameters);
        if ((found[0]?.scannedCount ?? 0) < scan) return found;
      }
      return LIST_RECENT(sql, parameters);
    }
    const places = await placesOfJob(sql, { ...query, jobId });
    return LIST_OF_JOB(sql, { ...parameters, jobId, places });
  });
  const page = pageOf<SubscriptionRow>(rows, { limit: query.limit, scan });
  return { ...page, rows: page.rows.map(subscriptionRecord) };
}
