import { z } from "@hono/zod-openapi";
import { parsePublicId, publicId } from "../../core/ids/ids.ts";
import type { UuidSource } from "../../runtime/runtime.ts";
import type { Database } from "../../store/db/database.ts";
import {
  cancelRedelivery,
  createRedelivery,
  findRedeliveries,
  findRedelivery,
  type RedeliveryFilter,
  type RedeliveryRecord,
} from "../../store/deliveries/redeliveries.ts";
import { jsonAnswer, NO_CONTENT, isoTime } from "../http/answer.ts";
import { defineCreatingRoute, isReplayed } from "../http/creating-route.ts";
import { defineListRoute, defineReadRoute } from "../http/list-route.ts";
import { pagingParameters } from "../request/list-query.ts";
import { limitRefusal, stockRefusal } from "../http/limit-refusal.ts";
import type { ApiServices } from "../services.ts";
import type { Refusal } from "../../core/problem.ts";
import { redeliveryPageSchema, redeliveryRequestSchema, redeliverySchema } from "./schema.ts";
import { defineRoute, notFound, type Route } from "../http/route.ts";
import { withinTransaction } from "../../store/db/database.ts";

function redeliveryJson(of: RedeliveryRecord): string {
  return JSON.stringify({
    id: publicId("redelivery", of.id),
    object: "redelivery",
    status: of.state,
    state: of.state,
    dry_run: of.isDryRun,
    filter: {
      status: of.status,
      event_type: of.eventType,
      error_code: of.errorCode,
      callback_origin: of.callbackOrigin,
      created_after: isoTime(of.createdAfterMs),
      created_before: isoTime(of.createdBeforeMs),
    },
    deliveries_per_second: of.perSecond,
    matched: of.matched,
    redelivered: of.redelivered,
    skipped: of.skipped,
    created_at: isoTime(of.createdAtMs),
    finished_at: isoTime(of.finishedAtMs),
  });
}

const TAG = "Redeliveries";
const BODY_BYTES_MAX = 16 * 1024;
/** A dry run is answered with its count if counting takes no longer than this. */
const COUNTED_WITHIN_MS = 2_000;

export function redeliveryRoutes(services: ApiServices, newUuid: UuidSource): Route[] {
  return [create(services, newUuid), list(), read(), cancel(services)];
}

function create(services: ApiServices, newUuid: UuidSource): Route {
  return defineCreatingRoute(services, {
    operationId: "createRedelivery",
    path: "/v1/redeliveries",
    tag: TAG,
    summary: "Redeliver matching deliveries",
    description:
      "Runs in the background, oldest first, and survives restarts of nodes. Each delivery " +
      "keeps its webhook-id and gets its whole retry schedule again. Deliveries that are " +
      "created, or fail, after this request are not included. A dry run only counts: its " +
      "response waits up to 2 s for the count.",
    scope: "subscriptions:write",
    body: { schema: redeliveryRequestSchema, bytesMax: BODY_BYTES_MAX },
    success: { status: 202, description: "The redelivery.", schema: redeliverySchema },
    problems: ["too_many_redeliveries", "project_limit_exceeded", "project_limit_reached"],
    async handle(request) {
      const { database, body } = request;
      const { projectId } = request.caller;
      const { redeliveries, clock } = services;
      const nowMs = clock.now();
      const id = newUuid(nowMs, redeliveries.shardForNew());
      const isDryRun = body.dry_run ?? false;
      const requested = {
        id,
        projectId,
        nowMs,
        isDryRun,
        ...filterOf(body, nowMs),
        perSecond: body.deliveries_per_second ?? redeliveries.perSecondDefault,
      };
      const isOwedMuch =
        (services.limits.used(projectId, "owed_deliveries") ?? 0) >=
        services.limits.allowed(projectId, "owed_deliveries");
      if (isOwedMuch) return owedMuch(projectId, services);
      const refusal = await stockRefusal("redeliveries", { projectId, database }, services);
      if (refusal !== null) return refusal;
      const runningMax = services.limits.allowed(projectId, "redeliveries_running");
      const reply = await withinTransaction(database, "create-redelivery", (within) =>
        request.once(within, async () => {
          if (!(await createRedelivery(within, requested, runningMax)))
            return tooMany(projectId, services);
          return jsonAnswer(202, redeliveryJson(await storedRedelivery(within, { projectId, id })));
        }),
      );
      if ("problem" in reply || isReplayed(reply)) return reply;
      await redeliveries.begin({ projectId, id }, isDryRun ? COUNTED_WITHIN_MS : 0);
      return {
        ...reply,
        body: redeliveryJson(await storedRedelivery(database, { projectId, id })),
      };
    },
    // With its progress since.
    async repeated(answer, { database, caller: { projectId } }) {
      const { id: publicId } = JSON.parse(answer.body as string) as { readonly id: string };
      const id = parsePublicId("redelivery", publicId) ?? "";
      const found = await findRedelivery(database, { projectId, id });
      return found === null ? answer : { ...answer, body: redeliveryJson(found) };
    },
  });
}

