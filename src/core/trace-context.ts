/*
 * W3C Trace Context: which trace a callback belongs to. A client gives one with its subscription, or
 * the subscription is a trace of its own, whose id is the subscription's. Either way every attempt
 * is a step of it with a parent id of its own, which follows from the delivery and the attempt, so
 * that nothing about it is stored.
 */

/** version, trace id, parent id, flags; a later version may append fields. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_PARENT = "0".repeat(16);
/** `sampled` and `random`, the flags that have a meaning. */
const FLAGS_KNOWN = 0b11;
const SAMPLED = "01";

const STATE_MEMBERS_MAX = 32;
/** As much as everybody has to pass on. */
const STATE_CHARACTERS_MAX = 512;
const STATE_MEMBER =
  /^(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * The stored form of a client's trace: its id and flags, and its state after a space. Null
 * for what is not a `traceparent`, which the standard says to ignore.
 */
export function readTraceContext(traceparent: string, tracestate: string | null): string | null {
  const [, version, traceId, parentId, flags, more] = TRACEPARENT.exec(traceparent.trim()) ?? [];
  if (traceId === undefined || flags === undefined) return null;
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  if (traceId === NO_TRACE || parentId === NO_PARENT) return null;
  const known = (Number.parseInt(flags, 16) & FLAGS_KNOWN).toString(16).padStart(2, "0");
  const state = tracestate === null ? "" : readTraceState(tracestate);
  return `${traceId}-${known}${state === "" ? "" : ` ${state}`}`;
}

/** The members that are passed on, or the empty text when any is malformed. */
function readTraceState(text: string): string {
  const members = text
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
  if (members.length > STATE_MEMBERS_MAX) return "";
  if (!members.every((member) => STATE_MEMBER.test(member))) return "";
  let state = "";
  for (const member of members) {
    const longer = state === "" ? member : `${state},${member}`;
    if (longer.length > STATE_CHARACTERS_MAX) break;
    state = longer;
  }
  return state;
}

/** @param trace as {@link readTraceContext} returns it, or null for the subscription's own */
export function traceIdOf(trace: string | null, subscriptionId: string): string {
  return trace === null ? subscriptionId.replaceAll("-", "") : trace.slice(0, 32);
}

/**
 * The headers of an attempt.
 * @param attempt 1 for the delivery's first
 */
export function traceHeaders(
  trace: string | null,
  of: { readonly subscriptionId: string; readonly deliveryId: string },
  attempt: number,
): Readonly<Record<string, string>> {
  const traceId = traceIdOf(trace, of.subscriptionId);
  const flags = trace === null ? SAMPLED : trace.slice(33, 35);
  const traceparent = `00-${traceId}-${parentIdOf(of.deliveryId, attempt)}-${flags}`;
  const tracestate = trace?.slice(36) ?? "";
  return tracestate === "" ? { traceparent } : { traceparent, tracestate };
}

/** The random half of the delivery's id, changed by the attempt's number. */
function parentIdOf(deliveryId: string, attempt: number): string {
  const hex = deliveryId.replaceAll("-", "").slice(16);
  const low = (Number.parseInt(hex.slice(8), 16) ^ attempt) >>> 0;
  const id = hex.slice(0, 8) + low.toString(16).padStart(8, "0");
  return id === NO_PARENT ? "0000000000000001" : id;
}
