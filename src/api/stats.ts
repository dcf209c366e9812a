import { DELIVERY_STATUSES } from "../core/delivery/delivery-outcome.ts";
import { type Counted, COUNTED_OBJECTS, NEAR_DEADLINE } from "../core/project-counts.ts";
import { jsonAnswer } from "./http/answer.ts";
import { isoTime } from "./http/iso-time.ts";
import type { ApiServices } from "./services.ts";
import { JOB_STATUSES, SUBSCRIPTION_STATUSES } from "./http/response-schemas.ts";
import { defineRoute, type Route } from "./http/route.ts";
import { statsSchema } from "./stats-schema.ts";

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
