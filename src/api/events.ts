import { publicId } from "../core/ids/ids.ts";
import { eventMembers, FETCHED, isResultFetched } from "../core/delivery/event.ts";
import { textOfResult } from "../core/json/raw-result.ts";
import { findEvent, findEventResult } from "../store/events/find-events.ts";
import type { EventRecord } from "../store/events/find-events.ts";
import { findEvents } from "../store/events/list-events.ts";
import { findPart, findTextPart } from "../store/writes/result-parts.ts";
import { jsonAnswer } from "./http/answer.ts";
import { linkQuery, linkRefusal } from "./http/auth.ts";
import { limitRefusal } from "./http/limit-refusal.ts";
import { PagedBodies, type PagedRefusal } from "./http/paged-body.ts";
import type { ApiServices } from "./services.ts";
import { refused } from "./http/problem.ts";
import type { Refusal } from "./http/problem.ts";
import { anyJsonSchema, eventPageSchema, eventSchema } from "./http/response-schemas.ts";
import { defineLinkedRoute, notFound } from "./http/route.ts";
import type { Route } from "./http/route.ts";
import { defineListRoute, defineReadRoute } from "./http/list-route.ts";
import { eventFiltersSchema } from "./http/event-schemas.ts";
import { overloaded } from "./http/unexpected-error.ts";

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
