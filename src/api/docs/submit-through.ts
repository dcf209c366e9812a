import { type createRoute, z } from "@hono/zod-openapi";
import type { RouteDescription } from "../http/route.ts";
import { operation } from "./operation.ts";

/*
 * Requests that are passed on to an upstream are not served by a route: any method, path and body are the
 * upstream's. The document describes them as one operation, with what is Ringback's own about them.
 */

/** In place of any content type: generators of clients leave out an operation that names none. */
const BYTES = "application/octet-stream";

const ROUTE: RouteDescription = {
  operationId: "submitThrough",
  method: "POST",
  path: "/via/{connection}/{path}",
  tag: "Submit through",
  summary: "Send a request to an upstream, and subscribe to the job that it starts",
  description:
    "Any method and any path below the connection: the request goes to the upstream with the connection's " +
    "credential in place of the API key, and its response comes back as it is. When the provider's definition " +
    "recognizes a submission, the job is subscribed to before the response is passed on. The API key goes where " +
    "the upstream expects its own, or into `ringback-key`. None of the headers below reaches the upstream. " +
    "The query parameter `ringback_callback_url` does what the header of that name does.",
  scope: "submit",
  success: {
    status: 200,
    description: "The upstream's response, whatever its status, with its own content type.",
    schema: z.unknown(),
    contentType: BYTES,
  },
  problems: ["unknown_connection", "upstream_failed", "upstream_busy", "upstream_timeout"],
};

const text = (description: string, example?: string) =>
  z.string().optional().openapi({ description, example });

const HEADERS = z.object({
  "ringback-callback-url": text("Where the callback goes.", "https://app.example.com/hooks"),
  "ringback-inbox": text("The inbox that the events go into instead.", "orders"),
  "ringback-metadata": text("A JSON object that comes back with every callback.", '{"invoice":17}'),
  "ringback-events": text("Events to be called for, joined by commas.", "job.completed,job.failed"),
  "ringback-payload": text("`full` or `thin`.", "full"),
  "ringback-deadline-s": text("When to give the job up, in seconds from now.", "3600"),
  "ringback-idempotency-key": text("A repeat about the same job subscribes once."),
  "ringback-serve-status": text(
    "`cached` answers a request for the status of a watched job from its latest poll, `upstream` never does.",
    "cached",
  ),
  "ringback-key": text("The API key, beside a credential that the client keeps."),
});

const PATH = z.object({
  connection: z.string().openapi({
    param: { name: "connection", in: "path" },
    description: "A provider's name, for its connection `default`; or a connection's id.",
    example: "openai-batch",
  }),
  path: z.string().openapi({
    param: { name: "path", in: "path" },
    description: "The upstream's own path, of any number of segments.",
    example: "v1/batches",
  }),
});

const RESPONSE_HEADERS = {
  "ringback-subscription-id": {
    description: "The subscription that was made.",
    schema: { type: "string" },
  },
  "ringback-job-id": {
    description: "The job that the response was recognized to start.",
    schema: { type: "string" },
  },
  "ringback-recognized-by": {
    description: "How the response was recognized, as in the subscription's `recognized_by`.",
    schema: { type: "string" },
  },
  "ringback-served-from": {
    description: "`cache` or `upstream`, for requests whose status may come from a poll.",
    schema: { type: "string" },
  },
  "ringback-subscription-error": {
    description: "Why a recognized job could not be subscribed to.",
    schema: { type: "string" },
  },
} as const;

const ANYTHING = { type: "string", format: "binary" } as const;

/** The operation of `/via`. */
export function submitThroughOperation(): Parameters<typeof createRoute>[0] {
  const described = operation(ROUTE);
  return {
    ...described,
    request: {
      params: PATH,
      headers: HEADERS,
      body: {
        description: "The upstream's own, with its own content type.",
        content: { [BYTES]: { schema: ANYTHING } },
      },
    },
    responses: {
      ...described.responses,
      200: {
        description: ROUTE.success.description,
        headers: RESPONSE_HEADERS,
        content: { [BYTES]: { schema: ANYTHING } },
      },
    },
  };
}
