import { z } from "@hono/zod-openapi";
import { jsonAnswer } from "../http/answer.ts";
import { DOCUMENTATION_PAGE_HEADERS, documentationPage } from "./page.ts";
import { ERROR_PAGE_HEADERS, errorPage, isProblemCode } from "./error-page.ts";
import { refused } from "../http/problem.ts";
import { openApiDocument } from "./openapi.ts";
import type { OpenApiDocument } from "./complete.ts";
import type { ApiPorts } from "../context.ts";
import { defineOpenRoute } from "../http/route.ts";
import type { Route } from "../http/route.ts";

const pageSchema = z.string().openapi({ example: "<!doctype html>…" });

/** The documentation of the given routes and of its own, for programs and for people. */
export function documentationRoutes(routes: readonly Route[], ports: ApiPorts): Route[] {
  // Built at the first request, when this gateway's own address is certain to be known.
  let document: OpenApiDocument | undefined;
  const read = (): OpenApiDocument =>
    (document ??= openApiDocument(
      [...routes, ...documentation].map((route) => route.description),
      ports.publicUrl(),
    ));
  const documentation = [
    defineOpenRoute({
      operationId: "getOpenApiDocument",
      method: "GET",
      path: "/openapi.json",
      tag: "Documentation",
      summary: "Get this API's OpenAPI 3.1 document",
      success: { status: 200, description: "The document.", schema: z.looseObject({}) },
      handle: () => jsonAnswer(200, JSON.stringify(read())),
    }),
    defineOpenRoute({
      operationId: "getDocumentation",
      method: "GET",
      path: "/docs",
      tag: "Documentation",
      summary: "Get this API's documentation page",
      success: {
        status: 200,
        description: "A page.",
        schema: pageSchema,
        contentType: "text/html",
      },
      async handle() {
        return {
          status: 200,
          headers: DOCUMENTATION_PAGE_HEADERS,
          body: await documentationPage(read()),
        };
      },
    }),
    defineOpenRoute({
      operationId: "getErrorPage",
      method: "GET",
      path: "/docs/errors/{name}",
      tag: "Documentation",
      summary: "Get the page about an error code",
      description: "The `type` of each problem leads there.",
      success: {
        status: 200,
        description: "A page.",
        schema: pageSchema,
        contentType: "text/html",
      },
      problems: ["not_found"],
      async handle({ name }) {
        if (isProblemCode(name)) {
          return { status: 200, headers: ERROR_PAGE_HEADERS, body: await errorPage(name) };
        }
        return refused("not_found", "There is no such error code; /openapi.json lists them all.");
      },
    }),
  ];
  return documentation;
}
