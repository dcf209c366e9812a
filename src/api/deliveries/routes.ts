import { z } from "@hono/zod-openapi";
import { DELIVERY_STATUSES } from "../../core/delivery/delivery-outcome.ts";
import { publicId } from "../../core/ids/ids.ts";
import { findDeliveries, findDelivery } from "../../store/deliveries/find-deliveries.ts";
import { redeliver } from "../../store/deliveries/redeliver.ts";
import { jsonAnswer, pageAnswer } from "../http/answer.ts";
import { decodeCursor, encodeCursor, listScope } from "../request/cursor.ts";
import { deliveryJson } from "./view.ts";
import { originSchema, pagingParameters, timeParameter } from "../request/list-query.ts";
import type { ApiPorts } from "../context.ts";
import { deliveryWaits } from "../waiting.ts";
import { refused } from "../http/problem.ts";
import {
  deliveryPageSchema,
  deliverySchema,
  deliveryWithAttemptsSchema,
} from "../http/response-schemas.ts";
import { defineRoute, notFound } from "../http/route.ts";
import type { Route } from "../http/route.ts";

const TAG = "Deliveries";

export function deliveryRoutes(ports: ApiPorts): Route[] {
  return [list(ports), read(ports), again(ports)];
}

function list(ports: ApiPorts): Route {
  return defineRoute({
    operationId: "listDeliveries",
    method: "GET",
    path: "/v1/deliveries",
    tag: TAG,
    summary: "List deliveries, newest first",
    scope: "subscriptions:read",
    query: z.strictObject({
      status: z.enum(DELIVERY_STATUSES).optional(),
      callback_origin: originSchema.optional(),
      created_after: timeParameter,
      ...pagingParameters,
    }),
    success: { status: 200, description: "A page of results.", schema: deliveryPageSchema },
    problems: ["invalid_cursor"],
    async handle({ database, caller: { projectId }, query }) {
      const { cursor, limit, ...filters } = query;
      const scope = listScope("deliveries", projectId, filters);
      const beforeId = decodeCursor(scope, cursor);
      if (!beforeId.ok) return beforeId;
      const page = await findDeliveries(database, {
        projectId,
        limit,
        beforeId: beforeId.value,
        status: filters.status ?? null,
        callbackOrigin: filters.callback_origin ?? null,
        createdAfterMs: filters.created_after ?? null,
      });
      const waits = await deliveryWaits(database, ports, projectId, page.rows);
      const items = page.rows.map((row) => deliveryJson(row, waits));
      return pageAnswer(items, page.lastId === null ? null : encodeCursor(scope, page.lastId));
    },
  });
}

function read(ports: ApiPorts): Route {
  return defineRoute({
    operationId: "getDelivery",
    method: "GET",
    path: "/v1/deliveries/{id}",
    tag: TAG,
    summary: "Get a delivery and its attempts",
    scope: "subscriptions:read",
    idKind: "delivery",
    success: { status: 200, description: "The delivery.", schema: deliveryWithAttemptsSchema },
    async handle({ database, caller: { projectId }, id }) {
      const found = await findDelivery(database, { projectId, id });
      if (found === null) return notFound("delivery", publicId("delivery", id));
      const waits = await deliveryWaits(database, ports, projectId, [found.delivery]);
      return jsonAnswer(200, deliveryJson(found.delivery, waits, found.attempts));
    },
  });
}

function again(ports: ApiPorts): Route {
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
      const outcome = await redeliver(database, { projectId, id, nowMs: ports.clock.now() });
      switch (outcome.kind) {
        case "not_found":
          return notFound("delivery", publicId("delivery", id));
        case "canceled":
          return refused(
            "subscription_closed",
            "The subscription was deleted, so nothing more is delivered; make a new one.",
          );
        case "scheduled": {
          const { delivery } = outcome;
          await ports.commands.redelivered([delivery]);
          const waits = await deliveryWaits(database, ports, projectId, [delivery]);
          return jsonAnswer(202, deliveryJson(delivery, waits));
        }
      }
    },
  });
}
