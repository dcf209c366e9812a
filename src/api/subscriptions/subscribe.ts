import { limitOf, type ProjectLimitName } from "../../core/limits/project-limits.ts";
import type { ProblemCode, Warning } from "../../core/error-codes.ts";
import { inboxOfTarget } from "../../core/delivery/inbox-target.ts";
import { publicId } from "../../core/ids/ids.ts";
import type { Database } from "../../store/db/database.ts";
import { findSubscription } from "../../store/subscriptions/subscription-record.ts";
import { isNotBegun, isTransient, NotBegunInTimeError } from "../../store/db/errors.ts";
import type { SubscriptionRecord } from "../../store/subscriptions/subscription-record.ts";
import type { ApiServices } from "../services.ts";
import { refused } from "../http/problem.ts";
import type { Outcome, Refusal } from "../../core/problem.ts";
import type { RequestScope } from "../http/route.ts";
import { validateSubscription } from "./validate-subscription.ts";
import type { SubscriptionRequest, ValidationContext } from "./validate-subscription.ts";
import { overloaded } from "../http/unexpected-error.ts";

/** Problems of a subscription request, beyond its shape. */
export const SUBSCRIBE_PROBLEMS: readonly ProblemCode[] = [
  "idempotency_conflict",
  "callback_url_refused",
  "unknown_provider",
  "unknown_connection",
  "too_many_live_jobs",
  "project_limit_exceeded",
  "project_limit_reached",
];

export interface Subscribed {
  readonly subscription: SubscriptionRecord;
  /** True when an earlier request with the same idempotency key created it. */
  readonly isReplay: boolean;
  /** Warnings about a subscription that was stored. */
  readonly warnings: readonly Warning[];
}

type SubscribeServices = ValidationContext & Pick<ApiServices, "acceptor" | "inboxes">;

/** From a request to a committed subscription, or to the reason why not. */
export async function subscribe(
  requested: SubscriptionRequest,
  services: SubscribeServices,
  { deadline, database }: RequestScope,
): Promise<Outcome<Subscribed>> {
  const prepared = await beforeStoring(deadline.race(validateSubscription(requested, services)));
  if (!prepared.ok) return prepared;
  const { request, warnings } = prepared.value;
  const inbox = inboxOfTarget(request.callbackUrl);
  if (inbox !== null) {
    const { projectId } = request;
    const ensured = services.inboxes.ensure(database, { projectId, name: inbox });
    if (!(await beforeStoring(ensured))) return tooManyInboxes();
  }
  const outcome = await services.acceptor.accept(request, deadline);
  switch (outcome.kind) {
    case "accepted":
      return { ok: true, value: { subscription: outcome.subscription, isReplay: false, warnings } };
    case "replayed":
      return replay(requested.projectId, outcome.subscriptionId, { database, warnings });
    case "idempotency_conflict":
      return KEY_USED_OTHERWISE;
    case "too_many_live_jobs":
      return refused(
        "too_many_live_jobs",
        `The project has reached its limit of ${outcome.max} watched jobs; wait until some have ` +
          "ended, delete subscriptions that are no longer needed, or raise the limit (see " +
          "/v1/project).",
      );
    case "limit_reached": {
      const { limit, allowed } = outcome;
      return refused(
        "project_limit_exceeded",
        `The project has reached its limit ${limit} of ${allowed} ${limitOf(limit).unit}: ` +
          `${limitOf(limit).counts} ${remedyFor(limit)}, or ask the operator for more.`,
        { headers: { "retry-after": "10" }, extensions: { limit, allowed } },
      );
    }
    case "too_many_at_once":
      return refused(
        "too_many_requests",
        "Too many subscriptions of the project wait to be stored; send them more slowly.",
        { headers: { "retry-after": "1" }, extensions: { limit: "subscriptions_accepting" } },
      );
    case "overloaded":
      return { ok: false, problem: overloaded() };
  }
}

/** The use of an idempotency key, and what it made. */
export interface EarlierSubscription {
  readonly requestHash: string;
  readonly subscriptionId: string;
  /** Null when it is no longer stored. */
  readonly subscription: SubscriptionRecord | null;
}

/** Answers a request whose idempotency key is known to be used, as {@link subscribe} would. */
export async function subscribedEarlier(
  requested: SubscriptionRequest,
  { requestHash, subscriptionId, subscription }: EarlierSubscription,
  services: SubscribeServices,
): Promise<Outcome<Subscribed>> {
  const prepared = await beforeStoring(validateSubscription(requested, services));
  if (!prepared.ok) return prepared;
  const { request, warnings } = prepared.value;
  const isSame = [request.requestHash, ...request.olderRequestHashes].includes(requestHash);
  if (!isSame) return KEY_USED_OTHERWISE;
  return repeated(subscription, subscriptionId, warnings);
}

/** The project has its maximum of inboxes. */
export function tooManyInboxes(): Refusal {
  return refused(
    "project_limit_reached",
    "The project has reached its limit of inboxes; use an existing one, delete some and wait " +
      "for a day, or ask the operator for more.",
    { extensions: { limit: "inboxes" } },
  );
}

/** Reports every failure before the subscription is stored as one that stored nothing. */
async function beforeStoring<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isTransient(error) || isNotBegun(error)) throw error;
    throw new NotBegunInTimeError("names in the request could not be looked up", {
      cause: error,
    });
  }
}

async function replay(
  projectId: string,
  id: string,
  { database, warnings }: { readonly database: Database; readonly warnings: readonly Warning[] },
): Promise<Outcome<Subscribed>> {
  return repeated(await findSubscription(database, { projectId, id }), id, warnings);
}

const KEY_USED_OTHERWISE = refused(
  "idempotency_conflict",
  "This Idempotency-Key was used for another request; use a new key for a new request.",
);

function repeated(
  subscription: SubscriptionRecord | null,
  id: string,
  warnings: readonly Warning[],
): Outcome<Subscribed> {
  if (subscription !== null) return { ok: true, value: { subscription, isReplay: true, warnings } };
  return refused(
    "idempotency_conflict",
    `This Idempotency-Key created ${publicId("subscription", id)}, which is no longer ` +
      "stored; use a new key.",
  );
}

function remedyFor(limit: ProjectLimitName): string {
  return limit === "inbox_unread_bytes"
    ? "Acknowledge messages, delete inboxes that nothing reads"
    : "Wait until there are fewer";
}
