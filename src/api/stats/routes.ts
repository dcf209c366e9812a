import { DELIVERY_STATUSES } from "../../core/delivery/delivery-outcome.ts";
import {
  type Counted,
  COUNTED_OBJECTS,
  NEAR_DEADLINE,
  addCount,
  type MinuteCount,
  nothingCounted,
  successRate,
  tookQuantileMs,
} from "../../core/project-counts.ts";
import { jsonAnswer, isoTime, pageAnswer } from "../http/answer.ts";
import type { ApiServices } from "../services.ts";
import { JOB_STATUSES, SUBSCRIPTION_STATUSES } from "../http/response-schemas.ts";
import { defineRoute, type Route } from "../http/route.ts";
import { statsSchema, historyQuerySchema, statsHistorySchema, nodesSchema } from "./schema.ts";
import { findProjectMinutes } from "../../store/projects/project-minutes.ts";
import { findNodes } from "../../store/nodes.ts";

export function statsRoutes({ statusCounter }: Pick<ApiServices, "statusCounter">): Route[] {
  return [
    defineRoute({
      operationId: "getStats",
      method: "GET",
      path: "/v1/stats",
      tag: "Project",
      summary: "Count jobs, subscriptions and deliveries by status",
      description:
        "For the whole project, over all nodes. Counted on request, every few seconds at most, less often " +
        "where that takes long, and from a sample where there are very many. Live and failed jobs, and " +
        "pending and exhausted deliveries, are counted exactly up to 50,000 of all projects.",
      scope: "subscriptions:read",
      success: { status: 200, description: "The counts.", schema: statsSchema },
      async handle({ database, caller: { projectId } }) {
        const stats = await statusCounter.countsOf(database, projectId);
        const [jobs, subscriptions, deliveries] = COUNTED_OBJECTS.map(
          (kind) => stats?.counts[kind] ?? NOTHING,
        );
        return jsonAnswer(
          200,
          JSON.stringify({
            object: "stats",
            counted_at: isoTime(stats?.countedAtMs ?? null),
            jobs: countsView(jobs, JOB_STATUSES),
            jobs_near_deadline: jobs?.byStatus[NEAR_DEADLINE] ?? 0,
            subscriptions: countsView(subscriptions, SUBSCRIPTION_STATUSES),
            deliveries: countsView(deliveries, DELIVERY_STATUSES),
          }),
        );
      },
    }),
  ];
}

const NOTHING: Counted = { isEstimated: false, byStatus: {} };

function countsView(counted: Counted = NOTHING, statuses: readonly string[]): object {
  const { isEstimated, byStatus } = counted;
  const counts = statuses.map((status): [string, number] => [status, byStatus[status] ?? 0]);
  return {
    total: counts.reduce((total, [, count]) => total + count, 0),
    by_status: Object.fromEntries(counts),
    estimated: isEstimated,
  };
}

const MINUTE_MS = 60_000;

/** Counts of a project over the last day: stored by the minute, summed up by the step. */
export function statsHistoryRoute(services: ApiServices): Route {
  return defineRoute({
    operationId: "getStatsHistory",
    method: "GET",
    path: "/v1/stats/history",
    tag: "Project",
    summary: "Count endings and callbacks of the last day, step by step",
    description:
      "Over all nodes. Each node stores its counts once a minute, so those of other nodes are up to " +
      "two minutes old. On a gateway with more than 200 active projects a count may be shown some " +
      "minutes early.",
    scope: "subscriptions:read",
    query: historyQuerySchema,
    success: { status: 200, description: "The counts.", schema: statsHistorySchema },
    async handle({ database, caller: { projectId }, query }) {
      const stepMs = query.step_minutes * MINUTE_MS;
      const nowMs = services.clock.now();
      const points = Math.ceil(query.minutes / query.step_minutes);
      const lastMs = nowMs - (nowMs % stepMs);
      const sinceMs = lastMs - (points - 1) * stepMs;
      const here = services.minutes.of(projectId);
      const stored = await findProjectMinutes(database, {
        projectId,
        sinceMs,
        stepMs,
        nodeId: services.nodeId,
        unstoredFromMs: here[0]?.minuteMs ?? nowMs + MINUTE_MS,
      });
      const counts = Array.from({ length: points }, nothingCounted);
      const total = nothingCounted();
      const add = (atMs: number, count: Readonly<MinuteCount>): void => {
        const point = counts[Math.floor((Math.min(atMs, nowMs) - sinceMs) / stepMs)];
        if (point === undefined) return;
        addCount(point, count);
        addCount(total, count);
      };
      for (const { fromMs, count } of stored) add(fromMs, count);
      for (const { minuteMs, count } of here) add(minuteMs, count);
      const history = {
        object: "stats_history",
        from: isoTime(sinceMs),
        to: isoTime(nowMs),
        step_s: stepMs / 1000,
        total: { ...countView(total), success_rate: successRate(total) },
        points: counts.map((count, index) =>
          Object.assign({ at: isoTime(sinceMs + index * stepMs) }, countView(count)),
        ),
      };
      return jsonAnswer(200, JSON.stringify(history));
    },
  });
}

function countView(count: Readonly<MinuteCount>) {
  const { endings, completed, delivered, failedAttempts, exhausted, gone } = count;
  return {
    endings,
    completed,
    delivered,
    failed_attempts: failedAttempts,
    exhausted,
    gone,
    ending_to_callback_p50_ms: tookQuantileMs(count, 0.5),
    ending_to_callback_p95_ms: tookQuantileMs(count, 0.95),
  };
}

/** The gateway's processes, without their addresses, which are the operator's business. */
export function nodesRoute(services: ApiServices): Route {
  return defineRoute({
    operationId: "listNodes",
    method: "GET",
    path: "/v1/nodes",
    tag: "System",
    summary: "List the nodes of the gateway, with their shards and leases",
    description:
      "All nodes that have a lease, and those whose lease expired in the last ten minutes, 100 at " +
      "most.",
    scope: "admin",
    success: { status: 200, description: "The nodes, longest running first.", schema: nodesSchema },
    async handle({ database, caller: { projectId } }) {
      const nodes = await findNodes(database, projectId);
      const items = nodes.map((node) =>
        JSON.stringify({
          object: "node",
          id: node.id,
          answering: node.id === services.nodeId,
          started_at: isoTime(node.startedAtMs),
          lease_renewed_at: isoTime(node.renewedAtMs),
          lease_expires_at: isoTime(node.leaseExpiresAtMs),
          is_live: node.isLive,
          shards: node.shards,
          live_jobs: node.liveJobs,
        }),
      );
      return pageAnswer(items, null);
    },
  });
}
