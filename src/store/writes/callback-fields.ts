import {
  eventMask,
  PROGRESS_EVENT_TYPES,
  WANTS_RESULT_FETCHED,
} from "../../core/delivery/event.ts";
import type { subscriptions } from "../schema/schema.ts";

/** Fields of a subscription that a callback is made from. */
export interface CallbackFields extends Readonly<
  Pick<
    typeof subscriptions.$inferSelect,
    | "callbackUrl"
    | "payload"
    | "metadata"
    | "headers"
    | "secret"
    | "retrySchedule"
    | "signatures"
    | "trace"
  >
> {
  /** True when the subscription receives progress events, so that its callbacks have an order. */
  readonly wantsProgress: boolean;
  /** True when it wants a result that is a link to be fetched. */
  readonly fetchResult: boolean;
}

const PROGRESS_EVENTS = eventMask(PROGRESS_EVENT_TYPES);

/** Each field in SQL, of a row source named `subscription`. */
const IN_SQL: Readonly<Record<keyof CallbackFields, string>> = {
  callbackUrl: "subscription.callback_url",
  payload: "subscription.payload",
  metadata: "subscription.metadata",
  headers: "subscription.headers",
  secret: "subscription.secret",
  retrySchedule: "subscription.retry_schedule",
  signatures: "subscription.signatures",
  trace: "subscription.trace",
  wantsProgress: `subscription.events & ${PROGRESS_EVENTS} <> 0`,
  fetchResult: `subscription.events & ${WANTS_RESULT_FETCHED} <> 0`,
};

/** The fields, selected from a row source named `subscription`, under their quoted names. */
export const CALLBACK_FIELDS = Object.entries(IN_SQL)
  .map(([name, expression]) => `${expression} as "${name}"`)
  .join(", ");

/** Their quoted names, for a query that selects from one with {@link CALLBACK_FIELDS}. */
export const CALLBACK_FIELD_NAMES = Object.keys(IN_SQL)
  .map((name) => `"${name}"`)
  .join(", ");

/** Nulls in their places, for a row without a callback. */
export const NO_CALLBACK_FIELDS = Object.keys(IN_SQL)
  .map(() => "null")
  .join(", ");

/** The fields of a subscription that is being stored. */
export function callbackFieldsOfRow(
  row: Omit<CallbackFields, "wantsProgress" | "fetchResult"> & { readonly events: number },
): CallbackFields {
  return {
    callbackUrl: row.callbackUrl,
    payload: row.payload,
    metadata: row.metadata,
    headers: row.headers,
    secret: row.secret,
    retrySchedule: row.retrySchedule,
    signatures: row.signatures,
    trace: row.trace,
    wantsProgress: (row.events & PROGRESS_EVENTS) !== 0,
    fetchResult: (row.events & WANTS_RESULT_FETCHED) !== 0,
  };
}
