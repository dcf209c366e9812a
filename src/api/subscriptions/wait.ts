import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { findEnding } from "../../store/subscriptions/find-ending.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer, NO_CONTENT } from "../http/answer.ts";
import { refused } from "../http/problem.ts";
import { endingSchema } from "../http/event-schemas.ts";
import {
  defineRoute,
  notFound,
  type Reply,
  type RequestScope,
  type Route,
  WAITS_FOR_OTHERS_MS,
} from "../http/route.ts";
import { secondsParameter } from "../request/list-query.ts";
import type { WaitingRequests } from "../request/waiting-requests.ts";

const SCOPE = "subscriptions:read";
const TIMEOUT_S_DEFAULT = 60;
const TIMEOUT_S_MAX = 300;

/** Waits for the ending of a subscription's job. */
export function waitRoute(services: ApiServices, waiting: WaitingRequests): Route {
  return defineRoute({
    operationId: "waitForSubscription",
    method: "GET",
    path: "/v1/subscriptions/{id}/wait",
    tag: "Subscriptions",
    summary: "Wait until the job ends",
    description:
      "Returns as soon as the job has ended, with the body of the callback about it, and with " +
      "the callback's webhook-id, webhook-timestamp and webhook-signature as headers. Returns " +
      "204 when the job still runs after timeout_s, or when this node stops: repeat the " +
      "request. The callback is sent independently of this, and the subscription's events " +
      "don't matter here.",
    scope: SCOPE,
    idKind: "subscription",
    query: z.strictObject({
      timeout_s: secondsParameter(TIMEOUT_S_MAX, TIMEOUT_S_DEFAULT).openapi({
        description: "Maximum time to wait; 0 returns at once.",
      }),
    }),
    answeredWithinMs: WAITS_FOR_OTHERS_MS,
    success: {
      status: 200,
      description: "The ending, as in the callback.",
      empty: "The job still runs.",
      schema: endingSchema,
    },
    problems: ["subscription_closed"],
    async handle({ caller: { projectId }, client, id, query, disconnection, ...scope }) {
      const signal = disconnection();
      const timeoutMs = query.timeout_s * 1000;
      const first = await look({ projectId, id }, services, scope);
      if (!("jobRowId" in first)) return first;
      if (timeoutMs === 0) return NO_CONTENT;
      return waiting.during(projectId, signal, async () => {
        const outcome = await services.endingWaits.wait({ ...first, id }, timeoutMs, signal);
        if (outcome !== "settled") return NO_CONTENT;
        const refusal = await client.recheck(SCOPE);
        if (refusal !== null) return refusal;
        const last = await look({ projectId, id }, services, scope);
        return "jobRowId" in last ? NO_CONTENT : last;
      });
    },
  });
}

/** The response, or the key of the job if it still runs. */
async function look(
  key: { readonly projectId: string; readonly id: string },
  services: ApiServices,
  { database }: RequestScope,
): Promise<Reply | { readonly shardId: number; readonly jobRowId: string }> {
  const found = await findEnding(database, key, services.inlineResultBytesMax);
  if (found === null) return notFound("subscription", publicId("subscription", key.id));
  if (found.ending !== null) {
    const { headers, body } = await services.delivery.message(found.ending);
    const ofWebhook = Object.entries(headers).filter(([name]) => name.startsWith("webhook-"));
    return jsonAnswer(200, body, Object.fromEntries(ofWebhook));
  }
  const { shardId, jobRowId, closedAs } = found;
  if (closedAs === null) return { shardId, jobRowId };
  return refused(
    "subscription_closed",
    `The subscription is ${closedAs} and its job has not ended; create a new one to wait for ` +
      "it.",
  );
}
