import { z } from "@hono/zod-openapi";
import { publicId } from "../../core/ids/ids.ts";
import { eventMembers, FETCHED, isResultFetched } from "../../core/delivery/event.ts";
import { textOfResult } from "../../core/json/raw-result.ts";
import { findEvent, findEventResult } from "../../store/events/find-events.ts";
import type { EventRecord } from "../../store/events/find-events.ts";
import { findEvents } from "../../store/events/list-events.ts";
import { findPart, findTextPart } from "../../store/writes/result-parts.ts";
import { jsonAnswer, NO_CONTENT } from "../http/answer.ts";
import { linkQuery, linkRefusal } from "../http/auth.ts";
import { limitRefusal } from "../http/limit-refusal.ts";
import { PagedBodies, type PagedRefusal } from "../http/paged-body.ts";
import type { ApiServices } from "../services.ts";
import { refused } from "../http/problem.ts";
import type { Refusal } from "../../core/problem.ts";
import { anyJsonSchema, eventPageSchema, eventSchema } from "../http/response-schemas.ts";
import {
  defineLinkedRoute,
  notFound,
  type Route,
  defineRoute,
  WAITS_FOR_OTHERS_MS,
} from "../http/route.ts";
import { defineListRoute, defineReadRoute } from "../http/list-route.ts";
import { eventFiltersSchema, newestEventSchema } from "../http/event-schemas.ts";
import { overloaded } from "../http/unexpected-error.ts";
import { idParameter, secondsParameter } from "../request/list-query.ts";
import type { WaitingRequests } from "../request/waiting-requests.ts";

