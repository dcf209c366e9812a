import { z } from "@hono/zod-openapi";
import { INBOX_NAME } from "../../core/delivery/inbox-target.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  type ConsumerRecord,
  deleteConsumer,
  findConsumers,
  findPosition,
  findPositionAfter,
  markRead,
  moveConsumer,
  type ReadingPosition,
} from "../../store/inboxes/consumers.ts";
import type { InboxName } from "../../store/inboxes/place-messages.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer, NO_CONTENT, type Answer, isoTime } from "../http/answer.ts";
import { stockRefusal } from "../http/limit-refusal.ts";
import { problemOfParts } from "../http/problem.ts";
import type { Outcome, Refusal } from "../../core/problem.ts";
import { defineRoute, type Route, type RouteRequest } from "../http/route.ts";
import { pagingParameters } from "../request/list-query.ts";
import { cursorOf, type FoundInbox, noSuchConsumer, noSuchInbox, positionOf } from "./reader.ts";
import { ackSchema, consumerPageSchema, positionSchema, seekSchema } from "./schema.ts";
import { defineListRoute } from "../http/list-route.ts";

const TAG = "Inboxes";
const BODY_BYTES_MAX = 4 * 1024;
const MARKED_PER_STATEMENT_MAX = 1_000;
/** A client that acknowledges more than this at once has not read message by message. */
const MARKING_STATEMENTS_MAX = 10;

export function consumerRoutes(services: ApiServices, newUuid: UuidSource): Route[] {
  return [list(services), ack(services, newUuid), seek(services, newUuid), remove()];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listInboxConsumers",
    path: "/v1/inboxes/{name}/consumers",
    tag: TAG,
    summary: "List the consumers of an inbox, newest first",
    scope: "subscriptions:read",
    query: z.strictObject(pagingParameters),
    schema: consumerPageSchema,
    problems: ["not_found"],
    async find(wanted, { database, caller: { projectId }, name }) {
      const found = await findReading(database, { projectId, name, consumer: null }, services);
      if (!found.ok) return found;
      const { inbox } = found.value;
      const nowMs = services.clock.now();
      const page = await findConsumers(database, { ...wanted, name, nowMs });
      return { ...page, rows: page.rows.map((consumer) => ({ inbox, consumer })) };
    },
    items: (rows) => rows.map(({ inbox, consumer }) => consumerJson(inbox, consumer)),
  });
}

/** The parts that the two routes that move a consumer share. */
const MOVES = {
  method: "POST",
  tag: TAG,
  scope: "subscriptions:write",
  success: { status: 200, description: "The consumer.", schema: positionSchema },
  problems: ["not_found", "invalid_cursor", "project_limit_reached"],
} as const;

function ack(services: ApiServices, newUuid: UuidSource): Route {
  return defineRoute({
    ...MOVES,
    operationId: "acknowledgeInboxMessages",
    path: "/v1/inboxes/{name}/consumers/{consumer}/ack",
    summary: "Acknowledge messages",
    description:
      "Moves the consumer behind the cursor, never back, and sets read_at of the deliveries " +
      "that no consumer had acknowledged. Messages are kept for their retention, whether they " +
      "are acknowledged or not.",
    body: { schema: ackSchema, bytesMax: BODY_BYTES_MAX },
    async handle(request) {
      const { database, body } = request;
      const target = (inbox: FoundInbox) => positionOf(inbox, body.cursor, CURSOR_PLACE);
      const moved = await move("ack", request, target, { services, newUuid });
      if (!moved.ok) return moved;
      const { inbox, from, to, nowMs, position } = moved.value;
      await markAllRead(database, inbox, { from, to, nowMs });
      return positionAnswer(inbox, position);
    },
  });
}

function seek(services: ApiServices, newUuid: UuidSource): Route {
  return defineRoute({
    ...MOVES,
    operationId: "seekInboxConsumer",
    path: "/v1/inboxes/{name}/consumers/{consumer}/seek",
    summary: "Move a consumer",
    description:
      "Moves the consumer back or forward: behind a cursor, or to the first message that was " +
      "added to the inbox after a time. Acknowledges nothing.",
    body: { schema: seekSchema, bytesMax: BODY_BYTES_MAX },
    async handle(request) {
      const { cursor, after = 0 } = request.body;
      const target = async (inbox: FoundInbox): Promise<Outcome<number>> =>
        cursor === undefined
          ? { ok: true, value: await findPositionAfter(request.database, inbox, after) }
          : positionOf(inbox, cursor, CURSOR_PLACE);
      const moved = await move("seek", request, target, { services, newUuid });
      return moved.ok ? positionAnswer(moved.value.inbox, moved.value.position) : moved;
    },
  });
}

