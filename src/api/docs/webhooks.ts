import { type createRoute, z } from "@hono/zod-openapi";
import { SENT_EVENTS } from "../http/event-schemas.ts";

const headersSchema = z.object({
  "webhook-id": z.string().openapi({
    description: "The same at every attempt of a delivery: it identifies repetitions.",
    example: "msg_019b76da98007034a5b6c7d8e9f00112",
  }),
  "webhook-timestamp": z.string().openapi({
    description: "When the attempt was made, in seconds since 1970.",
    example: "1767225642",
  }),
  "webhook-signature": z.string().openapi({
    description:
      "Signatures over `<id>.<timestamp>.<body>`, separated by spaces (Standard Webhooks).",
    example: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
  }),
  traceparent: z.string().optional().openapi({
    description: "The trace of the subscription (W3C Trace Context).",
  }),
});

/** Responses that a receiver may give to an event. */
export const RECEIVER_RESPONSES = {
  "2XX": { description: "The event is accepted. It is not sent again." },
  410: { description: "The receiver wants no more events: the subscription ends." },
  default: {
    description:
      "The event is sent again by the retry schedule. With 429, 502, 503 and 504, `Retry-After` is honored.",
  },
};

/** The events sent to receivers: one webhook for each type. */
export function webhooks(): Parameters<typeof createRoute>[0][] {
  return SENT_EVENTS.map((schema) => {
    const type = schema.shape.type.value;
    return {
      operationId: operationIdOf(type),
      method: "post",
      path: type,
      tags: ["Callbacks"],
      summary: `${type} is sent`,
      description: schema.meta()?.description ?? type,
      security: [],
      request: {
        headers: headersSchema,
        body: { required: true, content: { "application/json": { schema } } },
      },
      responses: RECEIVER_RESPONSES,
    };
  });
}

/** `job.timed_out` is `onJobTimedOut`. */
function operationIdOf(type: string): string {
  return `on${type.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;
}
