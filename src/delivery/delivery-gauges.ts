import type { Metrics } from "../runtime/metrics.ts";
import { BACKLOG_COUNTED_MAX, type DeliveryBacklog } from "../store/delivery-backlog.ts";
import type { Outbox } from "./outbox.ts";

const BACKLOG = {
  ringback_deliveries_overdue: `Deliveries of all nodes whose next attempt is due, ${BACKLOG_COUNTED_MAX} at most.`,
  ringback_oldest_overdue_delivery_seconds:
    "How long the first of the overdue deliveries has been due.",
} as const;

/**
 * The gauges of delivering.
 * @param readBacklog reads the backlog of all nodes, at each scrape
 */
export function registerDeliveryGauges(
  metrics: Metrics,
  outbox: Outbox,
  readBacklog: () => Promise<DeliveryBacklog>,
): void {
  metrics.measuredGauges(BACKLOG, async () => {
    const { overdue, oldestOverdueMs } = await readBacklog();
    return {
      ringback_deliveries_overdue: overdue,
      ringback_oldest_overdue_delivery_seconds: oldestOverdueMs / 1000,
    };
  });
  metrics.gauge("ringback_outbox_deliveries", "Deliveries in memory.", () => outbox.size);
  metrics.gauge(
    "ringback_callback_lanes",
    "Callback origins with deliveries in memory.",
    () => outbox.originCount,
  );
  metrics.gauge(
    "ringback_callback_lanes_failing",
    "Callback origins that fail and are tried once in a while only.",
    () => outbox.failingOrigins.length,
  );
}
