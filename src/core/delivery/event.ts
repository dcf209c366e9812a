import { type RawResult, textOfResult } from "../json/raw-result.ts";

/** The five ways a job ends, as the API spells them. A closed list. */
export const ENDING_STATUSES = ["completed", "failed", "canceled", "expired", "timed_out"] as const;
export type EndingStatus = (typeof ENDING_STATUSES)[number];

/** Every fact about a job that a subscription can receive. The order fixes each one's mask bit. */
export const EVENT_TYPES = [
  "job.completed",
  "job.failed",
  "job.canceled",
  "job.expired",
  "job.timed_out",
  "job.processing",
  "job.progress",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const ENDING_EVENT_TYPES = EVENT_TYPES.slice(0, 5);

/** Progress of a running job, sent to subscriptions that ask for it. */
export const PROGRESS_EVENT_TYPES = ["job.processing", "job.progress"] as const;

export function isProgressEvent(type: EventType): boolean {
  return type === "job.processing" || type === "job.progress";
}

/** Stored as a bit set, so that "who wants this event" is one integer test in SQL. */
export function eventMask(types: readonly EventType[]): number {
  return types.reduce((mask, type) => mask | eventBit(type), 0);
}

export function eventBit(type: EventType): number {
  return 1 << EVENT_TYPES.indexOf(type);
}

/** Beside the events in the mask of what a subscription wants: a result that is a link is fetched. */
export const WANTS_RESULT_FETCHED = 1 << 8;

export function eventTypesOfMask(mask: number): EventType[] {
  return EVENT_TYPES.filter((type) => (mask & eventBit(type)) !== 0);
}

export function endingEventType(status: EndingStatus): EventType {
  return `job.${status}`;
}

/** The stored content of an event, from which its callbacks are made. */
export interface EventContent {
  readonly type: EventType;
  readonly occurredAtMs: number;
  readonly jobId: string;
  readonly provider: string;
  /** The upstream's own times as it spelled them; null where it gave none. */
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
  readonly error: string | null;
  /** Only of a completed job. Null as well when it is too large to hold inline. */
  readonly result: RawResult | null;
  /** Raw JSON text; only of `job.progress`. */
  readonly progress: string | null;
  /** Raw JSON text: the outcome of fetching a result that is a link; null when no subscription wanted it. */
  readonly resultFetch: string | null;
}

/** How `resultFetch` begins of a result that is stored here. */
export const FETCHED = '{"status":"stored"';

/** Whether the result is a link whose content is stored here. */
export function isResultFetched(event: Pick<EventContent, "resultFetch">): boolean {
  return event.resultFetch?.startsWith(FETCHED) === true;
}

/**
 * The exact text a callback carries, which is also what is signed.
 * @param resultUrl given when the result goes by reference instead of inline
 */
export function callbackBody(
  event: EventContent,
  addressee: {
    /** `sub_…` */
    readonly subscriptionId: string;
    /** Raw JSON text of the client's metadata. */
    readonly metadata: string;
    /** Whether to tell what became of fetching the result. */
    readonly fetchResult: boolean;
  },
  resultUrl: string | null,
): string {
  const ofResult: string[] = [];
  if (event.type === "job.completed") {
    ofResult.push(
      resultUrl === null
        ? `"result":${event.result === null ? "null" : textOfResult(event.result)}`
        : `"result_url":${JSON.stringify(resultUrl)}`,
    );
  }
  if (addressee.fetchResult && event.resultFetch !== null) {
    ofResult.push(`"result_fetch":${event.resultFetch}`);
  }
  const ofAddressee = [
    `"subscription_id":${JSON.stringify(addressee.subscriptionId)}`,
    `"metadata":${addressee.metadata}`,
  ];
  return `{${eventMembers(event, ofResult, ofAddressee)}}`;
}

/**
 * The members of an event as JSON text. Raw JSON is spliced in, never re-serialised, so that numbers
 * keep the digits the upstream wrote.
 * @param ofResult members of `data` that say what the result is
 * @param more members of `data` after all others
 */
export function eventMembers(
  event: Omit<EventContent, "result" | "resultFetch">,
  ofResult: readonly string[],
  more: readonly string[] = [],
): string {
  const occurredAt = new Date(event.occurredAtMs).toISOString();
  const data = [
    `"job_id":${JSON.stringify(event.jobId)}`,
    `"status":${JSON.stringify(statusOfEvent(event.type))}`,
    `"provider":${JSON.stringify(event.provider)}`,
    `"created_at":${JSON.stringify(event.createdAt ?? occurredAt)}`,
    `"updated_at":${JSON.stringify(event.updatedAt ?? occurredAt)}`,
    ...ofResult,
  ];
  if (event.error !== null) data.push(`"error":${JSON.stringify(event.error)}`);
  if (event.progress !== null) data.push(`"progress":${event.progress}`);
  data.push(...more);
  return `"type":"${event.type}","timestamp":"${occurredAt}","data":{${data.join(",")}}`;
}

/** `data.status` of an event: an ending's own word, `processing` for the two others. */
function statusOfEvent(type: EventType): EndingStatus | "processing" {
  switch (type) {
    case "job.completed":
      return "completed";
    case "job.failed":
      return "failed";
    case "job.canceled":
      return "canceled";
    case "job.expired":
      return "expired";
    case "job.timed_out":
      return "timed_out";
    case "job.processing":
    case "job.progress":
      return "processing";
  }
}

/**
 * A result that changes when a receiver parses the body and serializes it again before verifying it: a
 * trailing zero, an integer above 2^53, an escape, a slash, and a character outside of the BMP.
 */
const RESULT = String.raw`{"decimal":1.10,"integer":12345678901234567890,"text":"f\u00fcr a/b 🙂"}`;

const MESSAGE = "This is a test. No job has ended.";

/**
 * The exact text of a `ringback.test` event, shaped like that of a job that completed, so that a
 * receiver which reads it as one is tried too.
 */
export function testEventBody(nowMs: number): string {
  const at = `"${new Date(nowMs).toISOString()}"`;
  const data = [
    `"job_id":"ringback-test"`,
    `"status":"completed"`,
    `"provider":"ringback"`,
    `"created_at":${at}`,
    `"updated_at":${at}`,
    `"result":${RESULT}`,
    `"subscription_id":"sub_00000000000070000000000000000000"`,
    `"metadata":{}`,
    `"message":${JSON.stringify(MESSAGE)}`,
  ];
  return `{"type":"ringback.test","timestamp":${at},"data":{${data.join(",")}}}`;
}
