import { z } from "@hono/zod-openapi";
import { jsonAnswer } from "./answer.ts";
import type { ApiPorts } from "./ports.ts";
import { refused } from "./problem.ts";
import { defineOpenRoute } from "./route.ts";
import type { Route } from "./route.ts";
import { START_PAGE_HEADERS, startPage } from "./start-page.ts";

const TAG = "System";

const healthSchema = z.strictObject({ status: z.literal("ok") }).openapi("Health");

const readinessSchema = z
  .strictObject({ status: z.literal("ready"), checks: z.record(z.string(), z.string()) })
  .openapi("Readiness");

export function systemRoutes(ports: ApiPorts): Route[] {
  return [start(ports), health(), readiness(ports), metrics(ports)];
}

function start({ version, hasSandbox }: ApiPorts): Route {
  return defineOpenRoute({
    method: "GET",
    path: "/",
    tag: TAG,
    summary: "Read the start page",
    success: {
      status: 200,
      description: "A page with links.",
      schema: z.string(),
      contentType: "text/html",
    },
    async handle() {
      const body = await startPage({ version, hasSandbox });
      return { status: 200, headers: START_PAGE_HEADERS, body };
    },
  });
}

function health(): Route {
  return defineOpenRoute({
    method: "GET",
    path: "/healthz",
    tag: TAG,
    summary: "Tell whether the process is alive",
    success: { status: 200, description: "It answers.", schema: healthSchema },
    handle: () => jsonAnswer(200, `{"status":"ok"}`),
  });
}

function readiness(ports: ApiPorts): Route {
  return defineOpenRoute({
    method: "GET",
    path: "/readyz",
    tag: TAG,
    summary: "Tell whether this node should get requests",
    success: { status: 200, description: "It should.", schema: readinessSchema },
    problems: ["not_ready"],
    handle() {
      const { reasons, checks } = ports.readiness();
      if (reasons.length === 0) return jsonAnswer(200, JSON.stringify({ status: "ready", checks }));
      const failing = Object.entries(checks)
        .filter(([, state]) => state !== "ok")
        .map(([name, state]) => `${name}: ${state}`);
      return refused("not_ready", failing.join("; "), {
        headers: { "retry-after": "1" },
        extensions: { reasons, checks },
      });
    },
  });
}

function metrics(ports: ApiPorts): Route {
  return defineOpenRoute({
    method: "GET",
    path: "/metrics",
    tag: TAG,
    summary: "Read the metrics in Prometheus's text format",
    success: {
      status: 200,
      description: "The metrics.",
      schema: z.string(),
      contentType: "text/plain",
    },
    async handle() {
      const { contentType, body } = await ports.metrics();
      return { status: 200, headers: { "content-type": contentType }, body };
    },
  });
}
