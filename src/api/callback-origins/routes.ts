import { z } from "@hono/zod-openapi";
import { mergeOriginStatuses } from "../../core/waiting/lane-status.ts";
import {
  bringForward,
  type CallbackOriginRecord,
  findCallbackOrigin,
  findCallbackOrigins,
  PENDING_COUNTED_MAX,
} from "../../store/deliveries/callback-origins.ts";
import type { ReportedLane } from "../../store/lane-states.ts";
import type { ApiServices } from "../services.ts";
import { jsonAnswer, pageAnswer, isoTime } from "../http/answer.ts";
import { refused } from "../http/problem.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { decodeTextCursor, encodeTextCursor, listScope } from "../request/cursor.ts";
import { flagParameter, pagingParameters } from "../request/list-query.ts";
import { callbackOriginPageSchema, callbackOriginSchema, tryOriginSchema } from "./schema.ts";

const TAG = "Callback origins";
const BODY_BYTES_MAX = 16 * 1024;
/** An origin may have 2048 characters. */
const CURSOR_CHARACTERS_MAX = 4096;

export function callbackOriginRoutes(services: ApiServices): Route[] {
  return [list(services), tryNow(services)];
}

function list(services: ApiServices): Route {
  return defineRoute({
    operationId: "listCallbackOrigins",
    method: "GET",
    path: "/v1/callback-origins",
    tag: TAG,
    summary: "List callback origins with pending deliveries or trouble",
    description:
      "In the order of their names. Each project has its own state of an origin. With several " +
      "nodes it is the state that any of them has reported, about a second old at most.",
    scope: "subscriptions:read",
    query: z.strictObject({
      troubled: flagParameter.openapi({
        type: "boolean",
        default: false,
        description: "Only those that fail or have asked for a pause.",
      }),
      ...pagingParameters,
      cursor: z.string().max(CURSOR_CHARACTERS_MAX).optional().openapi({
        description: "The next_cursor of the previous page. The last page has none.",
      }),
    }),
    success: { status: 200, description: "A page of results.", schema: callbackOriginPageSchema },
    problems: ["invalid_cursor"],
    async handle({ database, caller: { projectId }, query: { cursor, limit, troubled } }) {
      const scope = listScope("callback origins", projectId, { troubled });
      const after = decodeTextCursor(scope, cursor);
      if (!after.ok) return after;
      const rows = await findCallbackOrigins(database, {
        projectId,
        after: after.value,
        limit: limit + 1,
        isTroubled: troubled,
      });
      const page = rows.slice(0, limit);
      const reports = await services.lanes.origins(
        database,
        projectId,
        page.map(({ origin }) => origin),
      );
      const last = rows.length > limit ? page.at(-1) : undefined;
      return pageAnswer(
        page.map((row) => originJson(row, reports)),
        last === undefined ? null : encodeTextCursor(scope, last.origin),
      );
    },
  });
}

function tryNow(services: ApiServices): Route {
  return defineRoute({
    operationId: "tryCallbackOrigin",
    method: "POST",
    path: "/v1/callback-origins/try",
    tag: TAG,
    summary: "Try a callback origin now",
    description:
      "Sends the first pending delivery to the origin at once, even if the origin fails or " +
      "asked for a pause, or the delivery is not due. When the receiver responds, everything " +
      "that is due follows; otherwise deliveries wait as before. Repeating the request while a " +
      "probe is in progress changes nothing.",
    scope: "subscriptions:write",
    body: { schema: tryOriginSchema, bytesMax: BODY_BYTES_MAX },
    success: {
      status: 202,
      description: "The origin before the request.",
      schema: callbackOriginSchema,
    },
    problems: ["not_found"],
    async handle({ database, caller: { projectId }, body: { origin } }) {
      const found = await findCallbackOrigin(database, { projectId, origin });
      if (found === null) {
        return refused("not_found", `Nothing of the project waits for ${origin}.`);
      }
      const reports = await services.lanes.origins(database, projectId, [origin]);
      const nowMs = services.clock.now();
      const first = await bringForward(database, { projectId, origin, nowMs });
      if (first !== null) await services.commands.redelivered([first]);
      await services.lanes.tryOrigin({ projectId, origin, reports });
      return jsonAnswer(202, originJson(found, reports));
    },
  });
}

function originJson(of: CallbackOriginRecord, reports: readonly ReportedLane[]): string {
  const stored = of.errorCode === null ? null : failureOf(of, of.errorCode);
  const { breaker, pausedUntilMs, probeAtMs, failure, perSecond } = mergeOriginStatuses([
    { breaker: "closed", pausedUntilMs: null, probeAtMs: null, failure: stored, perSecond: null },
    ...reports.filter(({ name }) => name === of.origin),
  ]);
  const status = breaker === "closed" ? (pausedUntilMs === null ? "ok" : "paused") : "failing";
  return JSON.stringify({
    object: "callback_origin",
    origin: of.origin,
    status,
    state: status,
    breaker,
    paused_until: isoTime(pausedUntilMs),
    next_probe_at: isoTime(probeAtMs),
    effective_requests_per_second: perSecond,
    pending_deliveries: of.pending,
    pending_is_capped: of.pending === PENDING_COUNTED_MAX,
    first_due_at: isoTime(of.firstDueAtMs),
    last_error:
      failure === null
        ? null
        : { code: failure.code, message: failure.message, at: isoTime(failure.atMs) },
  });
}

function failureOf({ errorMessage, httpStatus, erredAtMs }: CallbackOriginRecord, code: string) {
  const message = errorMessage ?? (httpStatus === null ? null : `HTTP ${httpStatus}`);
  return { code, message, atMs: erredAtMs ?? 0 };
}
