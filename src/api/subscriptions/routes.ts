import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { deleteSubscription } from "../../store/subscriptions/delete-subscription.ts";
import { EVERY_DELIVERY, findDeliveries } from "../../store/deliveries/find-deliveries.ts";
import { findSubscriptions } from "../../store/subscriptions/find-subscriptions.ts";
import { findSubscription } from "../../store/subscriptions/subscription-record.ts";
import { jsonAnswer, NO_CONTENT } from "../http/answer.ts";
import { defineListRoute, defineReadRoute } from "../http/list-route.ts";
import { deliveryItems } from "../deliveries/routes.ts";
import { idempotencyHeaders, readIdempotencyKey } from "../http/creating-route.ts";
import { flagParameter, pagingParameters } from "../request/list-query.ts";
import type { ApiServices } from "../services.ts";
import { jobWaits } from "../waiting.ts";
import { refused } from "../http/problem.ts";
import { deliveryPageSchema } from "../http/response-schemas.ts";
import { defineRoute, notFound } from "../http/route.ts";
import type { Route } from "../http/route.ts";
import { subscribe, SUBSCRIBE_PROBLEMS } from "./subscribe.ts";
import { BATCH_ITEMS_MAX, batchRequestSchema, subscribeBatch } from "./batch.ts";
import { createdSubscriptionJson, subscriptionJson, waitingJob } from "./view.ts";
import type { WaitingRequests } from "../request/waiting-requests.ts";
import { waitRoute } from "./wait.ts";
import {
  subscriptionFiltersSchema,
  subscriptionRequestSchema,
  batchResponseSchema,
  newSubscriptionSchema,
  subscriptionPageSchema,
  subscriptionSchema,
} from "./schema.ts";
import { readTraceContext } from "../../core/trace-context.ts";

/** For the documentation; {@link traceOfRequest} reads them. */
const traceHeadersSchema = z.object({
  traceparent: z.string().optional().openapi({
    description:
      "W3C Trace Context: the callbacks belong to the same trace. Ignored when malformed.",
  }),
  tracestate: z.string().optional(),
});

/** The trace that a request names as its own, or null. */
function traceOfRequest(headers: Headers): string | null {
  const traceparent = headers.get("traceparent");
  return traceparent === null ? null : readTraceContext(traceparent, headers.get("tracestate"));
}

const BODY_BYTES_MAX = 256 * 1024;
const BATCH_BODY_BYTES_MAX = 8 * 1024 * 1024;
const TAG = "Subscriptions";

export function subscriptionRoutes(services: ApiServices, waiting: WaitingRequests): Route[] {
  return [
    create(services),
    createBatch(services),
    list(services),
    read(services),
    remove(services),
    poll(services),
    waitRoute(services, waiting),
    listDeliveries(services),
  ];
}

function create(services: ApiServices): Route {
  return defineRoute({
    operationId: "createSubscription",
    method: "POST",
    path: "/v1/subscriptions",
    tag: TAG,
    summary: "Subscribe to a job",
    description:
      "Returns once the subscription is durably stored. If the job has already ended, the " +
      "callback is sent at once.",
    scope: "subscriptions:write",
    headers: idempotencyHeaders.extend(traceHeadersSchema.shape),
    body: { schema: subscriptionRequestSchema, bytesMax: BODY_BYTES_MAX },
    callbackField: "callback_url",
    success: { status: 201, description: "The subscription.", schema: newSubscriptionSchema },
    problems: ["invalid_header", ...SUBSCRIBE_PROBLEMS],
    async handle({ caller, body, bodyText, headers, deadline, database }) {
      const idempotencyKey = readIdempotencyKey(headers);
      if (!idempotencyKey.ok) return idempotencyKey;
      const subscribed = await subscribe(
        {
          projectId: caller.projectId,
          request: body,
          text: bodyText,
          idempotencyKey: idempotencyKey.value,
          trace: traceOfRequest(headers),
        },
        services,
        { deadline, database },
      );
      if (!subscribed.ok) return subscribed;
      const { isReplay } = subscribed.value;
      const json = createdSubscriptionJson(subscribed.value, services);
      return jsonAnswer(201, json, isReplay ? { "idempotent-replayed": "true" } : undefined);
    },
  });
}

