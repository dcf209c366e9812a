import { eventMask } from "../../src/core/delivery/event.ts";
import { shardOfJob } from "../../src/core/ids/ids.ts";
import { createUuidSource } from "../../src/runtime/runtime.ts";
import type { AttemptRow } from "../../src/store/writes/record-attempts.ts";
import type { EventRow, OwedDelivery } from "../../src/store/writes/record-events.ts";
import type { AcceptRow } from "../../src/store/writes/accept-subscriptions.ts";

export const uuids = createUuidSource();

export const PROJECT_ID = uuids(Date.now(), 0);
export const CONNECTION_ID = uuids(Date.now(), 0);

const ALL_ENDINGS = eventMask([
  "job.completed",
  "job.failed",
  "job.canceled",
  "job.expired",
  "job.timed_out",
]);

/** A subscription as the accept path would store it. */
export function acceptRow(jobId: string, overrides: Partial<AcceptRow> = {}): AcceptRow {
  const nowMs = Date.now();
  const shardId = shardOfJob(CONNECTION_ID, jobId);
  return {
    shardId,
    subscriptionId: uuids(nowMs, shardId),
    jobRowId: uuids(nowMs, shardId),
    mailId: null,
    projectId: PROJECT_ID,
    connectionId: CONNECTION_ID,
    provider: "pulse",
    providerVersionId: null,
    jobId,
    params: {},
    paramsText: "{}",
    paramsDigest: "",
    callbackUrl: "https://receiver.test/hook",
    callbackOrigin: "https://receiver.test",
    events: ALL_ENDINGS,
    payload: "full",
    metadata: "{}",
    headers: null,
    secret: null,
    retrySchedule: null,
    trace: null,
    signatures: null,
    recognizedBy: null,
    deadlineMs: 3_600_000,
    idempotencyKey: null,
    requestHash: null,
    olderRequestHashes: [],
    idempotencyShardId: 0,
    nowMs,
    ...overrides,
  };
}

/** The completion of a job. */
export function completedRow(
  job: { readonly shardId: number; readonly jobRowId: string },
  overrides: Partial<EventRow> = {},
): EventRow {
  const nowMs = Date.now();
  return {
    projectId: PROJECT_ID,
    shardId: job.shardId,
    jobRowId: job.jobRowId,
    eventId: uuids(nowMs, job.shardId),
    type: "job.completed",
    status: "completed",
    occurredAtMs: nowMs,
    upstreamCreatedAt: null,
    upstreamUpdatedAt: null,
    error: null,
    result: '{"answer":42}',
    resultBytes: 13,
    resultFetch: null,
    progress: null,
    pollCount: 1,
    lastPolledAtMs: nowMs,
    ...overrides,
  };
}

/** A first attempt that was answered with 200. */
export function attemptRow(
  delivery: Pick<OwedDelivery, "shardId" | "id" | "subscriptionId">,
  overrides: Partial<AttemptRow> = {},
): AttemptRow {
  return {
    projectId: PROJECT_ID,
    shardId: delivery.shardId,
    deliveryId: delivery.id,
    subscriptionId: delivery.subscriptionId,
    attemptCount: 0,
    startedAtMs: Date.now(),
    durationMs: 5,
    httpStatus: 200,
    errorCode: null,
    errorMessage: null,
    responseExcerpt: null,
    status: "delivered",
    nextAttemptAtMs: null,
    ...overrides,
  };
}
