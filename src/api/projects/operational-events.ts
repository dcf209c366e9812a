import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import {
  listOperationalEvents,
  type OperationalEventRecord,
} from "../../store/events/operational-events.ts";
import { defineListRoute } from "../http/list-route.ts";
import { isoTime } from "../http/answer.ts";
import type { Route } from "../http/route.ts";
import { pagingParameters } from "../request/list-query.ts";
import { operationalEventPageSchema, operationalEventTypeSchema } from "./schema.ts";

/** Events about a project's own operation, as its `operations_url` received them. */
export function operationalEventRoutes(): Route[] {
  return [
    defineListRoute({
      operationId: "listOperationalEvents",
      path: "/v1/operational-events",
      tag: "Project",
      summary: "List operational events, newest first",
      description:
        "The latest event of each subject (an origin, a connection or a provider), kept for a day. " +
        "They are recorded while the project has an operations_url; unknown statuses always are.",
      scope: "admin",
      query: z.strictObject({ type: operationalEventTypeSchema.optional(), ...pagingParameters }),
      schema: operationalEventPageSchema,
      find: (wanted, { database, query }) =>
        listOperationalEvents(database, { ...wanted, type: query.type ?? null }),
      items: (rows) => rows.map(operationalEventJson),
    }),
  ];
}

/** An event as JSON text; the digits of its data are those that were sent. */
function operationalEventJson(of: OperationalEventRecord): string {
  const { id, type, occurredAtMs, occurrences, data } = of;
  const head = JSON.stringify({
    id: publicId("operationalEvent", id),
    object: "operational_event",
    type,
    timestamp: isoTime(occurredAtMs),
    occurrences,
  });
  const delivery = JSON.stringify({
    // An earlier release did not store the end.
    status: of.dueAtMs === null ? (of.settledAs ?? "delivered") : "pending",
    attempt_count: of.attemptCount,
    sent_to: of.sentTo,
    http_status: of.httpStatus,
    last_error: of.lastError,
    next_attempt_at: isoTime(of.dueAtMs),
    last_attempt_at: isoTime(of.lastAttemptAtMs),
  });
  return `${head.slice(0, -1)},"data":${data},${delivery.slice(1)}`;
}
