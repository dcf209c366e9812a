import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { DatabaseClock } from "../runtime/clock.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { publicId } from "../core/ids/ids.ts";
import { PROJECT_LIMIT_NAMES, type ProjectLimitName } from "../core/limits/project-limits.ts";
import type { ProjectDirectory } from "./project-directory.ts";
import type { StoredUsage } from "./stored-usage.ts";

/** Keeps a scrape readable: for each limit, the projects that use the most of theirs. */
const PROJECTS_SHOWN_MAX = 5;

/** Shows which projects are close to which of their limits. */
export function registerLimitGauges(
  metrics: Metrics,
  projects: ProjectDirectory,
  stored: StoredUsage,
): void {
  metrics.labelledGauge(
    {
      name: "ringback_project_limit_used",
      help: "Usage of a project limit; for each limit the five projects that use the largest part of theirs.",
      labels: ["limit", "project"],
    },
    () => {
      stored.refresh();
      return PROJECT_LIMIT_NAMES.flatMap((name) => topUsers(projects, stored, name));
    },
  );
}

function topUsers(projects: ProjectDirectory, stored: StoredUsage, limit: ProjectLimitName) {
  const users = [];
  for (const { id } of projects.all) {
    const value = projects.used(id, limit) ?? stored.used(id, limit);
    if (value > 0) users.push({ id, value, part: value / projects.allowed(id, limit) });
  }
  return users
    .toSorted((a, b) => b.part - a.part)
    .slice(0, PROJECTS_SHOWN_MAX)
    .map(({ id, value }) => ({ of: { limit, project: publicId("project", id) }, value }));
}

/** Gauges of this node's place in the cluster. */
export function registerClusterGauges(
  metrics: Metrics,
  ports: { readonly shards: Pick<OwnedShards, "list" | "has">; readonly clock: DatabaseClock },
): void {
  metrics.gauge("ringback_owned_shards", "Shards this node owns.", () => ports.shards.list.length);
  metrics.gauge(
    "ringback_clock_ahead_seconds",
    "How far this machine's clock is ahead of the database's, whose time is used.",
    () => ports.clock.systemAheadMs() / 1000,
  );
}
