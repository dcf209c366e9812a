import {
  addCount,
  type MinuteCount,
  nothingCounted,
  successRate,
  tookQuantileMs,
} from "../core/project-counts.ts";
import { findProjectMinutes } from "../store/projects/project-minutes.ts";
import type { ApiServices } from "./services.ts";
import { jsonAnswer } from "./http/answer.ts";
import { isoTime } from "./http/iso-time.ts";
import { defineRoute, type Route } from "./http/route.ts";
import { historyQuerySchema, statsHistorySchema } from "./stats-schema.ts";

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
