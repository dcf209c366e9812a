import { EVENT_TYPES } from "../../core/delivery/event.ts";
import { INPUT, insertSubscriptions } from "./accept-new-job.ts";
import { NEW_DELIVERY_STATE, newDeliveryState } from "../sql/delivery-state.ts";
import { epochMs, timeFrom } from "../sql/time.ts";
import { owedDeliveryId } from "./owed-delivery-id.ts";

/** A larger result is read with its delivery, so that no batch returns much more than it stores. */
const EVENT_RESULT_BYTES_MAX = 16 * 1024;

/** The index in it is the event's mask bit, as in core/delivery/event.ts. */
const EVENT_TYPE_ARRAY = `array[${EVENT_TYPES.map((type) => `'${type}'`).join(", ")}]`;

/** Columns of a subscription's `job` that are needed to answer, and to send what is owed. */
export const PLACED_JOB = `job.id as watched_id, job.provider_version_id,
    case when job.ended_at is not null
      then ${owedDeliveryId("job.last_event_id", '"subscriptionId"')} end as owed_id, job.status as job_status, accepted_at, deadline_at,
    ended_at, last_event_id, processing_event_id, wanted_events, subscription_count, poll_count, last_polled_at, last_error, progress,
    last_event_id is not null and ended_at is not null
      and events & (1 << (array_position(${EVENT_TYPE_ARRAY}, 'job.' || job.status) - 1)) <> 0 as is_owed`;

/** Stores the deliveries of those in `placed` whose jobs have ended. */
export const OWED = `
owed as (
  insert into deliveries (
    shard_id, id, project_id, subscription_id, event_id, event_type, callback_origin, created_at,
    ${NEW_DELIVERY_STATE}
  )
  select "shardId", owed_id, "projectId", "subscriptionId", last_event_id,
    'job.' || job_status, "callbackOrigin", ${timeFrom('"nowMs"')},
    ${newDeliveryState('"callbackOrigin"', timeFrom('"nowMs"'))}
  from placed where is_owed
  on conflict (shard_id, id) do nothing
)`;

/** How one in `placed` is answered. */
export const STORED = `watched_id as job_row_id, job_status, wanted_events, provider_version_id,
    processing_event_id is not null as processing_announced, subscription_count,
    ${epochMs("accepted_at")} as accepted_at_ms,
    ${epochMs("deadline_at")} as deadline_at_ms,
    ${epochMs("ended_at")} as ended_at_ms,
    poll_count, ${epochMs("last_polled_at")} as last_polled_at_ms,
    last_error, progress, case when is_owed then owed_id end as owed_delivery_id,
    case when is_owed then last_event_id end as owed_event_id`;

/** The event that is owed, so that nothing has to be read to send it. */
export const OWED_EVENT = `
  select id, type, ${epochMs("occurred_at")} as "occurredAtMs",
    job_id as "jobId", provider, upstream_created_at as "createdAt",
    upstream_updated_at as "updatedAt", error, result, result_bytes as "resultBytes", progress,
    result_fetch as "resultFetch"
  from events where shard_id = "shardId" and id = last_event_id
    and result_bytes <= ${EVENT_RESULT_BYTES_MAX}`;

/**
 * Stores a subscription that came alone together with what it is owed by its job, which has ended, or
 * nothing if there is no such job. An ended job changes no more, so its row is only locked against being
 * removed, and the parts for jobs that are new or live are left out.
 */
export const ACCEPT_ENDED_JOB = `
with placed as materialized (
  select row.*, ${PLACED_JOB}
  from ${INPUT.one.sql} join jobs as job
    on job.shard_id = "shardId" and job.connection_id = "connectionId" and job.job_id = "jobId"
    and job.params_digest = "paramsDigest"
  where job.ended_at is not null
  for no key update of job
),
subscribed as (
  ${insertSubscriptions("watched_id")} from placed
  on conflict (shard_id, id) do nothing
),${OWED}
select ${STORED}, (
  select row_to_json(content)::text from (${OWED_EVENT} and is_owed) as content
) as event
from placed
`;
