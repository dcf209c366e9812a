import type { Metrics } from "../runtime/metrics.ts";
import type { Outbox } from "./outbox.ts";

/** What /metrics tells of delivering. */
export function registerDeliveryGauges(metrics: Metrics, outbox: Outbox): void {
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
