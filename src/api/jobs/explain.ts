import type { AttemptErrorCode } from "../../core/delivery/delivery-outcome.ts";
import { ENDING_STATUSES, eventTypesOfMask, isProgressEvent } from "../../core/delivery/event.ts";
import { inboxOfTarget } from "../../core/delivery/inbox-target.ts";
import { publicId } from "../../core/ids/ids.ts";
import { explain, type Explanation } from "../../core/waiting/explanation.ts";
import type { JobWait, Waiting } from "../../core/waiting/job-wait.ts";
import { LANE_FREE, type LaneStatus } from "../../core/waiting/lane-status.ts";
import type { Inspection } from "../../cluster/questions/inspector.ts";
import type { RawAnswer } from "../../polling/watch/raw-answers.ts";
import {
  type ConnectionRecord,
  findConnection,
} from "../../store/connections/manage-connections.ts";
import type { AttemptRecord } from "../../store/deliveries/find-deliveries.ts";
import {
  findCallbacksOfJob,
  type WantedCallbacks,
  type SubscriptionWithDeliveries,
} from "../../store/jobs/explain-job.ts";
import type { JobRecord } from "../../store/jobs/find-jobs.ts";
import { findEnding } from "../../store/subscriptions/find-ending.ts";
import type { ApiServices } from "../services.ts";
import { deliveryJson } from "../deliveries/view.ts";
import { isoTime } from "../http/answer.ts";
import type { RequestScope } from "../http/route.ts";
import { subscriptionJson } from "../subscriptions/view.ts";
import { type DeliveryWaits, deliveryWaits, type JobWaits, jobWaits } from "../waiting.ts";
import { jobJson, waitingJobOf } from "./view.ts";

/** How many callbacks are rebuilt to show the request that is sent. */
const REQUESTS_SHOWN_MAX = 3;
const BODY_CHARACTERS_MAX = 64 * 1024;

/** All known facts about a job and its callbacks. */
interface Facts {
  readonly job: JobRecord;
  readonly connection: ConnectionRecord | null;
  readonly inspection: Inspection | null;
  readonly lane: LaneStatus;
  readonly callbacks: Awaited<ReturnType<typeof findCallbacksOfJob>>;
  readonly jobWaits: JobWaits;
  readonly deliveryWaits: DeliveryWaits;
  readonly nowMs: number;
}

/**
 * Explains why the callbacks of a job have not arrived, as JSON text.
 * @param wanted which of its subscriptions; all of them when both are null
 * @returns null when none of its subscriptions is wanted
 */
export async function explainJob(
  job: JobRecord,
  services: ApiServices,
  { database, ...wanted }: Pick<RequestScope, "database"> & WantedCallbacks,
): Promise<string | null> {
  const facts = await gather(job, services, { database, wanted });
  const isFiltered = wanted.subscriptionId !== null || wanted.metadata !== null;
  if (isFiltered && facts.callbacks.subscriptions.length === 0) return null;
  const explained = facts.callbacks.subscriptions.map((callback) => ({
    callback,
    explanation: explainOne(callback, facts),
  }));
  const shown = await Promise.all(
    explained.map(async ({ callback, explanation }, index) => {
      const isShown = index < REQUESTS_SHOWN_MAX && job.endedAtMs !== null;
      const request = isShown ? await requestJson(callback, services, database) : "null";
      return subscriptionExplanationJson({ callback, explanation, request }, facts, services);
    }),
  );
  const { reason, summary, action } = foremost(explained.map(({ explanation }) => explanation));
  const fields = JSON.stringify({
    object: "job_explanation",
    reason,
    summary,
    action,
    as_of: isoTime(asOfMs(facts)),
    facts_from: isFromOwner(facts) ? "owner" : "database",
    upstream: upstreamView(facts, services),
    has_more_subscriptions: facts.callbacks.hasMore,
  });
  const { inspection } = facts;
  return (
    `${fields.slice(0, -1)},"job":${jobJson(job, services, facts.jobWaits, inspection?.job ?? null)},` +
    `"subscriptions":[${shown.join(",")}]}`
  );
}

