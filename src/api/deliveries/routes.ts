import { publicId } from "../../core/ids/ids.ts";
import { findDeliveries, findDelivery } from "../../store/deliveries/find-deliveries.ts";
import { redeliver } from "../../store/deliveries/redeliver.ts";
import { jsonAnswer } from "../http/answer.ts";
import { defineListRoute, defineReadRoute } from "../http/list-route.ts";
import { deliveryJson } from "./view.ts";
import { deliveryFiltersSchema } from "./schema.ts";
import type { DeliveryRecord } from "../../store/deliveries/delivery-record.ts";
import type { ApiServices } from "../services.ts";
import { deliveryWaits } from "../waiting.ts";
import { refused } from "../http/problem.ts";
import {
  deliveryPageSchema,
  deliverySchema,
  deliveryWithAttemptsSchema,
} from "../http/response-schemas.ts";
import { defineRoute, notFound } from "../http/route.ts";
import type { Route, RouteRequest } from "../http/route.ts";

const TAG = "Deliveries";

export function deliveryRoutes(services: ApiServices): Route[] {
  return [list(services), read(services), again(services)];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listDeliveries",
    path: "/v1/deliveries",
    tag: TAG,
    summary: "List deliveries, newest first",
    scope: "subscriptions:read",
    query: deliveryFiltersSchema,
    schema: deliveryPageSchema,
    find: (wanted, { database, query }) =>
      findDeliveries(database, {
        ...wanted,
        status: query.status ?? null,
        eventType: query.event_type ?? null,
        errorCode: query.error_code ?? null,
        jobId: query.job_id ?? null,
        subscriptionId: query.subscription ?? null,
        callbackOrigin: query.callback_origin ?? null,
        createdAfterMs: query.created_after ?? null,
        createdBeforeMs: query.created_before ?? null,
      }),
    items: (rows, request) => deliveryItems(rows, request, services),
  });
}

/** A page of deliveries as JSON texts. */
export async function deliveryItems(
  rows: readonly DeliveryRecord[],
  { database, caller }: Pick<RouteRequest<unknown, unknown>, "database" | "caller">,
  services: ApiServices,
): Promise<string[]> {
  const waits = await deliveryWaits(database, services, caller.projectId, rows);
  return rows.map((row) => deliveryJson(row, waits));
}

function read(services: ApiServices): Route {
  return defineReadRoute({
    operationId: "getDelivery",
    path: "/v1/deliveries/{id}",
    tag: TAG,
    summary: "Get a delivery and its attempts",
    scope: "subscriptions:read",
    idKind: "delivery",
    success: { status: 200, description: "The delivery.", schema: deliveryWithAttemptsSchema },
    find: findDelivery,
    async json({ delivery, attempts }, { database, caller: { projectId } }) {
      const waits = await deliveryWaits(database, services, projectId, [delivery]);
      return deliveryJson(delivery, waits, attempts);
    },
  });
}

function again(services: ApiServices): Route {
  return defineRoute({
    operationId: "redeliver",
    method: "POST",
    path: "/v1/deliveries/{id}/redeliver",
    tag: TAG,
    summary: "Redeliver",
    description:
      "Sends the delivery again at once, with the same webhook-id and its whole retry schedule.",
    scope: "subscriptions:write",
    idKind: "delivery",
    success: { status: 202, description: "The delivery.", schema: deliverySchema },
    problems: ["subscription_closed"],
    async handle({ database, caller: { projectId }, id }) {
      const outcome = await redeliver(database, { projectId, id, nowMs: services.clock.now() });
      switch (outcome.kind) {
        case "not_found":
          return notFound("delivery", publicId("delivery", id));
        case "canceled":
          return refused(
            "subscription_closed",
            "The subscription was deleted, so nothing more is delivered; create a new one.",
          );
        case "scheduled": {
          const { delivery } = outcome;
          await services.commands.redelivered([delivery]);
          const waits = await deliveryWaits(database, services, projectId, [delivery]);
          return jsonAnswer(202, deliveryJson(delivery, waits));
        }
      }
    },
  });
}
