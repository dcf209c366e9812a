import { hash, timingSafeEqual } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { jsonAnswer } from "./http/answer.ts";
import { bearerToken, tooManyRefused, unauthorized } from "./http/auth.ts";
import type { Client } from "./http/auth.ts";
import type { ApiServices } from "./services.ts";
import { refused } from "./http/problem.ts";
import type { Refusal } from "../core/problem.ts";
import { defineOpenRoute } from "./http/route.ts";
import type { Route } from "./http/route.ts";
import { START_PAGE_HEADERS, startPage } from "./docs/start-page.ts";

const TAG = "System";

const healthSchema = z.object({ status: z.literal("ok") }).openapi("Health");

const readinessSchema = z
  .object({ status: z.literal("ready"), checks: z.record(z.string(), z.string()) })
  .openapi("Readiness");

export function systemRoutes(services: ApiServices): Route[] {
  return [start(services), health(), readiness(services), metrics(services)];
}

function start(services: ApiServices): Route {
  return defineOpenRoute({
    operationId: "getStartPage",
    method: "GET",
    path: "/",
    tag: TAG,
    summary: "Get the start page",
    success: {
      status: 200,
      description: "A page with links.",
      schema: z.string().openapi({ example: "<!doctype html>…" }),
      contentType: "text/html",
    },
    async handle() {
      const { version, hasSandbox, hasConsole } = services;
      const body = await startPage({
        version,
        hasSandbox,
        hasConsole,
        publicUrl: services.publicUrl(),
        notReady: services.readiness().reasons,
      });
      return { status: 200, headers: START_PAGE_HEADERS, body };
    },
  });
}

function health(): Route {
  return defineOpenRoute({
    operationId: "getHealth",
    method: "GET",
    path: "/healthz",
    tag: TAG,
    summary: "Check that the process is alive",
    success: { status: 200, description: "The process is alive.", schema: healthSchema },
    handle: () => jsonAnswer(200, `{"status":"ok"}`),
  });
}

function readiness(services: ApiServices): Route {
  return defineOpenRoute({
    operationId: "getReadiness",
    method: "GET",
    path: "/readyz",
    tag: TAG,
    summary: "Check whether this node is ready for requests",
    success: { status: 200, description: "The node is ready.", schema: readinessSchema },
    problems: ["not_ready"],
    handle() {
      const { reasons, checks } = services.readiness();
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

function metrics(services: ApiServices): Route {
  return defineOpenRoute({
    operationId: "getMetrics",
    method: "GET",
    path: "/metrics",
    tag: TAG,
    summary: "Get metrics in Prometheus's text format",
    description:
      "With `RINGBACK_METRICS_TOKEN` set it needs that as a bearer token. Without, anyone may read " +
      "them, but those that name connections and projects are shown to this machine alone.",
    success: {
      status: 200,
      description: "The metrics.",
      schema: z.string().openapi({ example: "ringback_owned_shards 256\n" }),
      contentType: "text/plain",
    },
    problems: ["unauthorized", "too_many_refused_keys"],
    // With a token only its holder gets them, as often as they ask.
    isCostly: services.metricsToken === null,
    async handle({ headers, client }) {
      const refusal = await metricsRefusal(services, headers.get("authorization"), client);
      if (refusal !== null) return refusal;
      const withTenants = services.metricsToken !== null || client.isLocal;
      const { contentType, body } = await services.metrics.scrape(withTenants);
      return { status: 200, headers: { "content-type": contentType }, body };
    },
  });
}

async function metricsRefusal(
  { metricsToken, refusedKeys, admission }: ApiServices,
  header: string | null,
  { address }: Client,
): Promise<Refusal | null> {
  if (metricsToken === null) return null;
  const given = bearerToken(header);
  if (given !== null && isSameSecret(given, metricsToken)) return null;
  const waitMs = refusedKeys.refuse(address);
  if (waitMs === 0) return WRONG_METRICS_TOKEN;
  return admission.holdBackFrom(address, tooManyRefused(waitMs));
}

/** Takes the same time wherever they differ. */
function isSameSecret(given: string, wanted: string): boolean {
  return timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", wanted, "buffer"));
}

const WRONG_METRICS_TOKEN = unauthorized(
  "Send RINGBACK_METRICS_TOKEN in the header Authorization: Bearer …",
  'Bearer realm="ringback metrics"',
);