/** A result that was fetched, as its event describes it. */
interface FetchedContent {
  readonly content_type: string;
  readonly content_encoding?: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * @param note raw JSON of the outcome of fetching a result; null also when no subscription wanted
 *   it
 */
function fetchedContent(note: string | null): FetchedContent | null {
  return note?.startsWith(FETCHED) === true ? (JSON.parse(note) as FetchedContent) : null;
}

function headersOfJson(bytes: number): Readonly<Record<string, string>> {
  return { "content-type": "application/json", "content-length": String(bytes) };
}

/**
 * Content from an upstream is passed on unchanged. A browser that follows the link keeps it apart
 * from this address: it downloads it, and neither sniffs its type nor runs it.
 */
function headersOfContent(content: FetchedContent): Readonly<Record<string, string>> {
  return {
    "content-type": content.content_type,
    ...(content.content_encoding !== undefined && {
      "content-encoding": content.content_encoding,
    }),
    "content-length": String(content.bytes),
    etag: `"${content.sha256}"`,
    "content-disposition": "attachment",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
  };
}

const TAG = "Events";
const resultSchema = anyJsonSchema.openapi({
  example: { markdown: "# Invoice", page_count: 3 },
});
/** A link is enough to read a result: a cache on the way would serve it after its expiry. */
const NOT_KEPT = { "cache-control": "private, no-store" };

export function eventRoutes(services: ApiServices): Route[] {
  return [list(services), read(services), readResult(services)];
}

function list(services: ApiServices): Route {
  return defineListRoute({
    operationId: "listEvents",
    path: "/v1/events",
    tag: TAG,
    summary: "List events, newest first",
    description: "Results are returned as result_url.",
    scope: "subscriptions:read",
    query: eventFiltersSchema,
    schema: eventPageSchema,
    find: (wanted, { database, query }) =>
      findEvents(database, {
        ...wanted,
        type: query.type ?? null,
        jobRowId: query.job ?? null,
        createdAfterMs: query.created_after ?? null,
        createdBeforeMs: query.created_before ?? null,
      }),
    items(rows) {
      const nowMs = services.clock.now();
      return rows.map((row) =>
        eventJson(row, services.resultLinks.urlOf(publicId("event", row.id), nowMs)),
      );
    },
  });
}

function read(services: ApiServices): Route {
  return defineReadRoute({
    operationId: "getEvent",
    path: "/v1/events/{id}",
    tag: TAG,
    summary: "Get an event",
    description: "A result that is too large to be sent inline is returned as result_url.",
    scope: "subscriptions:read",
    idKind: "event",
    success: { status: 200, description: "The event.", schema: eventSchema },
    find: (database, key) => findEvent(database, key, services.inlineResultBytesMax),
    json: (event, { id }) =>
      eventJson(event, services.resultLinks.urlOf(publicId("event", id), services.clock.now())),
  });
}

function readResult(services: ApiServices): Route {
  const bodies = new PagedBodies(services.limits, services.clock);
  return defineLinkedRoute({
    operationId: "getEventResult",
    method: "GET",
    path: "/v1/events/{id}/result",
    tag: TAG,
    summary: "Get the whole result of a completed job",
    description:
      "Exactly the JSON from the upstream; or, if that was a link which was fetched, the " +
      "content behind it, with its content type. The links in callbacks and events carry a " +
      "token, which replaces the API key until it expires.",
    scope: "subscriptions:read",
    idKind: "event",
    query: linkQuery,
    success: {
      status: 200,
      description: "The result.",
      schema: resultSchema,
      otherContentTypes: ["*/*"],
    },
    problems: ["link_expired", "link_invalid", "too_many_requests"],
    async handle({ database, caller, id, query: { token = "" } }) {
      const eventId = publicId("event", id);
      if (caller === null) {
        const verdict = services.resultLinks.check(eventId, token, services.clock.now());
        if (verdict !== "valid") return linkRefusal(verdict);
      }
      const key = { projectId: caller?.projectId ?? null, id };
      const result = await findEventResult(database, key);
      if (result === undefined) return notFound("event", eventId);
      if (result === null) {
        return refused("not_found", "The event has no result: its job did not complete.");
      }
      const fetched = fetchedContent(result.fetch);
      if (fetched === null && result.text !== null) return jsonAnswer(200, result.text, NOT_KEPT);
      const place = bodies.admit(result);
      if (typeof place === "string") return refuseReader(place, result.projectId, services);
      const findOne = fetched === null ? findTextPart : findPart;
      const { bytes } = fetched ?? result;
      return {
        status: 200,
        headers: {
          ...(fetched === null ? headersOfJson(result.bytes) : headersOfContent(fetched)),
          ...NOT_KEPT,
        },
        body: () => place.open(bytes, (number) => findOne(database, { ...result, number })),
      };
    },
  });
}

const READERS_REFUSED: Readonly<Record<Exclude<PagedRefusal, "all">, string>> = {
  project:
    "The project has reached its limit of large results being read; wait until some are read.",
  result: "This result has reached its limit of readers; wait until some have finished.",
};

function refuseReader(cause: PagedRefusal, projectId: string, services: ApiServices): Refusal {
  if (cause === "all") return { ok: false, problem: overloaded() };
  return limitRefusal(services.limits, {
    projectId,
    name: "result_readers",
    code: "too_many_requests",
    detail: READERS_REFUSED[cause],
  });
}

/** An event as JSON text. */
function eventJson(of: EventRecord, resultUrl: string): string {
  const ofResult: string[] = [];
  if (of.result !== null) ofResult.push(`"result":${textOfResult(of.result)}`);
  if (of.result === null ? of.hasResult : isResultFetched(of)) {
    ofResult.push(`"result_url":${JSON.stringify(resultUrl)}`);
  }
  if (of.resultFetch !== null) ofResult.push(`"result_fetch":${of.resultFetch}`);
  return `{"id":"${publicId("event", of.id)}","object":"event","job":{"id":"${publicId("job", of.jobRowId)}"},${eventMembers(of, ofResult)}}`;
}

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
    async handle({ caller: { projectId }, client, query, disconnection, database }) {
      const signal = disconnection();
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
