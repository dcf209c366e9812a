import { z } from "@hono/zod-openapi";
import { ENDING_STATUSES, EVENT_TYPES, type EventType } from "../../core/delivery/event.ts";
import {
  OPERATIONAL_EVENT_TYPES,
  type OperationalEventType,
} from "../../core/delivery/operational-event.ts";
import {
  anyJsonSchema,
  attemptErrorCodeSchema,
  eventTypeSchema,
  idSchema,
  isoTimeSchema,
  resultFetchSchema,
} from "./response-schemas.ts";
import {
  beforeParameter,
  idParameter,
  pagingParameters,
  timeParameter,
} from "../request/list-query.ts";

/*
 * The bodies of callbacks. They are composed as text; the tests check them against these schemas.
 */

const jobFields = {
  job_id: z.string().openapi({ example: "abc123-def456" }),
  provider: z.string().openapi({ example: "pulse" }),
  created_at: z.string().openapi({
    description: "From the upstream; the time of the event where it gives none.",
    example: "2026-01-01T00:00:00Z",
  }),
  updated_at: z.string().openapi({
    description: "From the upstream; the time of the event where it gives none.",
    example: "2026-01-01T00:00:41Z",
  }),
  subscription_id: idSchema("sub"),
  metadata: z
    .looseObject({})
    .openapi({ description: "As sent by the client.", example: { invoice: 17 } }),
};

const resultFields = {
  result: anyJsonSchema.optional().openapi({
    description: "Exactly as the upstream sent it. Left out when result_url leads to it.",
    example: { markdown: "# Invoice", page_count: 3 },
  }),
  result_url: z.string().optional().openapi({
    format: "uri",
    description: "URL of a result that is not sent inline. Valid for a limited time.",
  }),
  result_fetch: resultFetchSchema.optional(),
};

const errorField = z.string().openapi({
  description: "Why the job did not complete.",
  example: "The document has no pages.",
});

const PASCAL = /(?:^|[._])([a-z])/g;
/** `job.timed_out` is `JobTimedOutEvent`. */
const nameOf = (type: string): string =>
  `${type.replace(PASCAL, (_, letter: string) => letter.toUpperCase())}Event`;

function eventOf<Type extends string>(type: Type, description: string, data: z.ZodObject) {
  return z
    .object({ type: z.literal(type), timestamp: isoTimeSchema, data })
    .openapi(nameOf(type), { description });
}

/** The data of each job event, and the meaning of the event. */
const JOB_EVENTS: Readonly<Record<EventType, readonly [string, z.ZodRawShape]>> = {
  "job.completed": ["The job completed.", resultFields],
  "job.failed": ["The job failed at the provider.", { error: errorField.optional() }],
  "job.canceled": ["The job was canceled at the provider.", { error: errorField.optional() }],
  "job.expired": [
    "The provider no longer knows the job, or says that it expired.",
    { error: errorField.optional() },
  ],
  "job.timed_out": [
    "The job had not ended by its deadline. No further event follows.",
    { error: errorField.optional() },
  ],
  "job.processing": ["The provider began to work on the job. Only on request.", {}],
  "job.progress": [
    "The job's progress changed. Sent only on request.",
    {
      progress: anyJsonSchema.openapi({
        description: "From the upstream.",
        example: { percent: 40 },
      }),
    },
  ],
};

const originField = { callback_origin: z.string().openapi({ example: "https://app.example.com" }) };
const connectionFields = {
  connection_id: idSchema("con"),
  provider: z.string().openapi({ example: "pulse" }),
  connection: z.string().openapi({ example: "default" }),
};

const OPERATIONAL_EVENTS: Readonly<Record<OperationalEventType, readonly [string, z.ZodRawShape]>> =
  {
    "delivery.exhausted": [
      "A delivery was given up.",
      {
        ...originField,
        delivery_id: idSchema("msg"),
        subscription_id: idSchema("sub"),
        event_type: eventTypeSchema,
        job_id: z.string().openapi({ example: "abc123-def456" }),
        error_code: attemptErrorCodeSchema,
      },
    ],
    "callback_origin.failing": ["A receiver's origin fails, and is only probed.", originField],
    "callback_origin.recovered": [
      "The origin responds again, and waiting callbacks are being sent.",
      originField,
    ],
    "connection.paused": [
      "A connection was paused, for example because its credential was rejected.",
      { ...connectionFields, reason: z.string().nullable().openapi({ example: "HTTP 401" }) },
    ],
    "connection.resumed": ["A paused connection polls again.", connectionFields],
    "provider.unknown_status": [
      "A provider returned a status that its definition does not know.",
      {
        provider: z.string().openapi({ example: "pulse" }),
        status: z.string().openapi({ example: "archived" }),
        job_id: z.string().openapi({ example: "abc123-def456" }),
      },
    ],
  };

const occurrencesField = z.int().min(1).openapi({
  description: "How often it happened since the last event about the same subject.",
  example: 1,
});

function statusOf(type: EventType) {
  const ending = ENDING_STATUSES.find((status) => type === `job.${status}`);
  return z.literal(ending ?? "processing");
}

function jobEvent(type: EventType) {
  const [description, fields] = JOB_EVENTS[type];
  const { subscription_id, metadata, ...job } = jobFields;
  const data = { status: statusOf(type), ...job, ...fields, subscription_id, metadata };
  return eventOf(type, description, z.object(data));
}

function operationalEvent(type: OperationalEventType) {
  const [description, fields] = OPERATIONAL_EVENTS[type];
  return eventOf(type, description, z.object({ occurrences: occurrencesField, ...fields }));
}

const testEvent = eventOf(
  "ringback.test",
  "Sent on request by POST /v1/callbacks/test, shaped like job.completed.",
  z.object({
    status: z.literal("completed"),
    ...jobFields,
    ...resultFields,
    message: z.string().openapi({ example: "This is a test. No job has ended." }),
  }),
);

const jobEvents = EVENT_TYPES.map(jobEvent);

/** Every event that is sent, by its type. */
export const SENT_EVENTS = [
  ...jobEvents,
  ...OPERATIONAL_EVENT_TYPES.map(operationalEvent),
  testEvent,
];

const [completed = jobEvent("job.completed"), ...otherEndings] = jobEvents.slice(
  0,
  ENDING_STATUSES.length,
);

/** The ending of a job. */
export const endingSchema = z
  .discriminatedUnion("type", [completed, ...otherEndings])
  .openapi("Ending", { description: "The body of a callback about the end of a job." });

/** Any of them. */
export const webhookEventSchema = z
  .discriminatedUnion("type", [SENT_EVENTS[0] ?? testEvent, ...SENT_EVENTS.slice(1)])
  .openapi("WebhookEvent", { description: "The body of any callback." });

export const resultPartSchema = z
  .object({
    object: z.literal("result_part"),
    number: z.int().min(1),
    has_more: z.boolean().openapi({ description: "Whether a part of the next number exists." }),
    content_type: z.string().openapi({ example: "application/json" }),
    result_bytes: z.int().openapi({ description: "The size of the whole result." }),
    text: z.string().nullable().openapi({
      description: "The part as the upstream sent it; null for content that is not text.",
      example: '{"markdown": "# Invoice"}',
    }),
  })
  .openapi("ResultPart");

export const newestEventSchema = z
  .object({ object: z.literal("newest_event"), id: idSchema("evt") })
  .openapi("NewestEvent");

export const eventFiltersSchema = z.strictObject({
  job: idParameter("job"),
  type: eventTypeSchema.optional(),
  created_after: timeParameter,
  created_before: beforeParameter,
  ...pagingParameters,
});
