import type { OwnedShards } from "../runtime/owned-shards.ts";
import type { DatabaseClock } from "../runtime/clock.ts";
import type { Metrics } from "../runtime/metrics.ts";

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
