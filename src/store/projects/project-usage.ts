import { getTableName, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Database } from "../db/database.ts";
import { events, jobs, subscriptions } from "../schema/schema.ts";
import { joinUnread } from "../inboxes/message-bytes.ts";
import { arrayLiteral, type Given, statement, template, textOf } from "../sql/statement.ts";
import { projectUsage } from "../schema/projects.ts";

/** A project's use of the limits that have too many rows to count at each request. */
export type ProjectUsageRow = Readonly<typeof projectUsage.$inferSelect>;

/** Larger tables are sampled and scaled, so that counting costs the same for any size. */
const ROWS_READ_MAX = 100_000;

const SAMPLE_PERCENTS = template(
  (given: Given<{ rowsReadMax: number; tables: string }>) => sql<{ name: string; percent: number }>`
select relname as name,
  least(100, greatest(0.01, 100.0 * ${given.rowsReadMax}::float8 / greatest(reltuples, 1)))::float8 as percent
from pg_class where relname = any (${given.tables}::text::text[]) and relkind in ('r', 'p')
  and relnamespace = current_schema()::regnamespace
`,
);

/**
 * Runs a statement that counts samples of tables, each of about this many rows.
 * @param statementOf makes the statement from the percentage of each table that is read; 100 reads all
 *   of it
 */
export async function countBySample(
  database: Database,
  counting: {
    readonly name: string;
    readonly tables: readonly PgTable[];
    readonly rowsReadMax: number;
    readonly statementOf: (percentOf: (table: PgTable) => number) => string;
  },
): Promise<void> {
  const { name: call, rowsReadMax, statementOf } = counting;
  const tables = arrayLiteral(counting.tables.map((table) => getTableName(table)));
  const rows = await database.run("size-tables", (sql) =>
    SAMPLE_PERCENTS(sql, { rowsReadMax, tables }),
  );
  // An argument of TABLESAMPLE can't be a parameter of a prepared statement on every version.
  const text = statementOf(
    (table) => rows.find(({ name }) => name === getTableName(table))?.percent ?? 100,
  );
  await database.run(call, (sql) => sql.unsafe(text));
}

/** The usual size of a job with its event, and of a subscription with its delivery and attempts, without their texts. */
const ROW_BYTES = 1024;

/** The texts of a subscription whose length its client chooses. */
interface SubscriptionTexts {
  readonly callbackUrl: string;
  readonly metadata: string;
  /** As they are stored. */
  readonly headers: string | null;
  readonly secret: string | null;
}

/** How much a subscription keeps, as it is counted later; the job that it may have made comes with the count. */
export function subscriptionBytes(texts: SubscriptionTexts): number {
  const { callbackUrl, metadata, headers, secret } = texts;
  return [callbackUrl, metadata, headers, secret].reduce(
    (bytes, text) => bytes + Buffer.byteLength(text ?? ""),
    ROW_BYTES,
  );
}

const countSql = (
  jobsPercent: number,
  subscriptionsPercent: number,
  eventsPercent: number,
  inlineResultBytesMax: number,
): string => `
with counts as (
  select project_id,
    sum(greatest(subscription_count, 1)) filter (where status in ('pending', 'processing'))
      / ${jobsPercent / 100} as live,
    0 as owed,
    sum(${ROW_BYTES} * (1 + greatest(subscription_count, 1)) + octet_length(params))
      / ${jobsPercent / 100} as bytes,
    0 as unread
  from jobs tablesample system (${jobsPercent}) group by project_id
  union all
  select project_id, 0, 0,
    sum(octet_length(callback_url) + octet_length(metadata) + coalesce(octet_length(headers), 0)
      + coalesce(octet_length(secret), 0)) / ${subscriptionsPercent / 100}, 0
  from subscriptions tablesample system (${subscriptionsPercent}) group by project_id
  union all
  -- By an index that holds no others.
  select project_id, 0, count(*), 0, 0 from deliveries
  where next_attempt_at is not null group by project_id
  union all
  select project_id, 0, 0, sum(result_bytes::bigint) / ${eventsPercent / 100}, 0
  from events tablesample system (${eventsPercent})
  where result_bytes > 0 group by project_id
  union all
  select inbox.project_id, 0, 0, 0, sum(unread.bytes)
  from inboxes as inbox ${textOf(joinUnread(sql.raw(String(inlineResultBytesMax))))}
  group by inbox.project_id
)
insert into project_usage (project_id, live_subscriptions, owed_deliveries, stored_bytes, inbox_unread_bytes, counted_at)
select id, coalesce(sum(live), 0), coalesce(sum(owed), 0), coalesce(sum(bytes), 0),
  coalesce(sum(unread), 0), now()
from projects left join counts on counts.project_id = projects.id
group by id
on conflict (project_id) do update set
  live_subscriptions = excluded.live_subscriptions, owed_deliveries = excluded.owed_deliveries,
  stored_bytes = excluded.stored_bytes, inbox_unread_bytes = excluded.inbox_unread_bytes,
  counted_at = excluded.counted_at
`;

/**
 * Counts what every project uses, for all nodes: exactly where tables are small, otherwise from a
 * sample.
 */
export function countProjectUsage(
  database: Database,
  inlineResultBytesMax: number,
  rowsReadMax = ROWS_READ_MAX,
): Promise<void> {
  return countBySample(database, {
    name: "count-project-usage",
    tables: [jobs, subscriptions, events],
    rowsReadMax,
    statementOf: (percentOf) =>
      countSql(percentOf(jobs), percentOf(subscriptions), percentOf(events), inlineResultBytesMax),
  });
}

const READ = statement((orm) => orm.select().from(projectUsage));

/** The latest counts of what every project uses. */
export function readProjectUsage(database: Database): Promise<ProjectUsageRow[]> {
  return database.run("read-project-usage", (sql) => READ(sql, {}));
}
