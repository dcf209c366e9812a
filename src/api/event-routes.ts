import { publicId } from "../core/ids.ts";
import { statusOfEvent } from "../core/event.ts";
import { findEvent, findEventResult } from "../store/find-events.ts";
import type { EventRecord } from "../store/find-events.ts";
import { jsonAnswer } from "./answer.ts";
import type { ApiPorts } from "./ports.ts";
import { refused } from "./problem.ts";
import { anyJsonSchema, eventSchema } from "./response-schemas.ts";
import { defineRoute, notFound } from "./route.ts";
import type { Route } from "./route.ts";

const TAG = "Events";

export function eventRoutes(ports: ApiPorts): Route[] {
  return [read(ports), readResult(ports)];
}

function read(ports: ApiPorts): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/events/{id}",
    tag: TAG,
    summary: "Look at an event",
    description: "A result too large to be sent inline is named by result_url.",
    scope: "subscriptions:read",
    idKind: "event",
    success: { status: 200, description: "The event.", schema: eventSchema },
    async handle({ caller: { projectId }, id }) {
      const { database, inlineResultBytesMax } = ports;
      const event = await findEvent(database, { projectId, id }, inlineResultBytesMax);
      if (event === null) return notFound("event", publicId("event", id));
      return jsonAnswer(200, eventJson(event, ports.publicUrl()));
    },
  });
}

function readResult(ports: ApiPorts): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/events/{id}/result",
    tag: TAG,
    summary: "Read the whole result of a completed job",
    description: "Exactly the JSON that the upstream gave.",
    scope: "subscriptions:read",
    idKind: "event",
    success: { status: 200, description: "The result.", schema: anyJsonSchema },
    async handle({ caller: { projectId }, id }) {
      const result = await findEventResult(ports.database, { projectId, id });
      if (result === undefined) return notFound("event", publicId("event", id));
      if (result === null) {
        return refused("not_found", "The event has no result: its job did not complete.");
      }
      return jsonAnswer(200, result);
    },
  });
}

/** An event as JSON text; result and progress are spliced in as the upstream wrote them. */
function eventJson(of: EventRecord, publicUrl: string): string {
  const id = publicId("event", of.id);
  const time = new Date(of.occurredAtMs).toISOString();
  const fields = [
    `"job_id":${JSON.stringify(of.jobId)}`,
    `"status":"${statusOfEvent(of.type)}"`,
    `"provider":${JSON.stringify(of.provider)}`,
    `"created_at":${JSON.stringify(of.createdAt ?? time)}`,
    `"updated_at":${JSON.stringify(of.updatedAt ?? time)}`,
  ];
  if (of.result !== null) fields.push(`"result":${of.result}`);
  else if (of.hasResult) {
    fields.push(`"result_url":${JSON.stringify(`${publicUrl}/v1/events/${id}/result`)}`);
  }
  if (of.error !== null) fields.push(`"error":${JSON.stringify(of.error)}`);
  if (of.progress !== null) fields.push(`"progress":${of.progress}`);
  return `{"id":"${id}","object":"event","type":"${of.type}","timestamp":"${time}","data":{${fields.join(",")}}}`;
}
