import { z } from "@hono/zod-openapi";
import { FETCHED } from "../../core/delivery/event.ts";
import { publicId } from "../../core/ids/ids.ts";
import { findEventResult, type StoredResult } from "../../store/events/find-events.ts";
import { findPartWithNext } from "../../store/writes/result-parts.ts";
import type { Database } from "../../store/db/database.ts";
import { jsonAnswer } from "../http/answer.ts";
import { resultPartSchema } from "../http/event-schemas.ts";
import { refused } from "../http/problem.ts";
import { defineRoute, notFound, type Route } from "../http/route.ts";

const querySchema = z.strictObject({
  number: z
    .string()
    .regex(/^[1-9]\d{0,5}$/, { error: "Must be a whole number from 1 on." })
    .transform(Number)
    .default(1)
    .openapi({ type: "integer", minimum: 1, maximum: 999_999, default: 1 }),
});

/** One part of a result as text, so that a large one can be looked at without loading it whole. */
export function eventResultPartRoute(): Route {
  return defineRoute({
    operationId: "getEventResultPart",
    method: "GET",
    path: "/v1/events/{id}/result-part",
    tag: "Events",
    summary: "Get one part of a result as text",
    description:
      "The parts of a result, in their order, are its text. A part has at most 256 KiB, and most have " +
      "120 KiB. For people who look at a large result; programs get the whole result.",
    scope: "subscriptions:read",
    idKind: "event",
    query: querySchema,
    success: { status: 200, description: "The part.", schema: resultPartSchema },
    async handle({ database, caller: { projectId }, id, query: { number } }) {
      const eventId = publicId("event", id);
      const result = await findEventResult(database, { projectId, id });
      if (result === undefined) return notFound("event", eventId);
      if (result === null) {
        return refused("not_found", "The event has no result: its job did not complete.");
      }
      const part = await partOf(database, result, number);
      if (part === null) return refused("not_found", `The result has no part ${number}.`);
      return jsonAnswer(
        200,
        JSON.stringify({
          object: "result_part",
          number,
          has_more: part.hasMore,
          content_type: contentTypeOf(result),
          result_bytes: result.bytes,
          text: part.text,
        }),
        { "cache-control": "private, no-store" },
      );
    },
  });
}

async function partOf(
  database: Database,
  result: StoredResult,
  number: number,
): Promise<{
  /** Null for content that is no text. */
  readonly text: string | null;
  readonly hasMore: boolean;
} | null> {
  if (result.text !== null) return number === 1 ? { text: result.text, hasMore: false } : null;
  const { shardId, eventId } = result;
  const found = await findPartWithNext(database, { shardId, eventId, number });
  if (found === null) return null;
  const { bytes, next } = found;
  const hasMore = next !== null;
  if (!isText(contentTypeOf(result))) return { text: null, hasMore };
  // A character that lies across two parts is shown at the end of the first.
  const whole = Buffer.concat([
    bytes.subarray(number === 1 ? 0 : restLength(bytes)),
    ...(next === null ? [] : [next.subarray(0, restLength(next))]),
  ]);
  return { text: whole.toString("utf8"), hasMore };
}

/** How many bytes at the beginning continue a character of UTF-8. */
function restLength(bytes: Buffer): number {
  const first = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return first === -1 ? bytes.length : first;
}

/** JSON unless the result is content that was fetched. */
function contentTypeOf({ fetch }: StoredResult): string {
  if (fetch?.startsWith(FETCHED) !== true) return "application/json";
  const { content_type: type, content_encoding: encoding } = JSON.parse(fetch) as {
    readonly content_type: string;
    readonly content_encoding?: string;
  };
  return encoding === undefined ? type : `${type} (${encoding})`;
}

const TEXT_TYPE =
  /^(?:text\/[^ (]+|application\/(?:[\w.+-]*\+)?(?:json|xml|x-ndjson))(?: *;[^(]*)?$/i;

function isText(contentType: string): boolean {
  return TEXT_TYPE.test(contentType);
}
