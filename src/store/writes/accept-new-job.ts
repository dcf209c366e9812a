import { rowSource } from "../sql/row-source.ts";
import { timeFrom } from "../sql/time.ts";

/** Subscriptions, each with the job that is made for it if there is none. */
export const INPUT = rowSource("row", {
  shardId: "smallint",
  subscriptionId: "uuid",
  jobRowId: "uuid",
  mailId: "uuid",
  projectId: "uuid",
  connectionId: "uuid",
  provider: "text",
  providerVersionId: "uuid",
  jobId: "text",
  paramsText: "text",
  paramsDigest: "text",
  callbackUrl: "text",
  callbackOrigin: "text",
  events: "smallint",
  payload: "text",
  metadata: "text",
  headers: "text",
  secret: "text",
  retrySchedule: "text",
  trace: "text",
  signatures: "smallint",
  recognizedBy: "text",
  nowMs: "bigint",
  deadlineMs: "bigint",
  idempotencyKey: "text",
});

export const JOB_KEY = "shard_id, connection_id, job_id, params_digest";
export const JOB_COLUMNS = `shard_id, id, project_id, connection_id, provider, provider_version_id, job_id,
    params, params_digest, status, accepted_at, deadline_at, wanted_events, subscription_count`;

/** Is continued by `from`. */
export const insertSubscriptions = (jobRowId: string): string => `insert into subscriptions (
    shard_id, id, project_id, job_row_id, callback_url, callback_origin, events, payload,
    metadata, headers, secret, retry_schedule, signatures, trace, recognized_by,
    created_at
  )
  select "shardId", "subscriptionId", "projectId", ${jobRowId}, "callbackUrl", "callbackOrigin",
    events, payload, metadata, headers, secret, "retrySchedule", signatures, trace, "recognizedBy",
    ${timeFrom('"nowMs"')}`;

/**
 * Stores a subscription that came alone together with its job, or nothing if there is such a job. A
 * new job can't end before this is committed, so the parts for one that has ended are left out.
 * Measured: it takes Postgres 172 µs, where the statement for all cases takes 350. If there is a job,
 * that statement follows, and both take 540 µs in place of 410.
 */
export const ACCEPT_NEW_JOB = `
with watched as (
  insert into jobs (${JOB_COLUMNS})
  select "shardId", "jobRowId", "projectId", "connectionId", provider, "providerVersionId", "jobId",
    "paramsText", "paramsDigest", 'pending', ${timeFrom('"nowMs"')},
    ${timeFrom('("nowMs" + "deadlineMs")')}, events, 1
  from ${INPUT.one.sql}
  on conflict (${JOB_KEY}) do nothing
  returning id
)
${insertSubscriptions('"jobRowId"')} from ${INPUT.one.sql} where exists (select from watched)
returning id
`;
