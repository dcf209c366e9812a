import type { Provider } from "../providers/provider.ts";
import { jsonAnswer } from "./answer.ts";
import type { ApiPorts } from "./ports.ts";
import { providerPageSchema } from "./response-schemas.ts";
import { defineRoute } from "./route.ts";
import type { Route } from "./route.ts";

export function providerRoutes(ports: ApiPorts): Route[] {
  return [list(ports)];
}

function list(ports: ApiPorts): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/providers",
    tag: "Providers",
    summary: "List the job APIs that can be watched",
    scope: "subscriptions:read",
    success: { status: 200, description: "All of them.", schema: providerPageSchema },
    handle() {
      const data = [...ports.providers.values()].map(providerView);
      return jsonAnswer(200, JSON.stringify({ data, next_cursor: null }));
    },
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