const CURSOR_PLACE = { pointer: "/cursor" };

/** Moves a consumer, which is created by its first move, to a position of its inbox. */
async function move(
  kind: "ack" | "seek",
  { database, caller: { projectId }, name, consumer }: RouteRequest<undefined, unknown>,
  target: (inbox: FoundInbox) => Outcome<number> | Promise<Outcome<number>>,
  { services, newUuid }: { readonly services: ApiServices; readonly newUuid: UuidSource },
): Promise<Outcome<Moved>> {
  const reading = { projectId, name, consumer };
  const found = await findReading(database, reading, services);
  if (!found.ok) return found;
  const { inbox, position: from, isKnown, lastPosition } = found.value;
  const to = await target(inbox);
  if (!to.ok) return to;
  if (to.value > lastPosition) return beyondEnd();
  if (!isKnown) {
    const refusal = await stockRefusal("inbox_consumers", { projectId, database }, services);
    if (refusal !== null) return refusal;
  }
  const nowMs = services.clock.now();
  const newId = newUuid(nowMs, 0);
  const position = await moveConsumer(database, reading, {
    kind,
    newId,
    position: to.value,
    nowMs,
  });
  return { ok: true, value: { inbox, from, to: to.value, nowMs, position } };
}

interface Moved {
  readonly inbox: FoundInbox;
  readonly from: number;
  readonly to: number;
  readonly nowMs: number;
  /** Where the consumer is now: an acknowledgment never moves it back. */
  readonly position: number;
}

function remove(): Route {
  return defineRoute({
    operationId: "deleteInboxConsumer",
    method: "DELETE",
    path: "/v1/inboxes/{name}/consumers/{consumer}",
    tag: TAG,
    summary: "Delete a consumer",
    description:
      "Deletes its position. A new consumer of the same name begins at the first message.",
    scope: "subscriptions:write",
    success: { status: 204, description: "Consumer deleted." },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, name, consumer }) {
      const isThere = await deleteConsumer(database, { projectId, name, consumer });
      return isThere ? NO_CONTENT : noSuchConsumer(consumer);
    },
  });
}

async function findReading(
  database: Database,
  of: InboxName & { readonly consumer: string | null },
  { clock, consumerClaims }: ApiServices,
): Promise<Outcome<ReadingPosition & { readonly inbox: FoundInbox }>> {
  const { projectId, name, consumer } = of;
  const at = { nowMs: clock.now(), nodeId: consumerClaims.nodeId };
  const found = INBOX_NAME.test(name) ? await findPosition(database, of, at) : null;
  if (found === null) return noSuchInbox(name);
  if (consumer !== null && !INBOX_NAME.test(consumer)) return noSuchConsumer(consumer);
  return { ok: true, value: { ...found, inbox: { projectId, name, inboxId: found.inboxId } } };
}

async function markAllRead(
  database: Database,
  inbox: InboxName,
  { from, to, nowMs }: { readonly from: number; readonly to: number; readonly nowMs: number },
): Promise<void> {
  if (to <= from) return;
  const limit = MARKED_PER_STATEMENT_MAX;
  const range = { afterPosition: from, upToPosition: to, nowMs, limit };
  for (let statement = 0; statement < MARKING_STATEMENTS_MAX; statement += 1) {
    if ((await markRead(database, inbox, range)) < limit) return;
  }
}

function beyondEnd(): Refusal {
  const detail =
    "This is behind the last message of the inbox; use a cursor from a page of messages.";
  return { ok: false, problem: problemOfParts("invalid_cursor", [{ pointer: "/cursor", detail }]) };
}

function positionAnswer(inbox: FoundInbox, position: number): Answer {
  const cursor = cursorOf(inbox, position);
  return jsonAnswer(200, JSON.stringify({ object: "inbox_position", cursor }));
}

function consumerJson(inbox: FoundInbox, of: ConsumerRecord): string {
  return JSON.stringify({
    object: "inbox_consumer",
    name: of.name,
    cursor: cursorOf(inbox, of.position),
    unread_bytes: of.unreadBytes,
    is_reading: of.isReading,
    created_at: isoTime(of.createdAtMs),
    active_at: isoTime(of.activeAtMs),
    acked_at: isoTime(of.ackedAtMs),
  });
}
