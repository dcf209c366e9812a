import { type EventContent, type EventType, endingEventType } from "../core/delivery/event.ts";
import type { Ending } from "../core/job/job.ts";
import { bytesOfResult } from "../core/json/raw-result.ts";
import type { EventRow } from "../store/writes/record-events.ts";
import type { Watch } from "./watch/watch.ts";

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