/** Null leaves a filter out. */
function filterOf(body: z.output<typeof redeliveryRequestSchema>, nowMs: number): RedeliveryFilter {
  return {
    status: body.status,
    eventType: body.event_type ?? null,
    errorCode: body.error_code ?? null,
    callbackOrigin: body.callback_origin ?? null,
    createdAfterMs: body.created_after ?? null,
    createdBeforeMs: Math.min(body.created_before ?? nowMs, nowMs),
  };
}

async function storedRedelivery(
  database: Database,
  key: { readonly projectId: string; readonly id: string },
): Promise<RedeliveryRecord> {
  const stored = await findRedelivery(database, key);
  if (stored === null) throw new Error("A redelivery that was stored is missing.");
  return stored;
}

function owedMuch(projectId: string, { limits }: ApiServices): Refusal {
  return limitRefusal(limits, {
    projectId,
    name: "owed_deliveries",
    code: "project_limit_exceeded",
    detail: "The project has reached its limit of pending deliveries; wait until there are fewer.",
    retryAfterS: 10,
  });
}

function tooMany(projectId: string, { limits }: ApiServices): Refusal {
  return limitRefusal(limits, {
    projectId,
    name: "redeliveries_running",
    code: "too_many_redeliveries",
    detail:
      "The project has reached its limit of running redeliveries; wait until one ends, or " +
      "cancel one.",
    retryAfterS: 10,
  });
}

function list(): Route {
  return defineListRoute({
    operationId: "listRedeliveries",
    path: "/v1/redeliveries",
    tag: TAG,
    summary: "List redeliveries, newest first",
    scope: "subscriptions:read",
    query: z.strictObject(pagingParameters),
    schema: redeliveryPageSchema,
    find: (wanted, { database }) => findRedeliveries(database, wanted),
    items: (rows) => rows.map((row) => redeliveryJson(row)),
  });
}

function read(): Route {
  return defineReadRoute({
    operationId: "getRedelivery",
    path: "/v1/redeliveries/{id}",
    tag: TAG,
    summary: "Get a redelivery and its progress",
    scope: "subscriptions:read",
    idKind: "redelivery",
    success: { status: 200, description: "The redelivery.", schema: redeliverySchema },
    find: findRedelivery,
    json: redeliveryJson,
  });
}

function cancel(services: ApiServices): Route {
  return defineRoute({
    operationId: "cancelRedelivery",
    method: "DELETE",
    path: "/v1/redeliveries/{id}",
    tag: TAG,
    summary: "Cancel a redelivery",
    description: "Stops the redelivery. Deliveries that it has already queued are still sent.",
    scope: "subscriptions:write",
    idKind: "redelivery",
    success: { status: 204, description: "Redelivery canceled (idempotent)." },
    async handle({ database, caller: { projectId }, id }) {
      const nowMs = services.clock.now();
      const isThere = await cancelRedelivery(database, { projectId, id, nowMs });
      return isThere ? NO_CONTENT : notFound("redelivery", publicId("redelivery", id));
    },
  });
}
