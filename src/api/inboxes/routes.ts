import { z } from "@hono/zod-openapi";
import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import { deleteInbox } from "../../store/inboxes/manage-inboxes.ts";
import { findInbox, findInboxes, type InboxRecord } from "../../store/inboxes/find-inboxes.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer, NO_CONTENT, isoTime } from "../http/answer.ts";
import { problemOfParts } from "../http/problem.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { pagingParameters } from "../request/list-query.ts";
import { tooManyInboxes } from "../subscriptions/subscribe.ts";
import { missingInbox, noSuchInbox } from "./reader.ts";
import { inboxPageSchema, inboxSchema, NAME_RULE } from "./schema.ts";
import { defineListRoute } from "../http/list-route.ts";

const TAG = "Inboxes";
/** More than could be stored in the moments before a deletion. */
const PLACING_STEPS_MAX = 20;

export function inboxRoutes(services: ApiServices): Route[] {
  return [list(services), read(services), create(services), remove(services)];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listInboxes",
    path: "/v1/inboxes",
    tag: TAG,
    summary: "List inboxes, newest first",
    scope: "subscriptions:read",
    query: z.strictObject(pagingParameters),
    schema: inboxPageSchema,
    find: (wanted, { database }) => {
      const { inlineResultBytesMax } = services;
      return findInboxes(database, { ...wanted, inlineResultBytesMax });
    },
    items: (rows) => rows.map(inboxJson),
  });
}

function read(services: ApiServices): Route {
  return defineRoute({
    operationId: "getInbox",
    method: "GET",
    path: "/v1/inboxes/{name}",
    tag: TAG,
    summary: "Get an inbox",
    scope: "subscriptions:read",
    success: { status: 200, description: "The inbox.", schema: inboxSchema },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, name }) {
      const found = INBOX_NAME.test(name)
        ? await findInbox(database, { projectId, name }, services.inlineResultBytesMax)
        : null;
      return found === null ? noSuchInbox(name) : jsonAnswer(200, inboxJson(found));
    },
  });
}

function create(services: ApiServices): Route {
  return defineRoute({
    operationId: "createInbox",
    method: "PUT",
    path: "/v1/inboxes/{name}",
    tag: TAG,
    summary: "Create an inbox",
    description:
      "Does nothing if it exists. Allows waiting for messages before the first subscription " +
      "names it.",
    scope: "subscriptions:write",
    success: { status: 200, description: "The inbox.", schema: inboxSchema },
    problems: ["validation_failed", "project_limit_reached"],
    async handle({ database, caller: { projectId }, name }) {
      if (!INBOX_NAME.test(name)) {
        const part = { parameter: "name", detail: `The name of an inbox has ${NAME_RULE}.` };
        return { ok: false, problem: problemOfParts("validation_failed", [part]) };
      }
      const inbox = { projectId, name };
      services.inboxes.forget(inbox);
      if (!(await services.inboxes.ensure(database, inbox))) return tooManyInboxes();
      const made = await findInbox(database, inbox, services.inlineResultBytesMax);
      return made === null ? noSuchInbox(name) : jsonAnswer(200, inboxJson(made));
    },
  });
}

function remove(services: ApiServices): Route {
  return defineRoute({
    operationId: "deleteInbox",
    method: "DELETE",
    path: "/v1/inboxes/{name}",
    tag: TAG,
    summary: "Delete an inbox",
    description:
      "Deletes its messages and consumers too. A later message of a subscription that still " +
      "names it creates it again, so delete those subscriptions first.",
    scope: "subscriptions:write",
    success: { status: 204, description: "Inbox deleted." },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, name }) {
      const inbox = { projectId, name };
      const missing = await missingInbox(database, inbox);
      if (missing !== null) return missing;
      // Already stored messages are deleted too.
      for (let step = 0; step < PLACING_STEPS_MAX; step += 1) {
        if ((await services.inboxFeed.place(database, inbox)) === 0) break;
      }
      services.inboxes.forget(inbox);
      const isDeleted = await deleteInbox(database, { ...inbox, nowMs: services.clock.now() });
      return isDeleted ? NO_CONTENT : noSuchInbox(name);
    },
  });
}

function inboxJson(of: InboxRecord): string {
  return JSON.stringify({
    object: "inbox",
    name: of.name,
    unread_bytes: of.unreadBytes,
    last_message_at: isoTime(of.lastMessageAtMs),
    created_at: isoTime(of.createdAtMs),
  });
}
