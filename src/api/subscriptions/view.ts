import { eventTypesOfMask, WANTS_RESULT_FETCHED } from "../../core/delivery/event.ts";
import { inboxOfTarget } from "../../core/delivery/inbox-target.ts";
import { publicId } from "../../core/ids/ids.ts";
import { signaturesOfMask } from "../../core/signing.ts";
import { traceIdOf } from "../../core/trace-context.ts";
import type { SubscriptionRecord } from "../../store/subscriptions/subscription-record.ts";
import { isoTime } from "../http/answer.ts";
import type { Subscribed } from "./subscribe.ts";
import type { ApiServices } from "../services.ts";
import { type JobWaits, jobWaitsHere, type WaitFacts, type WaitingJob } from "../waiting.ts";

/** The facts that a subscription's JSON needs besides its record. */
export type SubscriptionFacts = Pick<ApiServices, "watches" | "connections">;

/** The facts about the subscription's job that decide what it waits for. */
export function waitingJob({ job, ...of }: SubscriptionRecord): WaitingJob {
  const { shardId, jobRowId, projectId, connectionId } = of;
  return { shardId, jobRowId, projectId, connectionId, ...job };
}

/**
 * A subscription as JSON text. Metadata and progress are spliced in as received, so that numbers
 * keep their digits. A job that this node watches is described from memory, since polls write
 * nothing.
 */
export function subscriptionJson(
  of: SubscriptionRecord,
  facts: SubscriptionFacts,
  waits: JobWaits,
): string {
  return (
    `{"id":"${publicId("subscription", of.id)}","object":"subscription","status":"${of.status}",` +
    `"job_id":${JSON.stringify(of.jobId)},"provider":${JSON.stringify(of.provider)},` +
    `"connection":${JSON.stringify(facts.connections.nameOf(of.connectionId))},` +
    `"job":${jobJson(of, facts, waits)},${targetJson(of)},` +
    `"events":${JSON.stringify(eventTypesOfMask(of.events))},"payload":"${of.payload}",` +
    `"retry_schedule_s":${of.retrySchedule ?? "null"},"signatures":${signaturesJson(of)},` +
    `"fetch_result":${(of.events & WANTS_RESULT_FETCHED) !== 0},` +
    `"trace_id":"${traceIdOf(of.trace, of.id)}",` +
    `"recognized_by":${JSON.stringify(of.recognizedBy)},` +
    `"metadata":${of.metadata},"created_at":${jsonTime(of.createdAtMs)}}`
  );
}

function targetJson({ callbackUrl }: SubscriptionRecord): string {
  const inbox = inboxOfTarget(callbackUrl);
  return inbox === null
    ? `"callback_url":${JSON.stringify(callbackUrl)},"inbox":null`
    : `"callback_url":null,"inbox":"${inbox}"`;
}

/** The response to the subscriber: the subscription, with its warnings. */
export function createdSubscriptionJson(
  { subscription, warnings }: Pick<Subscribed, "subscription" | "warnings">,
  facts: WaitFacts,
): string {
  const json = subscriptionJson(subscription, facts, jobWaitsHere(facts));
  return `${json.slice(0, -1)},"warnings":${warnings.length === 0 ? "[]" : JSON.stringify(warnings)}}`;
}

function signaturesJson({ signatures }: SubscriptionRecord): string {
  return signatures === null ? "null" : JSON.stringify(signaturesOfMask(signatures));
}

function jobJson(of: SubscriptionRecord, facts: SubscriptionFacts, waits: JobWaits): string {
  const { job, shardId, jobRowId } = of;
  const live = job.endedAtMs === null ? facts.watches.view(shardId, jobRowId) : null;
  const seen = live ?? { ...job, nextPollAtMs: null };
  const wait = waits(waitingJob(of));
  return (
    `{"id":"${publicId("job", jobRowId)}","status":"${seen.status}","progress":${seen.progress ?? "null"},` +
    `"poll_count":${seen.pollCount},"last_polled_at":${jsonTime(seen.lastPolledAtMs)},` +
    `"next_poll_at":${jsonTime(seen.nextPollAtMs)},"last_error":${JSON.stringify(seen.lastError)},` +
    `"waiting_for":${wait === null ? "null" : `"${wait.for}"`},` +
    `"not_before":${jsonTime(wait?.notBeforeMs ?? null)},` +
    `"deadline_at":${jsonTime(job.deadlineAtMs)},"ended_at":${jsonTime(job.endedAtMs)}}`
  );
}

function jsonTime(ms: number | null): string {
  return ms === null ? "null" : `"${isoTime(ms)}"`;
}
