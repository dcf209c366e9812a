import { z } from "@hono/zod-openapi";
import { publicId } from "../core/ids/ids.ts";
import type { ApiServices } from "./services.ts";
import { jsonAnswer, NO_CONTENT } from "./http/answer.ts";
import { newestEventSchema } from "./http/event-schemas.ts";
import { defineRoute, type Route, WAITS_FOR_OTHERS_MS } from "./http/route.ts";
import { idParameter, secondsParameter } from "./request/list-query.ts";
import type { WaitingRequests } from "./request/waiting-requests.ts";

const SCOPE = "subscriptions:read";
const TIMEOUT_S_DEFAULT = 30;
const TIMEOUT_S_MAX = 300;

/** Waits for an event of the project, so that a list of them can be followed without asking all the time. */
export function eventWaitRoute(services: ApiServices, waiting: WaitingRequests): Route {
  return defineRoute({
    operationId: "waitForEvent",
    method: "GET",
    path: "/v1/events/wait",
    tag: "Events",
    summary: "Wait for the next event",
    description:
      "Responds with the id of the newest event as soon as there is one newer than after, at most about half " +
      "a second after it was recorded; 204 when there is none within timeout_s, or when this node stops: repeat the " +
      "request. Then list the events. An event may be recorded a moment later than a newer one, so list " +
      "those of the last seconds once more.",
    scope: SCOPE,
    query: z.strictObject({
      after: idParameter("event").openapi({
        description:
          "The newest event that is known; without it, the newest one at the time of the request.",
      }),
      timeout_s: secondsParameter(TIMEOUT_S_MAX, TIMEOUT_S_DEFAULT).openapi({
        description: "Maximum time to wait; 0 returns at once.",
      }),
    }),
    answeredWithinMs: WAITS_FOR_OTHERS_MS,
    success: {
      status: 200,
      description: "The newest event.",
      empty: "There is no newer event.",
      schema: newestEventSchema,
    },
    async handle({ caller: { projectId }, client, query, signal, database }) {
      const { eventWaits } = services;
      const newestId = await eventWaits.newestOf(database, projectId);
      const after = query.after ?? newestId;
      if (newestId > after) return answer(newestId);
      if (query.timeout_s === 0) return NO_CONTENT;
      return waiting.during(projectId, signal, async () => {
        const wait = { timeoutMs: query.timeout_s * 1000, signal };
        const outcome = await eventWaits.wait({ projectId, afterId: after }, wait);
        if (outcome !== "settled") return NO_CONTENT;
        const refusal = await client.recheck(SCOPE);
        return refusal ?? answer(await eventWaits.newestOf(database, projectId));
      });
    },
  });
}

function answer(id: string) {
  return jsonAnswer(200, `{"object":"newest_event","id":"${publicId("event", id)}"}`);
}
