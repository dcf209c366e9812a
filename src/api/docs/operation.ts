import { type createRoute, z } from "@hono/zod-openapi";
import { PROBLEMS } from "../../core/error-codes.ts";
import type { ProblemCode } from "../../core/error-codes.ts";
import { ID_PREFIXES } from "../../core/ids/ids.ts";
import { PROBLEM_TYPE } from "../http/problem.ts";
import { idSchema, problemSchema } from "../http/response-schemas.ts";
import type { RouteDescription } from "../http/route.ts";
import { RECEIVER_RESPONSES } from "./webhooks.ts";
import { headersOf } from "./response-headers.ts";

type Operation = Parameters<typeof createRoute>[0];

/** A route as an operation of the document. */
export function operation(route: RouteDescription): Operation {
  const { description, scope, summary, success } = route;
  const scopeNote = scope === null ? "Needs no API key." : `Needs the scope \`${scope}\`.`;
  return {
    operationId: route.operationId,
    method: route.method.toLowerCase() as Lowercase<RouteDescription["method"]>,
    path: route.path,
    tags: [route.tag],
    summary,
    description: [description ?? `${summary}.`, scopeNote].join("\n\n"),
    ...security(route),
    request: request(route),
    ...callbacks(route),
    responses: {
      [success.status]: successResponse(route, success.description),
      ...(success.created !== undefined && { 201: successResponse(route, success.created) }),
      ...(success.empty !== undefined && {
        204: { description: success.empty, headers: successHeaders(route) },
      }),
      ...problemResponses(route),
    },
  };
}

/** Only where it differs from that of the whole document. */
function security({ scope, isLinked = false }: RouteDescription): Pick<Operation, "security"> {
  if (scope === null) return { security: [] };
  return isLinked ? { security: [{ apiKey: [] }, { linkToken: [] }] } : {};
}

function successHeaders({ scope, headers }: RouteDescription) {
  const isIdempotent = headers !== undefined && "Idempotency-Key" in headers.shape;
  return headersOf([
    "RequestId",
    ...(scope === null ? [] : (["RateLimit"] as const)),
    ...(isIdempotent ? (["IdempotentReplayed"] as const) : []),
  ]);
}

function successResponse(route: RouteDescription, description: string) {
  const { schema, contentType = "application/json", otherContentTypes = [] } = route.success;
  return {
    description,
    headers: successHeaders(route),
    ...(schema && {
      content: {
        [contentType]: { schema },
        ...Object.fromEntries(otherContentTypes.map((type) => [type, { schema: BINARY }])),
      },
    }),
  };
}

const BINARY = { type: "string", format: "binary" } as const;

function request({ path, idKind, query, headers, body }: RouteDescription) {
  return {
    ...(idKind && { params: idParameter(ID_PREFIXES[idKind]) }),
    ...(path.includes("{name}") && {
      params: nameParameters(path),
    }),
    ...(query && { query }),
    ...(headers && { headers }),
    ...(body && {
      body: {
        required: body.isOptional !== true,
        content: { "application/json": { schema: body.schema } },
      },
    }),
  };
}

function callbacks({ callbackField, operationId }: RouteDescription): Pick<Operation, "callbacks"> {
  if (callbackField === undefined) return {};
  const event = { "application/json": { schema: { $ref: "#/components/schemas/WebhookEvent" } } };
  const post = {
    summary: "An event is sent",
    description: "See the webhooks of this document for each type of event.",
    tags: ["Callbacks"],
    security: [],
    requestBody: { required: true, content: event },
    responses: RECEIVER_RESPONSES,
  };
  const to = `{$request.body#/${callbackField}}`;
  // Generators name types after it, so it must be unique.
  return { callbacks: { [`${operationId}Event`]: { [to]: { post } } } };
}

function idParameter(prefix: string) {
  return z.object({ id: idSchema(prefix).openapi({ param: { name: "id", in: "path" } }) });
}

const NAME_PARAMETER = z.object({
  name: z.string().openapi({ param: { name: "name", in: "path" }, example: "acme" }),
});

const CONSUMER_PARAMETERS = NAME_PARAMETER.extend({
  consumer: z.string().openapi({ param: { name: "consumer", in: "path" }, example: "worker-1" }),
});

const VERSION_PARAMETERS = NAME_PARAMETER.extend({
  version: z
    .int()
    .min(1)
    .openapi({ param: { name: "version", in: "path" }, example: 2 }),
});

function nameParameters(path: string) {
  if (path.includes("{consumer}")) return CONSUMER_PARAMETERS;
  return path.includes("{version}") ? VERSION_PARAMETERS : NAME_PARAMETER;
}

/** Every code that a route may answer, including those common to its kind. */
function problemsOf(route: RouteDescription): ProblemCode[] {
  const codes: ProblemCode[] = [...(route.problems ?? [])];
  if (route.scope !== null) {
    codes.push("unauthorized", "too_many_refused_keys", "insufficient_scope", "invalid_query");
  }
  if (route.scope === null && route.query !== undefined) codes.push("invalid_query", "not_found");
  if (route.isCostly === true) codes.push("too_many_requests");
  if (route.idKind !== undefined) codes.push("not_found");
  if (route.body !== undefined) {
    codes.push("malformed_json", "incomplete_body", "body_too_large", "unsupported_media_type");
    codes.push("validation_failed");
  }
  if (route.scope !== null) codes.push("too_many_requests", "overloaded");
  if (route.scope !== null || route.query !== undefined) codes.push("database_unavailable");
  // From the listener itself, before the route is known.
  codes.push("malformed_request", "headers_too_large", "request_timeout", "not_ready");
  codes.push("internal_error");
  return [...new Set(codes)].sort((a, b) => PROBLEMS[a].status - PROBLEMS[b].status);
}

/** One shape for all: `default`, with the range for tools that require one. */
function problemResponses(route: RouteDescription) {
  const codes = problemsOf(route);
  const isRefusal = (code: ProblemCode): boolean => PROBLEMS[code].status < 500;
  return {
    "4XX": problemResponse("The request is refused.", codes.filter(isRefusal)),
    default: problemResponse(
      "The gateway failed.",
      codes.filter((code) => !isRefusal(code)),
    ),
  };
}

function problemResponse(meaning: string, codes: readonly ProblemCode[]) {
  const lines = codes.map(
    (code) => `- ${PROBLEMS[code].status} \`${code}\`: ${PROBLEMS[code].title}`,
  );
  return {
    description: [meaning, lines.join("\n")].join("\n\n"),
    headers: headersOf([
      "RequestId",
      "RetryAfter",
      "RateLimit",
      "RateLimitPolicy",
      "WwwAuthenticate",
    ]),
    content: { [PROBLEM_TYPE]: { schema: problemSchema } },
  };
}