async function gather(
  job: JobRecord,
  services: ApiServices,
  { database, wanted }: Pick<RequestScope, "database"> & { readonly wanted: WantedCallbacks },
): Promise<Facts> {
  const { projectId, shardId, id: jobRowId, connectionId } = job;
  // First, so that the rows are not older than the owner's answer.
  const inspection = await services.inspector.inspect({ projectId, shardId, jobRowId });
  const [connection, callbacks, waitsOfJob, [lane = LANE_FREE]] = await Promise.all([
    findConnection(database, { projectId, id: connectionId }),
    findCallbacksOfJob(database, job, wanted),
    jobWaits(database, services, [waitingJobOf(job)]),
    services.lanes.statusesOf(database, [
      { shardId, projectId, kind: "connection", name: connectionId },
    ]),
  ]);
  const deliveries = callbacks.subscriptions.flatMap((callback) =>
    callback.deliveries.map(({ delivery }) => delivery),
  );
  const busy = new Map(inspection?.busy.map(({ id, state }) => [id, state]));
  return {
    job,
    connection,
    inspection,
    lane,
    callbacks,
    jobWaits: waitsOfJob,
    deliveryWaits: await deliveryWaits(database, services, projectId, deliveries, busy),
    nowMs: services.clock.now(),
  };
}

function isFromOwner({ job, inspection }: Facts): boolean {
  const isLive = job.endedAtMs === null && job.status !== "unwatched";
  return inspection !== null && (!isLive || inspection.job !== null);
}

/** When the facts about a live job were valid. */
function asOfMs(facts: Facts): number {
  const { job, inspection, nowMs } = facts;
  if (isFromOwner(facts)) return inspection?.atMs ?? nowMs;
  return job.endedAtMs === null ? (job.lastPolledAtMs ?? job.acceptedAtMs) : nowMs;
}

function waitOfJob(facts: Facts): Waiting<JobWait> | null {
  const { job, connection, inspection, jobWaits: waits } = facts;
  const wait = inspection?.job?.wait ?? waits(waitingJobOf(job));
  // For a pause that is a moment old, the row knows more than memory.
  return wait?.for === "connection_paused" && wait.notBeforeMs === null
    ? { ...wait, notBeforeMs: connection?.probeAtMs ?? null }
    : wait;
}

/** The owner pauses a connection in memory a moment before the row shows it. */
function isPaused(facts: Facts): boolean {
  return facts.connection?.state === "paused" || waitOfJob(facts)?.for === "connection_paused";
}

function pausedReason(facts: Facts): string | null {
  if (!isPaused(facts)) return null;
  return facts.connection?.pausedReason ?? lastErrorOf(facts);
}

function lastErrorOf({ job, inspection }: Facts): string | null {
  const live = inspection?.job ?? null;
  return live === null ? job.lastError : live.lastError;
}

function explainOne(
  { subscription, deliveries }: SubscriptionWithDeliveries,
  facts: Facts,
): Explanation {
  const { job, nowMs } = facts;
  const inbox = inboxOfTarget(subscription.callbackUrl);
  const owed = deliveries.find(({ delivery }) => !isProgressEvent(delivery.eventType));
  return explain({
    status: subscription.status,
    events: eventTypesOfMask(subscription.events),
    callbackOrigin:
      inbox === null ? new URL(subscription.callbackUrl).origin : `the inbox ${inbox}`,
    inbox,
    job: {
      provider: job.provider,
      connection: job.connection ?? "unknown",
      pausedReason: pausedReason(facts),
      wait: job.endedAtMs === null ? waitOfJob(facts) : null,
      lastError: lastErrorOf(facts),
      acceptedAtMs: job.acceptedAtMs,
      deadlineAtMs: job.deadlineAtMs,
      ending: ENDING_STATUSES.find((status) => status === job.status) ?? null,
    },
    delivery:
      owed === undefined
        ? null
        : {
            wait: facts.deliveryWaits(owed.delivery),
            attemptCount: owed.delivery.attemptCount,
            lastAttempt: explainedAttempt(owed.attempts.at(-1)),
          },
    nowMs,
  });
}

function explainedAttempt(attempt: AttemptRecord | undefined) {
  if (attempt === undefined) return null;
  const { number, httpStatus, errorCode, errorMessage } = attempt;
  // Stored by this program, from its list.
  return { number, httpStatus, errorCode: errorCode as AttemptErrorCode | null, errorMessage };
}

