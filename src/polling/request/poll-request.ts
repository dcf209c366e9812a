import type { Observation } from "../../core/job/observation.ts";
import type { RequestClient } from "../../outbound/request-client.ts";
import type {
  OutboundRequest,
  RequestOutcome,
  ResponseBudget,
} from "../../outbound/exchange/request-outcome.ts";
import type { Interpretation } from "../../providers/answer/interpret.ts";
import { hasMeaning, isRedirect } from "../../providers/answer/redirect.ts";
import { refusedRedirect } from "../../providers/answer/response.ts";
import { buildRedirectedRequest } from "../../providers/request/build.ts";
import type { UpstreamRequest } from "../../providers/request/upstream-request.ts";
import type { PreparedRequest } from "../../providers/request/target.ts";
import type { UpstreamAccess } from "../upstream/access.ts";
import { type AffinityCookies, withAffinity } from "./affinity.ts";

/** How often the answers to one poll may send it on. */
const REDIRECTS_MAX = 3;

export type AnswerLimits = Pick<
  OutboundRequest,
  "timeoutMs" | "mayHoldBackMs" | "responseBytesMax"
>;

/** A request that only reads, whatever its method. */
export function pollRequest(
  { projectId, isTrusted, target }: UpstreamAccess,
  { method, origin, path, headers, body }: UpstreamRequest,
  { timeoutMs, mayHoldBackMs = 0, responseBytesMax }: AnswerLimits,
  affinity: AffinityCookies | null = null,
  room?: ResponseBudget,
): OutboundRequest {
  return {
    projectId,
    isTrusted: isTrusted && origin === target.origin,
    method,
    origin,
    path,
    headers: withAffinity(headers, origin, affinity),
    body,
    mayRepeat: true,
    readsLeniently: true,
    timeoutMs,
    mayHoldBackMs,
    responseBytesMax,
    room,
    whenLarger: "fail",
  };
}

/** The request of a poll. */
export interface PollQuestion {
  readonly access: UpstreamAccess;
  readonly prepared: PreparedRequest;
  readonly kind: "status" | "result";
  readonly limits: AnswerLimits;
  readonly affinity: AffinityCookies | null;
  /** Values that an earlier answer left for the rules. */
  readonly remembered: string | null;
  readonly room?: ResponseBudget & { leave(request: OutboundRequest): void };
}

/** Where a poll came to its end. */
export interface PollExchange {
  readonly request: UpstreamRequest;
  /** As it was sent; it may hold room for its answer. */
  readonly sent: OutboundRequest;
  readonly outcome: RequestOutcome;
  /** How many requests redirects have added to the first. */
  readonly redirects: number;
  /** Why the last redirect was not followed. */
  readonly refusal: string | null;
  /** Whether the credential was left behind at another origin. */
  readonly lacksCredential: boolean;
}

export type FirstExchange = Pick<PollExchange, "request" | "sent" | "outcome">;

/**
 * Sends a poll on to where redirects lead, as far as they may and the definition does not say itself
 * what they mean. All of it takes no longer than one request may.
 */
export async function followRedirects(
  client: Pick<RequestClient, "send">,
  question: PollQuestion,
  first: FirstExchange,
): Promise<PollExchange> {
  const { access, prepared, limits, affinity, room } = question;
  let tookMs = 0;
  let exchange: PollExchange = { ...first, redirects: 0, refusal: null, lacksCredential: false };
  for (;;) {
    const location = locationOf(question, exchange.outcome);
    if (location === null) return exchange;
    const { request: from, redirects } = exchange;
    if (redirects === REDIRECTS_MAX) {
      return { ...exchange, refusal: `The upstream redirects more than ${REDIRECTS_MAX} times.` };
    }
    const next = buildRedirectedRequest(access.target, prepared, from, location);
    if (next.kind === "refused") return { ...exchange, refusal: next.problem };
    room?.leave(exchange.sent);
    const { request } = next;
    tookMs += exchange.outcome.durationMs;
    const within = { ...limits, timeoutMs: Math.max(1, limits.timeoutMs - tookMs) };
    const sent = pollRequest(access, request, within, affinity, room);
    exchange = {
      request,
      sent,
      outcome: await client.send(sent),
      redirects: redirects + 1,
      refusal: null,
      lacksCredential: exchange.lacksCredential || !next.isSameOrigin,
    };
  }
}

/** Whether the outcome is a redirect, be it followed or not. */
export function isRedirected(outcome: RequestOutcome): boolean {
  return outcome.kind === "answered" && isRedirect(outcome.status);
}

/** Where the answer sends the poll on to; null where it does not, or means something else. */
function locationOf(
  { access, kind, remembered }: PollQuestion,
  outcome: RequestOutcome,
): string | null {
  if (outcome.kind === "failed" || !isRedirect(outcome.status)) return null;
  if (hasMeaning(access.provider, kind, outcome, remembered)) return null;
  const { location } = outcome.headers;
  return typeof location === "string" ? location : null;
}

/** The meaning of an answer whose redirects are refused; null for any other. */
export function misledBy(
  { refusal, lacksCredential, request, outcome }: PollExchange,
  { target }: UpstreamAccess,
  interpretation: Interpretation | null,
): Observation | null {
  if (outcome.kind === "failed") return null;
  if (refusal !== null) return refusedRedirect(outcome, refusal);
  if (!lacksCredential || interpretation === null) return null;
  const { kind } = interpretation;
  // Asked without the credential, it says nothing about the credential, and perhaps nothing of the job.
  if (kind !== "credential_rejected" && kind !== "absent") return null;
  return refusedRedirect(
    outcome,
    `${target.origin} redirects to ${request.origin}, where the credential does not go: if the API is ` +
      "there, make that the connection's base_url.",
  );
}
