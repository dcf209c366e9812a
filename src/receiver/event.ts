import type { z } from "zod";
import type { eventSchema } from "../api/http/response-schemas.ts";
import type { EndingStatus, EventType } from "../core/delivery/event.ts";
import type { OperationalEventType } from "../core/delivery/operational-event.ts";
import type { ResultReader } from "./result.ts";

/** The status that an event of this type is about. */
type StatusOf<Type extends EventType> = Type extends `job.${infer Status extends EndingStatus}`
  ? Status
  : "processing";

type StoredData = z.output<typeof eventSchema>["data"];

/** The content of a callback about a job. */
export interface JobData<Status extends string = string> extends Omit<StoredData, "status"> {
  readonly status: Status;
  /** `sub_…` */
  readonly subscription_id: string;
  /** As the subscription gave it. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

interface Received<Type extends string, Data> {
  readonly type: Type;
  /** When it happened, ISO 8601. */
  readonly timestamp: string;
  readonly data: Data;
  /** The `webhook-id`: the same at every repetition of this callback. */
  readonly id: string;
  /** The body as it was signed. `JSON.parse` rounds large numbers; this keeps every digit. */
  readonly rawBody: string;
}

/** An event about a job, with its result when it completed. */
export type JobEvent<Type extends EventType = EventType> = {
  [T in Type]: Received<T, JobData<StatusOf<T>>> & (T extends "job.completed" ? ResultReader : {});
}[Type];

/** An event about the project's own operation. */
export type OperationalEvent<Type extends OperationalEventType = OperationalEventType> = {
  [T in Type]: Received<T, OperationalData>;
}[Type];

export interface OperationalData {
  /** How often it happened since the last event of this subject. */
  readonly occurrences: number;
  readonly [name: string]: unknown;
}

/** Somebody tries the callback URL: shaped like a completed job, and about none. */
export type TestEvent = Received<
  "ringback.test",
  JobData<"completed"> & { readonly message: string }
> &
  ResultReader;

/** Every event that a gateway sends, told apart by `type`. */
export type CallbackEvent = JobEvent | OperationalEvent | TestEvent;

export type CallbackEventType = CallbackEvent["type"];

/** The event of one type. */
export type EventOf<Type extends CallbackEventType> = Extract<
  CallbackEvent,
  { readonly type: Type }
>;