/** The explanation that people look for first: of a callback that is still to come, the newest. */
function foremost(explanations: readonly Explanation[]): Omit<Explanation, "wait"> {
  const waiting = explanations.find(({ wait }) => wait !== null);
  const failed = explanations.find(({ reason }) => reason !== "delivered");
  return waiting ?? failed ?? explanations[0] ?? NO_SUBSCRIPTION;
}

const NO_SUBSCRIPTION: Omit<Explanation, "wait"> = {
  reason: "canceled",
  summary: "No subscription to the job is left.",
  action: "Subscribe again to be called back; a job that has ended is called back at once.",
};

function upstreamView(facts: Facts, services: ApiServices): object {
  const { job, connection, inspection, lane } = facts;
  const live = inspection?.job ?? services.watches.view(job.shardId, job.id);
  const lastPolledAtMs = live?.lastPolledAtMs ?? job.lastPolledAtMs;
  return {
    connection:
      connection === null
        ? null
        : {
            id: publicId("connection", connection.id),
            name: connection.name,
            status: isPaused(facts) ? "paused" : connection.state,
            state: isPaused(facts) ? "paused" : connection.state,
            paused_reason: pausedReason(facts),
            next_probe_at: isoTime(connection.probeAtMs),
          },
    breaker: lane.breaker,
    next_probe_at: isoTime(lane.probeAtMs),
    paused_until: isoTime(lane.pausedUntilMs),
    last_answer:
      lastPolledAtMs === null
        ? null
        : {
            at: isoTime(lastPolledAtMs),
            http_status: live?.lastHttpStatus ?? null,
            outcome: job.endedAtMs === null ? (live?.lastOutcome ?? job.lastOutcome) : job.status,
            error: live === null ? job.lastError : live.lastError,
          },
    raw_answer: rawAnswerView(inspection?.rawAnswer ?? null),
  };
}

function rawAnswerView(answer: RawAnswer | null): object | null {
  if (answer === null) return null;
  const { atMs, status, headers, body, bodyBytes } = answer;
  return { at: isoTime(atMs), http_status: status, headers, body, body_bytes: bodyBytes };
}

function subscriptionExplanationJson(
  of: {
    readonly callback: SubscriptionWithDeliveries;
    readonly explanation: Explanation;
    /** JSON text. */
    readonly request: string;
  },
  facts: Facts,
  services: ApiServices,
): string {
  const { reason, summary, action, wait } = of.explanation;
  const { subscription, deliveries } = of.callback;
  const fields = JSON.stringify({
    reason,
    summary,
    action,
    waiting_for: wait?.for ?? null,
    not_before: isoTime(wait?.notBeforeMs ?? null),
  });
  const waits: JobWaits = () => (subscription.job.endedAtMs === null ? waitOfJob(facts) : null);
  const shown = deliveries.map(({ delivery, attempts }) =>
    deliveryJson(delivery, facts.deliveryWaits, attempts),
  );
  return (
    `${fields.slice(0, -1)},"subscription":${subscriptionJson(subscription, services, waits)},` +
    `"deliveries":[${shown.join(",")}],"request":${of.request}}`
  );
}

/** Headers that every callback has. Those of the subscription may contain a credential. */
const SHOWN_HEADERS = ["content-type", "user-agent", "webhook-id", "traceparent", "tracestate"];

/**
 * The request that an attempt sends for the ending, without its time and signature, as JSON text.
 */
async function requestJson(
  { subscription, deliveries }: SubscriptionWithDeliveries,
  services: ApiServices,
  database: RequestScope["database"],
): Promise<string> {
  if (inboxOfTarget(subscription.callbackUrl) !== null) return "null";
  if (deliveries.every(({ delivery }) => isProgressEvent(delivery.eventType))) return "null";
  const { projectId, id, callbackUrl } = subscription;
  const found = await findEnding(database, { projectId, id }, services.inlineResultBytesMax);
  if (found === null || found.ending === null) return "null";
  const { headers, body } = await services.delivery.message(found.ending);
  return JSON.stringify({
    method: "POST",
    url: callbackUrl,
    headers: Object.fromEntries(
      Object.entries(headers).filter(([name]) => SHOWN_HEADERS.includes(name.toLowerCase())),
    ),
    body: body.length > BODY_CHARACTERS_MAX ? null : body,
  });
}
