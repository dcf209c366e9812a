import type { EventType } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { firstIdAt, lastIdAt } from "../sql/id-range.ts";
import { HIGHEST_ID, LOWEST_ID, type Page, pageOf, scanOf, type ScannedRow } from "../sql/page.ts";
import { timeFrom } from "../sql/time.ts";
import { subscriptionsInOrder } from "../sql/subscription-page.ts";
import { EVENT_COLUMNS, type EventRecord } from "./find-events.ts";

export interface EventQuery {
  readonly projectId: string;
  /** Only below this id; null for the first page. */
  readonly beforeId: string | null;
  readonly limit: number;
  readonly type: EventType | null;
  /** The UUID of a job, or null for those of all jobs. */
  readonly jobRowId: string | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
  /** Epoch milliseconds. */
  readonly createdBeforeMs: number | null;
}

const OF_PROJECT = `
select event.* from events as event
where project_id = $1 and ($2::uuid is null or id < $2) and ($3::uuid is null or id >= $3)
order by id desc limit $4
`;

/** Later subscriptions of a job hear the same events. */
const SUBSCRIPTIONS_MAX = 1_000;

/*
 * A job names its ending and its `job.processing`, and what was recorded besides was owed to
 * somebody. So its events are found without an index by job, which every event would pay for.
 */
const OF_JOB = `
with known as (
  select unnest(array[last_event_id, processing_event_id]) as id from jobs
  where shard_id = $8 and id = $9
  union
  select delivery.event_id
  from (
    ${subscriptionsInOrder({
      columns: "candidate.shard_id, candidate.id",
      shardId: "$8",
      jobRowId: "$9",
      afterId: `'${LOWEST_ID}'`,
      upToId: `'${HIGHEST_ID}'`,
    })} limit ${SUBSCRIPTIONS_MAX}
  ) as subscription
  join deliveries as delivery
    on delivery.shard_id = subscription.shard_id and delivery.subscription_id = subscription.id
)
select event.* from known
join events as event on event.shard_id = $8 and event.id = known.id
where event.project_id = $1 and ($2::uuid is null or event.id < $2)
  and ($3::uuid is null or event.id >= $3)
order by event.id desc limit $4
`;

const list = (candidates: string): string => `
with candidate as materialized (${candidates}),
matching as (
  select ${EVENT_COLUMNS}, null as result
  from candidate as event
  where ($5::float8 is null or occurred_at > ${timeFrom("$5")})
    and ($6::float8 is null or occurred_at < ${timeFrom("$6")})
    and ($7::text is null or type = $7)
)
select scanned.count as scanned_count, scanned.last_id as scanned_last_id, matching.*
from (select count(*)::int as count, min(id::text) as last_id from candidate) as scanned
left join matching on true
order by matching.id desc
`;

const LIST_OF_PROJECT = list(OF_PROJECT);
const LIST_OF_JOB = list(OF_JOB);

type ListedRow = ScannedRow & (EventRecord | { readonly id: null });

/** The project's events that match, newest first, without their results. */
export async function findEvents(
  database: Database,
  query: EventQuery,
): Promise<Page<EventRecord>> {
  const { limit, jobRowId, createdAfterMs, createdBeforeMs } = query;
  const scan = scanOf(limit, query.type !== null || createdBeforeMs !== null);
  const parameters = [
    query.projectId,
    earlier(query.beforeId, createdBeforeMs === null ? null : lastIdAt(createdBeforeMs)),
    createdAfterMs === null ? null : firstIdAt(createdAfterMs),
    scan,
    createdAfterMs,
    createdBeforeMs,
    query.type,
  ];
  const rows = await database.run("find-events", (sql) =>
    jobRowId === null
      ? sql.unsafe<ListedRow[]>(LIST_OF_PROJECT, parameters, { prepare: true })
      : sql.unsafe<ListedRow[]>(LIST_OF_JOB, [...parameters, shardOfUuid(jobRowId), jobRowId], {
          prepare: true,
        }),
  );
  return pageOf<EventRecord>(rows, { limit, scan });
}

function earlier(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