function createBatch(services: ApiServices): Route {
  return defineRoute({
    operationId: "createSubscriptions",
    method: "POST",
    path: "/v1/subscriptions/batch",
    tag: TAG,
    summary: "Subscribe to many jobs at once",
    description:
      `Accepts up to ${BATCH_ITEMS_MAX} subscriptions, as {"subscriptions": […]} or as a bare ` +
      "array, and returns one result each, in the given order. A bad item never fails another; " +
      "pointers are relative to the item. With an Idempotency-Key, each item is identified by " +
      "its position; idempotency_keys gives each item a key of its own.",
    scope: "subscriptions:write",
    headers: idempotencyHeaders.extend(traceHeadersSchema.shape),
    body: { schema: batchRequestSchema, bytesMax: BATCH_BODY_BYTES_MAX },
    success: { status: 200, description: "One result an item.", schema: batchResponseSchema },
    problems: ["invalid_header"],
    async handle({ caller, body, bodyText, headers, deadline, database }) {
      const idempotencyKey = readIdempotencyKey(headers);
      if (!idempotencyKey.ok) return idempotencyKey;
      return subscribeBatch(
        {
          projectId: caller.projectId,
          body,
          text: bodyText,
          idempotencyKey: idempotencyKey.value,
          trace: traceOfRequest(headers),
        },
        services,
        { deadline, database },
      );
    },
  });
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listSubscriptions",
    path: "/v1/subscriptions",
    tag: TAG,
    summary: "List subscriptions, newest first",
    scope: "subscriptions:read",
    query: subscriptionFiltersSchema,
    schema: subscriptionPageSchema,
    find: (wanted, { database, query }) =>
      findSubscriptions(database, {
        ...wanted,
        statuses: query.status ?? [],
        jobId: query.job_id ?? null,
        provider: query.provider ?? null,
        connection: query.connection ?? null,
        callbackOrigin: query.callback_origin ?? null,
        metadata: query.metadata ?? null,
        createdAfterMs: query.created_after ?? null,
      }),
    async items(rows, { database }) {
      const waits = await jobWaits(database, services, rows.map(waitingJob));
      return rows.map((row) => subscriptionJson(row, services, waits));
    },
  });
}

function read(services: ApiServices): Route {
  return defineReadRoute({
    operationId: "getSubscription",
    path: "/v1/subscriptions/{id}",
    tag: TAG,
    summary: "Get a subscription",
    scope: "subscriptions:read",
    idKind: "subscription",
    success: { status: 200, description: "The subscription.", schema: subscriptionSchema },
    find: findSubscription,
    json: async (found, { database }) =>
      subscriptionJson(found, services, await jobWaits(database, services, [waitingJob(found)])),
  });
}

function remove(services: ApiServices): Route {
  return defineRoute({
    operationId: "deleteSubscription",
    method: "DELETE",
    path: "/v1/subscriptions/{id}",
    tag: TAG,
    summary: "Delete a subscription",
    description:
      "No further callbacks are sent. The job continues at the upstream; cancel_job=true also " +
      "asks the upstream to cancel it.",
    scope: "subscriptions:write",
    idKind: "subscription",
    query: z.strictObject({ cancel_job: flagParameter }),
    success: { status: 204, description: "Subscription deleted (idempotent)." },
    async handle({ database, caller: { projectId }, id, query }) {
      const nowMs = services.clock.now();
      const deleted = await deleteSubscription(database, { projectId, id, nowMs });
      if (deleted === null) return notFound("subscription", publicId("subscription", id));
      const { jobEnded, ...job } = deleted;
      const cancelJob = query.cancel_job && !jobEnded;
      await services.commands.unsubscribed({ ...job, subscriptionId: id, cancelJob });
      return NO_CONTENT;
    },
  });
}

function poll(services: ApiServices): Route {
  return defineRoute({
    operationId: "pollSubscription",
    method: "POST",
    path: "/v1/subscriptions/{id}/poll",
    tag: TAG,
    summary: "Poll the job now",
    description:
      "As soon as the connection's limits allow. Nothing is polled once the job has ended.",
    scope: "subscriptions:write",
    idKind: "subscription",
    success: { status: 202, description: "The subscription.", schema: subscriptionSchema },
    problems: ["subscription_closed"],
    async handle({ database, caller: { projectId }, id }) {
      const found = await findSubscription(database, { projectId, id });
      if (found === null) return notFound("subscription", publicId("subscription", id));
      if (found.job.endedAtMs === null) {
        if (found.status !== "active") {
          return refused(
            "subscription_closed",
            `The subscription is ${found.status}; create a new one.`,
          );
        }
        await services.commands.pollNow(found.shardId, found.jobRowId);
      }
      const waits = await jobWaits(database, services, [waitingJob(found)]);
      return jsonAnswer(202, subscriptionJson(found, services, waits));
    },
  });
}

function listDeliveries(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listSubscriptionDeliveries",
    path: "/v1/subscriptions/{id}/deliveries",
    tag: TAG,
    summary: "List a subscription's deliveries, newest first",
    scope: "subscriptions:read",
    idKind: "subscription",
    query: z.strictObject(pagingParameters),
    schema: deliveryPageSchema,
    async find(wanted, { database, id }) {
      const found = await findSubscription(database, { projectId: wanted.projectId, id });
      if (found === null) return notFound("subscription", publicId("subscription", id));
      return findDeliveries(database, { ...EVERY_DELIVERY, ...wanted, subscriptionId: id });
    },
    items: (rows, request) => deliveryItems(rows, request, services),
  });
}
