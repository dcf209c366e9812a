import { OpenAPIHono } from "@hono/zod-openapi";
import { PROBLEM_TYPE } from "../http/problem.ts";
import { problemSchema } from "../http/response-schemas.ts";
import type { RouteDescription } from "../http/route.ts";
import { completeDocument, type OpenApiDocument } from "./complete.ts";
import { webhookEventSchema } from "../http/event-schemas.ts";
import { operation } from "./operation.ts";
import { RESPONSE_HEADERS } from "./response-headers.ts";
import { submitThroughOperation } from "./submit-through.ts";
import { webhooks } from "./webhooks.ts";
import { TAGS } from "../http/route.ts";

const INTRODUCTION = `
Ringback watches jobs at other APIs and calls you back, signed, when they end.

Every error is a problem as RFC 9457 describes it (\`${PROBLEM_TYPE}\`): \`code\` is for programs, \`detail\`
tells a person what to change, \`errors\` points at each invalid part, and \`type\` leads to a page about the
code. Every answer carries \`X-Request-Id\`.

A POST that creates something takes an \`Idempotency-Key\`: sent again with the same key within 24 hours, it
creates nothing more and is answered as before, with \`Idempotent-Replayed: true\`.

An API key has scopes: \`subscriptions:write\`, \`subscriptions:read\`, \`submit\` (sending requests
through the gateway, and nothing else), and \`admin\`, which holds all of them.

Answers are open: accept fields and events that you don't know. Requests are not: an unknown field is
refused, so that a misspelled one is noticed.
`.trim();

/** OpenAPI 3.1 from the schemas that validate the requests. */
export function openApiDocument(
  routes: readonly RouteDescription[],
  publicUrl: string,
): OpenApiDocument {
  const generator = new OpenAPIHono();
  const { openAPIRegistry: registry } = generator;
  registry.registerComponent("securitySchemes", "apiKey", {
    type: "http",
    scheme: "bearer",
    description: "An API key, `rb_…`.",
  });
  registry.registerComponent("securitySchemes", "linkToken", {
    type: "apiKey",
    in: "query",
    name: "token",
    description: "The token of a `result_url`, valid for that URL until it expires.",
  });
  for (const [name, header] of Object.entries(RESPONSE_HEADERS)) {
    registry.registerComponent("headers", name, header);
  }
  registry.register("Problem", problemSchema);
  registry.register("WebhookEvent", webhookEventSchema);
  for (const route of routes) registry.registerPath(operation(route));
  registry.registerPath(submitThroughOperation());
  for (const webhook of webhooks()) registry.registerWebhook(webhook);
  return completeDocument(
    generator.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "Ringback",
        version: "1",
        description: INTRODUCTION,
        contact: { name: "The operator of this gateway", url: publicUrl },
        license: { name: "MIT", url: "https://spdx.org/licenses/MIT.html" },
      },
      servers: [{ url: publicUrl, description: "This gateway" }],
      security: [{ apiKey: [] }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    }),
  );
}
