import type { DeliveryStatus } from "../../core/delivery/delivery-outcome.ts";
import type { EventType } from "../../core/delivery/event.ts";
import { shardOfUuid } from "../../core/ids/ids.ts";
import type { Database } from "../db/database.ts";
import { epochMs, timeFrom } from "../sql/time.ts";
import { firstIdAt } from "../sql/id-range.ts";
import { pageOf, scanOf } from "../sql/page.ts";
import type { Page, ScannedRow } from "../sql/page.ts";

/** One delivery as a person looks at it. Ids are UUIDs, times epoch milliseconds. */
export interface DeliveryRecord {
  readonly id: string;
  readonly shardId: number;
  readonly subscriptionId: string;
  readonly eventId: string;
  readonly eventType: EventType;
  readonly callbackOrigin: string;
  readonly status: DeliveryStatus;
  readonly attemptCount: number;
  readonly nextAttemptAtMs: number | null;
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
}

/** One HTTP request of a delivery. */
export interface AttemptRecord {
  readonly number: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly httpStatus: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly responseExcerpt: string | null;
}

export interface DeliveryQuery {
  readonly projectId: string;
  /** Only below this id; null for the first page. */
  readonly beforeId: string | null;
  readonly limit: number;
  readonly status: DeliveryStatus | null;
  readonly callbackOrigin: string | null;
  /** Epoch milliseconds. */
  readonly createdAfterMs: number | null;
}

export const DELIVERY_COLUMNS = `
  id, shard_id as "shardId", subscription_id as "subscriptionId", event_id as "eventId",
  event_type as "eventType", callback_origin as "callbackOrigin", status,
  attempt_count as "attemptCount",
  ${epochMs("next_attempt_at")} as "nextAttemptAtMs",
  ${epochMs("created_at")} as "createdAtMs",
  ${epochMs("finished_at")} as "finishedAtMs"`;

const LIST = `
with candidate as materialized (
  select * from deliveries
  where project_id = $1 and ($2::uuid is null or id < $2) and ($3::uuid is null or id >= $3)
  order by id desc limit $4
),
matching as (
  select ${DELIVERY_COLUMNS} from candidate
  where ($5::float8 is null or created_at > ${timeFrom("$5")})
    and ($6::text is null or status = $6)
    and ($7::text is null or callback_origin = $7)
)
select scanned.count as scanned_count, scanned.last_id as scanned_last_id, matching.*
from (select count(*)::int as count, min(id::text) as last_id from candidate) as scanned
left join matching on true
order by matching.id desc
`;

/** The project's deliveries that match, newest first. */
export async function findDeliveries(
  database: Database,
  query: DeliveryQuery,
): Promise<Page<DeliveryRecord>> {
  const { createdAfterMs, limit } = query;
  const scan = scanOf(limit, query.status !== null || query.callbackOrigin !== null);
  const rows = await database.run("find-deliveries", (sql) =>
    sql.unsafe<(ScannedRow & (DeliveryRecord | { readonly id: null }))[]>(
      LIST,
      [
        query.projectId,
        query.beforeId,
        createdAfterMs === null ? null : firstIdAt(createdAfterMs),
        scan,
        createdAfterMs,
        query.status,
        query.callbackOrigin,
      ],
      { prepare: true },
    ),
  );
  return pageOf<DeliveryRecord>(rows, { limit, scan });
}

const OF_SUBSCRIPTION = `
select ${DELIVERY_COLUMNS} from deliveries
where shard_id = $1 and subscription_id = $2 and project_id = $3 and ($4::uuid is null or id < $4)
order by id desc limit $5
`;

/** The deliveries of one subscription, newest first. */
export async function findDeliveriesOfSubscription(
  database: Database,
  query: {
    readonly projectId: string;
    readonly subscriptionId: string;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<Page<DeliveryRecord>> {
  const { projectId, subscriptionId, beforeId, limit } = query;
  const rows = await database.run("find-deliveries-of-subscription", (sql) =>
    sql.unsafe<DeliveryRecord[]>(
      OF_SUBSCRIPTION,
      [shardOfUuid(subscriptionId), subscriptionId, projectId, beforeId, limit + 1],
      { prepare: true },
    ),
  );
  const page = rows.slice(0, limit);
  return { rows: page, lastId: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

const FIND = `
select ${DELIVERY_COLUMNS} from deliveries where shard_id = $1 and id = $2 and project_id = $3
`;

/** A delivery replayed by hand again and again has more than anyone reads. */
const ATTEMPTS_SHOWN_MAX = 200;

const ATTEMPTS = `
select number, ${epochMs("started_at")} as "startedAtMs",
  duration_ms as "durationMs", http_status as "httpStatus", error_code as "errorCode",
  error_message as "errorMessage", response_excerpt as "responseExcerpt"
from attempts where shard_id = $1 and delivery_id = $2
order by number desc limit ${ATTEMPTS_SHOWN_MAX}
`;

/** The project's delivery of this id with its latest attempts, oldest first, or null. */
export async function findDelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<{ delivery: DeliveryRecord; attempts: readonly AttemptRecord[] } | null> {
  const shardId = shardOfUuid(key.id);
  return database.run("find-delivery", async (sql) => {
    const [delivery] = await sql.unsafe<DeliveryRecord[]>(FIND, [shardId, key.id, key.projectId], {
      prepare: true,
    });
    if (delivery === undefined) return null;
    // Read second, so that none which the delivery counts is missing.
    const attempts = await sql.unsafe<AttemptRecord[]>(ATTEMPTS, [shardId, key.id], {
      prepare: true,
    });
    return { delivery, attempts: [...attempts].reverse() };
  });
}
