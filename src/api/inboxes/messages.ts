import { z } from "@hono/zod-openapi";
import type { ApiServices } from "../services.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { Answer } from "../http/answer.ts";
import { defineRoute, type Reply, type Route, WAITS_FOR_OTHERS_MS } from "../http/route.ts";
import { pagingParameters, secondsParameter } from "../request/list-query.ts";
import type { WaitingRequests } from "../request/waiting-requests.ts";
import type { FoundInbox, InboxReader, ReadPage } from "./reader.ts";
import { consumerParameter, cursorParameter, messagesSchema } from "./schema.ts";
import { claimingConsumer, cursorOf } from "./reader.ts";

const WAIT_S_MAX = 60;
const SCOPE = "subscriptions:read";

export function messagesRoute(
  services: ApiServices,
  reader: InboxReader,
  waiting: WaitingRequests,
): Route {
  return defineRoute({
    operationId: "readInboxMessages",
    method: "GET",
    path: "/v1/inboxes/{name}/messages",
    tag: "Inboxes",
    summary: "Read the next messages",
    description:
      "Responds as soon as there is a message, or after wait_s without one. Reading moves no " +
      "consumer: acknowledge the cursor once its messages are processed, or they are returned " +
      "again. Messages come in the order in which they were committed, and none is skipped. " +
      "While one request waits for a consumer, another one gets consumer_busy.",
    scope: SCOPE,
    query: z.strictObject({
      consumer: consumerParameter,
      cursor: cursorParameter,
      wait_s: secondsParameter(WAIT_S_MAX, 0).openapi({
        description: "Seconds to wait for a message.",
      }),
      limit: pagingParameters.limit,
    }),
    answeredWithinMs: WAITS_FOR_OTHERS_MS,
    success: { status: 200, description: "The messages.", schema: messagesSchema },
    problems: ["not_found", "invalid_cursor", "consumer_busy", "project_limit_reached"],
    async handle({ caller: { projectId }, client, name, query, disconnection, database }) {
      const signal = disconnection();
      const consumer = query.consumer ?? null;
      const cursor = { text: query.cursor, where: "parameter" } as const;
      const start = await reader.begin(database, { projectId, name, consumer }, cursor);
      if (!start.ok) return start;
      const { inbox, isKnownConsumer } = start.value;
      const { limit } = query;
      const first = await reader.page(database, inbox, { position: start.value.position, limit });
      if (!first.ok) return first;
      if (first.value.messages.length > 0 || query.wait_s === 0) return answer(inbox, first.value);
      const untilMs = services.clock.monotonic() + query.wait_s * 1000;
      const nextMessages = async (): Promise<Reply> => {
        let page = first.value;
        for (;;) {
          const wait = { timeoutMs: untilMs - services.clock.monotonic(), signal };
          const outcome = await services.inboxFeed.waitFor(inbox, page.position, wait);
          if (outcome !== "settled") return answer(inbox, page);
          const refusal = await client.recheck(SCOPE);
          if (refusal !== null) return refusal;
          const next = await reader.page(database, inbox, { position: page.position, limit });
          if (!next.ok) return next;
          page = next.value;
          if (page.messages.length > 0) return answer(inbox, page);
        }
      };
      const claimed = { inbox, consumer, isKnownConsumer, database };
      return waiting.during(projectId, signal, () =>
        claimingConsumer(services, claimed, nextMessages),
      );
    },
  });
}

function answer(inbox: FoundInbox, { messages, position, hasMore, hasUnplaced }: ReadPage): Answer {
  const data = messages.map(({ json }) => json).join(",");
  const cursor = JSON.stringify(cursorOf(inbox, position));
  return jsonAnswer(
    200,
    `{"data":[${data}],"cursor":${cursor},"done":${!hasMore && !hasUnplaced}}`,
  );
}
