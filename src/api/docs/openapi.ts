import { OpenAPIHono, createRoute, z } from "@hono/zod-openapi";
import { PROBLEMS } from "../../core/error-codes.ts";
import type { ProblemCode } from "../../core/error-codes.ts";
import { ID_PREFIXES } from "../../core/ids/ids.ts";
import { PROBLEM_TYPE } from "../http/problem.ts";
import { problemSchema } from "../http/response-schemas.ts";
import type { RouteDescription } from "../http/route.ts";
import { TAGS } from "../http/tags.ts";

export type OpenApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

const INTRODUCTION = `
Ringback watches jobs at other APIs and calls you back, signed, when they end.

Every error is a problem as RFC 9457 describes it: \`code\` is for programs, \`detail\` tells a person
what to change, \`errors\` points at each invalid part. Every answer carries \`x-request-id\`.
An API key has scopes: \`subscriptions:write\`, \`subscriptions:read\`, \`submit\` (sending requests
through the gateway, and nothing else), and \`admin\`, which holds all of them.
`.trim();

/** OpenAPI 3.1 from the schemas that check the requests. */
export function openApiDocument(
  routes: readonly RouteDescription[],
  publicUrl: string,
): OpenApiDocument {
  const registry = new OpenAPIHono();
  registry.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "http",
    scheme: "bearer",
    description: "An API key, `rb_…`.",
  });
  registry.openAPIRegistry.register("Problem", problemSchema);
  for (const route of routes) registry.openAPIRegistry.registerPath(operation(route));
  return registry.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Ringback", version: "1", description: INTRODUCTION },
    servers: [{ url: publicUrl }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
  });
}

function operation(route: RouteDescription): ReturnType<typeof createRoute> {
  const { description, scope, success } = route;
  const scopeNote = scope === null ? "" : `Needs the scope \`${scope}\`.`;
  return createRoute({
    operationId: route.operationId,
    method: route.method.toLowerCase() as "get" | "post" | "put" | "patch" | "delete",
    path: route.path,
    tags: [route.tag],
    summary: route.summary,
    description: [description, scopeNote].filter((text) => text).join("\n\n"),
    // An empty requirement says that it goes without as well: a link carries a token.
    security:
      scope === null ? [] : route.isLinked === true ? [{ apiKey: [] }, {}] : [{ apiKey: [] }],
    request: request(route),
    responses: {
      [success.status]: successResponse(success, success.description),
      ...(success.created !== undefined && { 201: successResponse(success, success.created) }),
      ...(success.empty !== undefined && { 204: { description: success.empty } }),
      ...problemResponses(problemsOf(route)),
    },
  });
}

function successResponse(
  { schema, contentType = "application/json" }: RouteDescription["success"],
  description: string,
) {
  return { description, ...(schema && { content: { [contentType]: { schema } } }) };
}

function request({ path, idKind, query, headers, body }: RouteDescription) {
  return {
    ...(idKind && { params: idParameter(ID_PREFIXES[idKind]) }),
    ...(path.includes("{name}") && { params: NAME_PARAMETER }),
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

function idParameter(prefix: string) {
  return z.object({
    id: z.string().openapi({
      param: { name: "id", in: "path" },
      pattern: `^${prefix}_[0-9a-f]{32}$`,
    }),
  });
}

const NAME_PARAMETER = z.object({
  name: z.string().openapi({ param: { name: "name", in: "path" } }),
});

/** Every code that a route may answer, those of its kind included. */
function problemsOf(route: RouteDescription): ProblemCode[] {
  const codes: ProblemCode[] = [...(route.problems ?? [])];
  if (route.scope !== null) {
    codes.push("unauthorized", "too_many_refused_keys", "insufficient_scope", "invalid_query");
  }
  if (route.scope === null && route.query !== undefined) codes.push("invalid_query", "not_found");
  if (route.idKind !== undefined) codes.push("not_found");
  if (route.body !== undefined) {
    codes.push("malformed_json", "incomplete_body", "body_too_large", "unsupported_media_type");
    codes.push("validation_failed");
  }
  if (route.scope !== null) codes.push("too_many_requests", "overloaded");
  if (route.scope !== null || route.query !== undefined) codes.push("database_unavailable");
  // The listener's own, before it is known what was asked for.
  codes.push("malformed_request", "headers_too_large", "request_timeout", "not_ready");
  codes.push("internal_error");
  return [...new Set(codes)];
}

function problemResponses(codes: readonly ProblemCode[]) {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      status,
      {
        description: ofStatus.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join("\n\n"),
        content: { [PROBLEM_TYPE]: { schema: problemSchema } },
      },
    ]),
  );
}
