import { z } from "@hono/zod-openapi";
import type { Provider } from "../providers/provider.ts";
import { definitionJsonSchema } from "../providers/read-definition.ts";
import { jsonAnswer } from "./answer.ts";
import type { ApiPorts } from "./ports.ts";
import { providerPageSchema } from "./response-schemas.ts";
import { defineOpenRoute, defineRoute } from "./route.ts";
import type { Route } from "./route.ts";

export function providerRoutes(ports: ApiPorts): Route[] {
  return [list(ports), readSchema()];
}

function list(ports: ApiPorts): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/providers",
    tag: "Providers",
    summary: "List the job APIs that can be watched",
    scope: "subscriptions:read",
    success: { status: 200, description: "All of them.", schema: providerPageSchema },
    handle({ caller }) {
      const known = ports.providers.list(caller.projectId);
      const data = known.map(({ provider }) => providerView(provider));
      return jsonAnswer(200, JSON.stringify({ data, next_cursor: null }));
    },
  });
}

/** Like the documentation it needs no key: editors fetch it to help with writing definitions. */
function readSchema(): Route {
  let text: string | undefined;
  return defineOpenRoute({
    method: "GET",
    path: "/v1/providers/schema",
    tag: "Providers",
    summary: "Read the JSON Schema of a provider definition",
    success: { status: 200, description: "JSON Schema 2020-12.", schema: z.looseObject({}) },
    handle: () => jsonAnswer(200, (text ??= JSON.stringify(definitionJsonSchema()))),
  });
}

function providerView(of: Provider): object {
  return {
    object: "provider",
    name: of.name,
    title: of.title,
    documentation_url: of.definition.documentation_url ?? null,
    base_url: of.baseUrl,
    params: of.paramNames,
    required_params: of.requiredParams,
    supports_cancel: of.supportsCancel,
    default_deadline_s: of.deadlineMs / 1000,
    deadline_s_max: of.deadlineMsMax / 1000,
    limits: {
      concurrency: of.limits.concurrency,
      requests_per_second: of.limits.requestsPerSecond,
      burst: of.limits.burst,
    },
  };
}
