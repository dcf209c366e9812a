import { type EventContent, type EventType, endingEventType } from "../core/delivery/event.ts";
import type { Ending } from "../core/job/job.ts";
import { bytesOfResult } from "../core/json/raw-result.ts";
import type { EventRow } from "../store/writes/record-events.ts";
import type { Watch } from "./watch/watch.ts";
import { publicId } from "../core/ids/ids.ts";
import type { OperationalEvent } from "../core/delivery/operational-event.ts";
import type { StoredConnection } from "../store/connections/load-connections.ts";

interface EventIdentity {
  readonly eventId: string;
  readonly nowMs: number;
}

/**
 * The row that records a job's ending.
 * @param resultFetch raw JSON: what became of fetching its result; null if no subscription wants that
 */
export function endingRow(
  watch: Watch,
  ending: Ending,
  identity: EventIdentity,
  resultFetch: string | null,
): EventRow {
  return {
    ...jobColumns(watch, identity),
    type: endingEventType(ending.status),
    status: ending.status,
    upstreamCreatedAt: ending.times.createdAt,
    upstreamUpdatedAt: ending.times.updatedAt,
    error: ending.error,
    result: ending.result,
    resultBytes: ending.result === null ? 0 : bytesOfResult(ending.result),
    resultFetch,
    progress: null,
  };
}

/** The row that records that a job moves. */
export function progressRow(
  watch: Watch,
  type: Extract<EventType, "job.processing" | "job.progress">,
  progress: string | null,
  identity: EventIdentity,
): EventRow {
  return {
    ...jobColumns(watch, identity),
    type,
    status: "processing",
    upstreamCreatedAt: null,
    upstreamUpdatedAt: null,
    error: null,
    result: null,
    resultBytes: 0,
    resultFetch: null,
    progress,
  };
}

/** The content of the event's callbacks, without reading it back. */
export function contentOfRow(watch: Watch, row: EventRow): EventContent {
  return {
    type: row.type,
    occurredAtMs: row.occurredAtMs,
    jobId: watch.jobId,
    provider: watch.provider,
    createdAt: row.upstreamCreatedAt,
    updatedAt: row.upstreamUpdatedAt,
    error: row.error,
    result: row.result,
    progress: row.progress,
    resultFetch: row.resultFetch,
  };
}

function jobColumns(watch: Watch, identity: EventIdentity) {
  return {
    projectId: watch.projectId,
    shardId: watch.shardId,
    jobRowId: watch.id,
    eventId: identity.eventId,
    occurredAtMs: identity.nowMs,
    pollCount: watch.pollCount,
    lastPolledAtMs: watch.lastPolledAtMs,
  };
}

/** The event to publish for a changed connection; null if the change is not worth one. */
export function connectionEvent(
  before: StoredConnection | null,
  connection: StoredConnection,
): OperationalEvent | null {
  const { id, projectId, provider, name, state, pausedReason, isDeleted } = connection;
  if (before === null || before.state === state || isDeleted) return null;
  const data = { connection_id: publicId("connection", id), provider, connection: name };
  const subject = `connection ${id}`;
  return state === "paused"
    ? { projectId, subject, type: "connection.paused", data: { ...data, reason: pausedReason } }
    : { projectId, subject, type: "connection.resumed", data };
}

/** A provider says something that its definition does not know. */
export function unknownStatusEvent(
  projectId: string,
  { provider, jobId }: Watch,
  status: string,
): OperationalEvent {
  const subject = `provider ${provider}`;
  const data = { provider, status, job_id: jobId };
  return { projectId, subject, type: "provider.unknown_status", data };
}
