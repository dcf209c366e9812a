import {
  callbackBody,
  type EventContent,
  type EventType,
  testEventBody,
} from "../core/delivery/event.ts";
import {
  operationalEventBody,
  type OperationalEventType,
} from "../core/delivery/operational-event.ts";
import { sliceRawJson } from "../core/json/raw-json.ts";
import type { CallbackEventType } from "../receiver/event.ts";

/** Numbers and text that a receiver changes when it writes JSON again instead of passing it on. */
const RESULT = String.raw`{"decimal":1.10,"integer":12345678901234567890,"text":"f\u00fcr a/b 🙂"}`;
const AT = Date.parse("2026-01-01T00:00:42.000Z");
const SUBSCRIPTION_ID = "sub_019b76da98007034a5b6c7d8e9f00112";
const METADATA = `{"invoice":17}`;

type Outcome = Pick<EventContent, "result" | "error" | "progress">;

const JOB_EVENTS: Readonly<Record<EventType, Partial<Outcome>>> = {
  "job.completed": { result: RESULT },
  "job.failed": { error: "The file could not be read." },
  "job.canceled": { error: "canceled at the provider" },
  "job.expired": { error: "The provider no longer knows the job." },
  "job.timed_out": { error: "The job had not ended by its deadline." },
  "job.processing": {},
  "job.progress": { progress: `{"percent":42.0}` },
};

const CONNECTION = {
  connection_id: "con_019b76da98007034a5b6c7d8e9f00112",
  provider: "pulse",
  connection: "default",
};
const ORIGIN = { callback_origin: "https://app.example.com" };

const OPERATIONAL_EVENTS: Readonly<Record<OperationalEventType, object>> = {
  "delivery.exhausted": {
    ...ORIGIN,
    delivery_id: "msg_019b76da98007034a5b6c7d8e9f00112",
    subscription_id: SUBSCRIPTION_ID,
    event_type: "job.completed",
    job_id: "abc123-def456",
    error_code: "server_error_answer",
  },
  "callback_origin.failing": ORIGIN,
  "callback_origin.recovered": ORIGIN,
  "connection.paused": { ...CONNECTION, reason: "HTTP 401" },
  "connection.resumed": CONNECTION,
  "provider.unknown_status": { provider: "pulse", status: "archived", job_id: "abc123-def456" },
};

/** Every type of event that a gateway sends. */
export const EVENT_FIXTURE_TYPES: readonly CallbackEventType[] = [
  ...keysOf(JOB_EVENTS),
  ...keysOf(OPERATIONAL_EVENTS),
  "ringback.test",
];

/**
 * The body of a callback, exactly as a gateway writes it.
 * @param data replaces members of the event's `data`, or adds some; undefined leaves one out. A JSON text of an
 *   object keeps every digit of its numbers, as do the members that are not replaced
 */
export function eventFixture(
  type: CallbackEventType,
  data: Readonly<Record<string, unknown>> | string = {},
): string {
  const body = bodyOf(type);
  const own = sliceRawJson(body, ["data"]) ?? "{}";
  const given = typeof data === "string" ? data : JSON.stringify(data);
  const without =
    typeof data === "string" ? [] : keysOf(data).filter((name) => data[name] === undefined);
  const names = new Set([...namesIn(own), ...namesIn(given)]);
  for (const name of without) names.delete(name);
  const members = [...names].map((name) => {
    const value = sliceRawJson(given, [name]) ?? sliceRawJson(own, [name]);
    return `${JSON.stringify(name)}:${value}`;
  });
  const at = body.lastIndexOf(own);
  return `${body.slice(0, at)}{${members.join(",")}}${body.slice(at + own.length)}`;
}

function namesIn(object: string): string[] {
  return Object.keys(JSON.parse(object) as object);
}

function bodyOf(type: CallbackEventType): string {
  if (type === "ringback.test") return testEventBody(AT);
  if (isOperational(type)) {
    const data = JSON.stringify(OPERATIONAL_EVENTS[type]);
    return operationalEventBody({ type, occurredAtMs: AT, occurrences: 1, data });
  }
  const content: EventContent = {
    type,
    occurredAtMs: AT,
    jobId: "abc123-def456",
    provider: "pulse",
    createdAt: "2026-01-01T00:00:00Z",
    updatedAt: "2026-01-01T00:00:41Z",
    result: null,
    error: null,
    progress: null,
    resultFetch: null,
    ...JOB_EVENTS[type],
  };
  const addressee = {
    subscriptionId: SUBSCRIPTION_ID,
    metadata: METADATA,
    fetchResult: false,
  };
  return callbackBody(content, addressee, null);
}

function isOperational(type: EventType | OperationalEventType): type is OperationalEventType {
  return Object.hasOwn(OPERATIONAL_EVENTS, type);
}

function keysOf<Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(record) as Key[];
}
